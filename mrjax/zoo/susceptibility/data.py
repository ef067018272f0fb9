"""Local fields of random volumes to learn from, and what a network is told of each."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.synthesis import (
    Stream,
    SusceptibilityVolume,
    brain_susceptibility,
    local_field,
    random_b0_direction,
    random_patch,
    random_susceptibility,
)
from mrjax.units import GAMMA_BAR, mm, ms, ppm
from mrjax.zoo.system import TrainingConfig

SCALE = 0.04
"""The susceptibility in ppm that networks see as one: of the size of its standard deviation."""

FIELD_SCALE = 0.01
"""The field in ppm that networks see as one."""

OBJECTS = ("brains", "shapes")

FILLED_CUBE: dict[str, Any] = {"n_voxels": 32, "patch": 32, "batch_size": 1}
"""Settings for short trainings: a brain of voxels of 4 mm is cut at the sides of the cube and fills three quarters; of a cube
that holds it whole most voxels are air. The field is that of what is left of the brain, so nothing in it is unexplained."""


@dataclasses.dataclass(frozen=True)
class SusceptibilityConfig(TrainingConfig):
    """How volumes and their fields are made, and how a network is trained on them.

    **Arguments:**

    - `objects`: "brains", as `mrjax.synthesis.brain_susceptibility` makes them, or "shapes", as `random_susceptibility` does.
    - `n_voxels`: Along each side of the cubes whose field is computed.
    - `voxel_size`: Side of a voxel in m.
    - `voxel_spread`: Each side of the voxels of a sample is longer or shorter than `voxel_size` by up to this part of it.
    - `patch`: Voxels along each side of what a network is trained on; with `n_voxels` it is whole volumes.
    - `patches_per_volume`: Patches that are cut from one volume. They share a batch.
    - `max_tilt`: Largest angle in rad between B0 and the third axis of a volume.
    - `snr`: Of the magnitude where it is one; infinite for fields without noise.
    - `snr_spread`: The SNR of a training sample is `snr` times or over up to this factor, whose logarithm is uniform. At least 1.
    - `echo_time`, `b0`: Of the phase image, in s and T, from which follows what the noise of a field is.
    - `widest`: Deep grey nuclei of every second brain have up to this factor more susceptibility; 1 for healthy brains.
    - `n_lesions`: Lesions that a brain can have.
    - `n_orientations`: Most directions of B0 in which a volume is measured.

    **Raises:** `ValueError` where a value is not possible.
    """

    objects: str = "brains"
    n_voxels: int = 48
    voxel_size: float = 4 * mm
    voxel_spread: float = 0.0
    patch: int = 48
    patches_per_volume: int = 1
    max_tilt: float = 0.5
    snr: float = 100.0
    snr_spread: float = 1.0
    echo_time: float = 20 * ms
    b0: float = 3.0
    widest: float = 3.0
    n_lesions: int = 4
    n_orientations: int = 1
    batch_size: int = 2
    steps: int = 200

    def __post_init__(self):
        super().__post_init__()
        for name in ("n_voxels", "patch", "patches_per_volume", "n_lesions", "n_orientations"):
            _checks.positive_integer(getattr(self, name), name)
        if self.objects not in OBJECTS:
            raise ValueError(f"`objects` must be one of {', '.join(OBJECTS)}, but got {self.objects!r}.")
        if self.patch > self.n_voxels:
            raise ValueError(f"`patch` must be at most `n_voxels`, which is {self.n_voxels}, but got {self.patch}.")
        for name in ("voxel_size", "echo_time", "b0"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be positive and finite, but got {getattr(self, name)!r}.")
        if not 0 <= self.voxel_spread < 1:
            raise ValueError(f"`voxel_spread` must be from 0 to below 1, but got {self.voxel_spread!r}.")
        if not 0 <= self.max_tilt <= math.pi:
            raise ValueError(f"`max_tilt` must be from 0 to pi (rad), but got {self.max_tilt!r}.")
        if not self.snr > 0:
            raise ValueError(f"`snr` must be positive, but got {self.snr!r}.")
        for name in ("widest", "snr_spread"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be at least 1, but got {getattr(self, name)!r}.")


Measured = dict[str, Array]
"""What an estimate is given, samples first: `field`, the local field in ppm, zero outside the mask, `(n, nx, ny, nz)`; `mask`,
true inside, and `weights`, one over the variance of the field with a mean of one in the mask, both of the same shape;
`b0_direction`, `(n, 3)`; and `voxel_size` in m, `(n, 3)`. A batch of a training has `susceptibility` in ppm besides; and where
`n_orientations` is above one `further_fields`, `(n, n_orientations - 1, nx, ny, nz)`; `further_b0_directions` along the same
axes of the volume, `(n, n_orientations - 1, 3)`; and `further_weights`, `(n, n_orientations - 1)`, one, or zero for those that
are not measured."""


def stream(config: SusceptibilityConfig) -> Stream:
    """Batches without end, made while training.

    The field of each volume is computed before patches are cut, with zeros about the volume: a patch holds the field of what lies
    beside it, as in a scan.

    **Arguments:**

    - `config`: Objects, voxels, patches, directions of B0, noise, size of a batch and seed.

    **Returns:** a `mrjax.synthesis.Stream` of batches, see `Measured`.

    !!! example

        ```python
        >>> from mrjax.zoo.susceptibility import SusceptibilityConfig, stream
        >>> config = SusceptibilityConfig(objects="shapes", n_voxels=16, patch=8, patches_per_volume=2, batch_size=4)
        >>> batch = stream(config).batch(0)
        >>> batch["field"].shape, batch["voxel_size"].shape
        ((4, 8, 8, 8), (4, 3))

        ```
    """

    def make(key: Key[Array, ""], n: int) -> Measured:
        n_volumes = math.ceil(n / config.patches_per_volume)
        # one volume after the other, in the memory of one
        samples = jax.lax.map(lambda key: _patches(key, config), jax.random.split(key, n_volumes))
        return {name: values.reshape(-1, *values.shape[2:])[:n] for name, values in samples.items()}

    return Stream(make, config.batch_size, config.seed)


def _patches(key: Key[Array, ""], config: SusceptibilityConfig) -> Measured:
    for_sizes, for_direction, for_volume, for_noise, for_patches, for_others, for_snr = jax.random.split(key, 7)
    snr = config.snr * config.snr_spread ** jax.random.uniform(for_snr, (), jnp.float32, -1.0)
    spread = jax.random.uniform(for_sizes, (3,), jnp.float32, -config.voxel_spread, config.voxel_spread)
    sizes = config.voxel_size * (1 + spread)
    direction = random_b0_direction(for_direction, config.max_tilt).astype(jnp.float32)
    volume = _volume(for_volume, sizes, config)
    measured = measured_volume(for_noise, volume, sizes, direction, config, snr)
    if config.n_orientations > 1:
        measured |= _further_orientations(for_others, volume, sizes, config, snr)
    volumes = {name: values for name, values in measured.items() if values.ndim >= 3}
    voxels_first = {name: jnp.moveaxis(values, (-3, -2, -1), (0, 1, 2)) for name, values in volumes.items()}
    cut = lambda key: random_patch(key, voxels_first, (config.patch,) * 3)
    patches = jax.vmap(cut)(jax.random.split(for_patches, config.patches_per_volume))
    repeated = lambda values: jnp.broadcast_to(values[None], (config.patches_per_volume, *values.shape))
    same = {name: repeated(values) for name, values in measured.items() if name not in volumes}
    return same | {name: jnp.moveaxis(values, (1, 2, 3), (-3, -2, -1)) for name, values in patches.items()}


def _further_orientations(
    key: Key[Array, ""], volume: SusceptibilityVolume, sizes: Array, config: SusceptibilityConfig, snr: Array
) -> Measured:
    """One to all of the orientations are measured, which is as likely for each number."""
    for_number, *keys = jax.random.split(key, config.n_orientations)

    def once_more(key: Key[Array, ""]) -> tuple[Array, Array]:
        for_direction, for_noise = jax.random.split(key)
        direction = random_b0_direction(for_direction, config.max_tilt)
        measured = measured_volume(for_noise, volume, sizes, direction, config, snr)
        return measured["field"], measured["b0_direction"]

    fields, directions = jax.lax.map(once_more, jnp.stack(keys))
    n_measured = jax.random.randint(for_number, (), 0, config.n_orientations)
    weights = (jnp.arange(config.n_orientations - 1) < n_measured).astype(jnp.float32)
    return {"further_fields": fields, "further_b0_directions": directions, "further_weights": weights}


def _volume(key: Key[Array, ""], sizes: Array, config: SusceptibilityConfig) -> SusceptibilityVolume:
    shape = (config.n_voxels,) * 3
    if config.objects == "shapes":
        return random_susceptibility(key, shape)
    return brain_susceptibility(key, shape, sizes, n_lesions=config.n_lesions, widest=config.widest)


def measured_volume(
    key: Key[Array, ""],
    volume: SusceptibilityVolume,
    sizes: Any,
    direction: Any,
    config: SusceptibilityConfig,
    snr: Any = None,
) -> Measured:
    """What a scan of a whole volume measures.

    **Arguments:**

    - `key`: Of the noise.
    - `volume`: As `brain_susceptibility` makes it, `(nx, ny, nz)`.
    - `sizes`: Of a voxel in m, `(3,)`.
    - `direction`: Of B0, `(3,)`.
    - `config`: Its `snr`, `echo_time` and `b0` say how large the noise is.
    - `snr`: Another than that of `config`.

    **Returns:** `Measured` of one sample, with no axis for it, and its `susceptibility` in ppm.
    """
    volume = SusceptibilityVolume(*(x if x.dtype == bool else x.astype(jnp.float32) for x in volume))
    dipole = Dipole(volume.mask.shape, sizes, direction)
    ratio = config.snr if snr is None else snr
    field = local_field(key, volume, dipole, snr=ratio, echo_time=config.echo_time, b0=config.b0)
    square = jnp.where(volume.mask, volume.magnitude**2, 0.0)
    weights = square * volume.mask.sum() / jnp.maximum(square.sum(), jnp.finfo(square.dtype).tiny)
    return {
        "susceptibility": volume.susceptibility,
        "field": field.astype(jnp.float32),
        "mask": volume.mask,
        "weights": weights,
        "b0_direction": jnp.asarray(direction, jnp.float32),
        "voxel_size": jnp.asarray(sizes, jnp.float32),
    }


def dipoles(measured: Measured) -> Dipole:
    """The dipole of each sample, with an axis of samples in front of its arrays: for `jax.vmap`.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> from mrjax.zoo.susceptibility import dipoles
        >>> directions = jnp.array([[0.0, 0.0, 1.0], [0.0, 0.5, 1.0]])
        >>> measured = {"field": jnp.zeros((2, 8, 8, 8)), "voxel_size": jnp.ones((2, 3)), "b0_direction": directions}
        >>> jax.vmap(lambda dipole, field: dipole(field))(dipoles(measured), measured["field"]).shape
        (2, 8, 8, 8)

        ```
    """
    shape = measured["field"].shape[1:]
    of_one = lambda sizes, direction: Dipole(shape, sizes, direction)
    return jax.vmap(of_one)(measured["voxel_size"], measured["b0_direction"])


def phase_per_ppm(config: SusceptibilityConfig) -> float:
    """The phase in rad that a field of 1 ppm makes until the echo."""
    return 2 * math.pi * GAMMA_BAR["1H"] * config.b0 * config.echo_time * ppm


def described(config: SusceptibilityConfig) -> str:
    """The line of the model card on data."""
    side = f"{config.n_voxels} voxels of {config.voxel_size / mm:g} mm"
    if config.voxel_spread:
        side += f" (up to {100 * config.voxel_spread:g} % longer or shorter)"
    noise = "" if config.snr_spread == 1 else f" (times or over up to {config.snr_spread:g})"
    cut = "" if config.patch == config.n_voxels else f", patches of {config.patch}"
    return (
        f"local fields of synthetic {config.objects} in cubes of {side}{cut}, B0 up to {math.degrees(config.max_tilt):.0f} "
        f"degrees off the axis, SNR {config.snr:g}{noise} at {config.b0:g} T and TE {config.echo_time / ms:g} ms"
    )
