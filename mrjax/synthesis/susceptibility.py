"""Random volumes of susceptibility, for networks that have seen no patient."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from mrjax import _checks
from mrjax.synthesis import _solids
from mrjax.synthesis.fields import checked_limits

SIZES = (0.06, 0.5)
"""Half the length of a solid over half the longest side, whose logarithm is uniform."""

THIN = (0.04, 0.2)
"""The radius of a tube over half its length."""


class SusceptibilityVolume(NamedTuple):
    """A volume to measure the field of."""

    susceptibility: Float[Array, "nx ny nz"]
    """In ppm, zero outside the mask."""
    mask: Bool[Array, "nx ny nz"]
    magnitude: Float[Array, "nx ny nz"]
    """Of an image of it, about one at most and zero outside the mask."""


def random_susceptibility(
    key: Key[Array, ""],
    shape: Sequence[int],
    *,
    n_shapes: int = 60,
    susceptibility: Any = (-0.2, 0.2),
    texture_spread: Any = 0.1,
) -> SusceptibilityVolume:
    r"""Random ellipsoids, boxes and bent tubes inside a random mask with the form of a head.

    The shapes have random sizes, places and orientations, and lie over each other; each has a susceptibility drawn uniformly
    within limits and a magnitude in 0.3..1, both multiplied by textures $e^{s g(r)}$ of plane waves $g$ of variance one. A voxel
    at the surface of a shape gets a share of both sides. The mask is an ellipsoid with an uneven surface.

    It is a pure function of the key: `jax.jit` compiles it once for a shape, `jax.vmap` makes many.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `shape`: Voxels, `(nx, ny, nz)`; they are cubes for the forms of the shapes.
    - `n_shapes`: At least 1.
    - `susceptibility`: `(low, high)` in ppm.
    - `texture_spread`: $s$. Not negative, scalar.

    **Returns:** A `SusceptibilityVolume`: `susceptibility` in ppm, `mask` and `magnitude`, each of shape `(nx, ny, nz)`.

    **Derivatives:** none that are useful: what is random is discrete.

    **Raises:** `ValueError` where an argument is outside its range.

    **Source:** the kind of object is that of DeepQSM, synthetic random shapes; the distributions are this function's own, as
    those of the paper are not in the sources that were read.

    !!! example

        Batches of fields to learn from, without end, with another direction of the magnet for each sample:

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> from mrjax.synthesis import Stream, local_field, random_b0_direction, random_susceptibility
        >>> def sample(key):
        ...     for_volume, for_direction, for_noise = jax.random.split(key, 3)
        ...     volume = random_susceptibility(for_volume, (16, 16, 16), n_shapes=8)
        ...     dipole = mr.encoding.Dipole((16, 16, 16), 1e-3, random_b0_direction(for_direction, max_tilt=0.5))
        ...     field = local_field(for_noise, volume, dipole, snr=50.0, echo_time=0.02, b0=3.0)
        ...     return {"field": field, "susceptibility": volume.susceptibility}
        >>> stream = Stream(lambda key, n: jax.vmap(sample)(jax.random.split(key, n)), batch_size=4, seed=0)
        >>> stream.batch(0)["field"].shape
        (4, 16, 16, 16)

        ```
    """
    shape = checked_volume(shape)
    n_shapes = _checks.positive_integer(n_shapes, "n_shapes")
    spread = _checks.non_negative(_checks.real_array(texture_spread, "texture_spread"), "texture_spread", "relative")
    low, high = checked_limits(susceptibility, "susceptibility")
    for_mask, for_solids, for_chi, for_magnitude = jax.random.split(key, 4)
    half = max(shape) / 2
    along_axes = [(jnp.arange(n, dtype=low.dtype) - (n - 1) / 2) / half for n in shape]
    places = jnp.stack(jnp.meshgrid(*along_axes, indexing="ij"))
    drawn = _random_solids(for_solids, n_shapes, (low, high), np.array(shape) / (2 * half))
    background = jnp.broadcast_to(jnp.array([0.0, 0.7], low.dtype)[:, None, None, None], (2, *shape))
    chi, magnitude = _solids.painted(background, drawn, places, jnp.asarray(1 / half))
    rough = lambda key: jnp.exp(spread.astype(low.dtype) * _solids.texture(key, places))
    mask = _head(for_mask, places, shape)
    inside = mask.astype(low.dtype)
    return SusceptibilityVolume(inside * chi * rough(for_chi), mask, inside * magnitude * rough(for_magnitude))


def checked_volume(shape: Sequence[int]) -> tuple[int, int, int]:
    """Three positive integers."""
    if len(shape) != 3:
        raise ValueError(f"`shape` must have three entries, (nx, ny, nz), but got {shape!r}.")
    nx, ny, nz = (_checks.positive_integer(n, "shape") for n in shape)
    return nx, ny, nz


def log_uniform(limits: tuple[float, float], share: Array) -> Array:
    """From the lower to the upper limit, as `share` goes from 0 to 1."""
    return limits[0] * jnp.exp(share * np.log(limits[1] / limits[0]))


def _random_solids(
    key: Key[Array, ""], n: int, limits: tuple[Array, Array], extent: Float[np.ndarray, " 3"]
) -> _solids.Solids:
    # in one call, as each takes XLA a quarter of a second to compile
    random = jax.random.uniform(key, (n, 13), limits[0].dtype)
    kind = jnp.floor(3 * random[:, 0]).astype(jnp.int32)
    size, is_tube = log_uniform(SIZES, random[:, 1])[:, None], (kind == _solids.TUBE)[:, None]
    others = jnp.where(is_tube, 2 * log_uniform(THIN, random[:, 2:3]), 0.3 + 0.7 * random[:, 2:4])
    half_axes = size * jnp.concatenate([jnp.where(is_tube, 2.0, 1.0), others], -1)
    centre = 1.6 * (random[:, 4:7] - 0.5) * jnp.asarray(extent, random.dtype)[None]
    values = jnp.stack([limits[0] + (limits[1] - limits[0]) * random[:, 11], 0.3 + 0.7 * random[:, 12]], -1)
    return _solids.Solids(kind, centre, half_axes, _solids.any_rotation(random[:, 7:10]), random[:, 10] - 0.5, values)


def _head(key: Key[Array, ""], places: _solids.Places, shape: tuple[int, ...]) -> Bool[Array, "nx ny nz"]:
    for_axes, for_surface = jax.random.split(key)
    longest = max(shape)
    half_axes = jax.random.uniform(for_axes, (3,), places.dtype, 0.75, 0.95) * (np.array(shape) / longest)
    radius = jnp.sqrt(((places / half_axes[:, None, None, None]) ** 2).sum(0))
    # on the surface alone, and long waves: where one looks from, not how far
    seen = places / jnp.maximum(jnp.sqrt((places**2).sum(0, keepdims=True)), 1e-6)
    return radius * (1 + 0.03 * _solids.texture(for_surface, seen / 2)) < 1
