"""Brains of random susceptibility: the tissues of a template, deep grey nuclei, veins and lesions, deformed at random."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Key

from mrjax import _checks
from mrjax.phantoms import brain
from mrjax.synthesis import _solids
from mrjax.synthesis.susceptibility import SusceptibilityVolume, checked_volume, log_uniform
from mrjax.units import mm

TISSUES = np.array([[0.020, 0.8], [-0.030, 0.7], [0.019, 1.0]])
"""Susceptibility (ppm) and magnitude of grey matter, white matter and CSF."""

SPREAD, ROUGHNESS = 0.01, 0.005
"""In ppm: how far the susceptibility of a tissue is from that at most, and what varies within."""

CENTRE, SEMI_AXES = np.array([0.0, -17.0, 5.0]), np.array([72.0, 90.0, 78.0])
"""Of the brain, in mm in MNI space."""


class Nucleus(NamedTuple):
    """A deep grey nucleus on the right side as an ellipsoid, in mm in MNI space."""

    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]
    ppm: float


NUCLEI = {
    "caudate nucleus": Nucleus((13, 12, 10), (4.5, 12, 8), 0.043),
    "putamen": Nucleus((26, 4, 0), (5, 14, 9), 0.038),
    "globus pallidus": Nucleus((19, -5, -2), (4, 8, 6), 0.099),
    "thalamus": Nucleus((12, -18, 8), (7, 12, 8), 0.012),
    "red nucleus": Nucleus((5, -21, -9), (3, 3.5, 4), 0.068),
    "substantia nigra": Nucleus((10, -18, -13), (4.5, 6, 3.5), 0.082),
    "dentate nucleus": Nucleus((17, -57, -33), (5.5, 7, 5), 0.069),
}

VEINS = (0.15, 0.45)
"""Susceptibility of veins in ppm; it depends on how much oxygen is left in the blood."""

LESIONS = np.array([[-0.02, 0.1], [0.3, 1.5], [-1.5, -0.2]])
"""Susceptibility of lesions without blood, of haemorrhages and of calcifications, in ppm."""

LARGEST_TANGENT = np.tan(np.pi / 24)
"""Of half the angle of 15 degrees."""

FAR = 1e4
"""Where lesions are that are not there, in mm."""


def brain_susceptibility(
    key: Key[Array, ""],
    shape: Sequence[int] = (80, 96, 80),
    voxel_size: Any = 2e-3,
    *,
    n_veins: int = 20,
    n_lesions: int = 4,
    widest: Any = 3.0,
) -> SusceptibilityVolume:
    r"""The susceptibility of a random brain, with deep grey nuclei, veins and lesions.

    Grey matter, white matter and CSF are those of `mrjax.phantoms.brain`, turned, scaled, sheared and mirrored at random
    (up to 15 degrees about each axis, 15 % and 0.1). In them lie as ellipsoids caudate nucleus, putamen, globus pallidus,
    thalamus, red nucleus, substantia nigra and dentate nucleus of both sides, bent tubes as veins, and lesions: each is there in
    every other brain, and is without blood, a haemorrhage or a calcification. Textures are added.

    In every other brain the susceptibility of a nucleus, on both sides, is multiplied by a factor from 1 to `widest` whose
    logarithm is uniform, so that a network also learns of more iron than healthy brains have. The magnitude falls as
    $e^{-2 |\chi| / \mathrm{ppm}}$, as iron shortens T2*.

    It is a pure function of the key: `jax.jit` compiles it once for a shape, `jax.vmap` makes many.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `shape`: Voxels, `(nx, ny, nz)`: left to right, posterior to anterior, inferior to superior. The middle of the brain is that
      of the volume; what is outside is cut off.
    - `voxel_size`: In m, one number or three. Positive. May be traced.
    - `n_veins`, `n_lesions`: At least 1.
    - `widest`: At least 1, scalar.

    **Returns:** A `SusceptibilityVolume`: `susceptibility` in ppm, `mask` and `magnitude`, each of shape `(nx, ny, nz)`.

    **Error:** ellipsoids are where nuclei are, not their forms; skull and air are left out, as after background removal.

    **Derivatives:** in `voxel_size` and `widest`, of what is not discrete.

    **Raises:** `ValueError` where an argument is outside its range.

    **Source:** susceptibilities of the tissues: J. P. Marques et al., Magn Reson Med 86 (2021) 526-542, as transcribed in public
    simulators. That factors widen the range is the way of QSMnet+; which factors, places and values of nuclei, veins and lesions
    is this function's own choice, the values of the size that is found at 3 T.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import brain_susceptibility
        >>> volume = brain_susceptibility(jax.random.key(0), (20, 24, 20), voxel_size=8e-3)
        >>> volume.susceptibility.shape, bool((volume.susceptibility[~volume.mask] == 0).all())
        ((20, 24, 20), True)

        ```
    """
    shape = checked_volume(shape)
    sizes = _checks.positive(_checks.real_array(voxel_size, "voxel_size"), "voxel_size", "m")
    if sizes.shape not in ((), (3,)):
        raise ValueError(f"`voxel_size` must be a number or three (m), but got shape {sizes.shape}.")
    factor = _checks.real_array(widest, "widest")
    factor = _checks.require(factor, factor >= 1, "`widest` must be at least 1")
    millimetres = jnp.broadcast_to(sizes, (3,)).astype(jnp.result_type(float)) / mm
    for_form, for_nuclei, for_veins, for_lesions, for_texture = jax.random.split(key, 5)
    # few calls, as each takes XLA a quarter of a second to compile
    form, (of_tissues, _) = jnp.split(jax.random.uniform(for_form, (5, 3), millimetres.dtype, -1.0), [3])
    places = _places(form, shape, millimetres)
    fractions = _fractions(places)
    drawn = TISSUES + np.array([[SPREAD, 0.0]]) * of_tissues[:, None]
    solids = _solids.together(
        _nuclei(for_nuclei, factor),
        _veins(for_veins, _checks.positive_integer(n_veins, "n_veins")),
        _lesions(for_lesions, _checks.positive_integer(n_lesions, "n_lesions")),
    )
    maps = _solids.painted(jnp.tensordot(drawn.T, fractions, 1), solids, places, millimetres.min())
    rough = _solids.texture(for_texture, (places - CENTRE[:, None, None, None]) / SEMI_AXES.max())
    mask = fractions.sum(0) > 0.5
    chi = jnp.where(mask, maps[0] + ROUGHNESS * rough, 0.0)
    magnitude = maps[1] * jnp.exp(-2 * jnp.abs(chi)) * (1 + 0.05 * rough)
    return SusceptibilityVolume(chi, mask, jnp.where(mask, jnp.maximum(magnitude, 0.0), 0.0))


def _places(form: Float[Array, "3 3"], shape: tuple[int, ...], millimetres: Array) -> _solids.Places:
    """Where in MNI space the voxels are of a brain that is turned and stretched about its centre."""
    turned, scaled, sheared = form
    # tangents of half an angle
    turn = _solids.rotation(jnp.concatenate([jnp.ones(1, form.dtype), LARGEST_TANGENT * turned]))
    # a factor of either sign mirrors left and right in every other brain
    scale = (1 + 0.15 * scaled) * jnp.ones(3, form.dtype).at[0].set(jnp.sign(sheared[0]))
    shear = jnp.eye(3, dtype=form.dtype).at[[1, 2, 2], [0, 0, 1]].set(0.1 * sheared)
    stretch = jnp.diag(scale)
    index = jnp.stack(jnp.meshgrid(*(jnp.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))
    offsets = index.astype(millimetres.dtype) * millimetres[:, None, None, None]
    return jnp.asarray(CENTRE)[:, None, None, None].astype(offsets.dtype) + jnp.tensordot(
        stretch @ shear @ turn, offsets, 1
    )


def _fractions(places: _solids.Places) -> Float[Array, "3 nx ny nz"]:
    with jax.ensure_compile_time_eval():  # or the compiler would check again that these are fractions
        template = brain()
    affine = np.array(template.affine)
    origin, step = affine[:3, 3][:, None, None, None], np.diag(affine)[:3][:, None, None, None]
    index = list((places - origin) / step)
    return jnp.stack([map_coordinates(tissue, index, order=1) for tissue in template.fractions.astype(places.dtype)])


def _nuclei(key: Key[Array, ""], widest: Array) -> _solids.Solids:
    """Of both sides, which are alike to a twentieth."""
    n = len(NUCLEI)
    value, factor, left, right, size, other_size = jax.random.uniform(key, (6, n), jnp.result_type(float))
    positions = np.array([nucleus.centre for nucleus in NUCLEI.values()])
    centre = jnp.asarray(np.concatenate([positions, positions * np.array([[-1, 1, 1]])]), value.dtype)
    half_axes = jnp.array([nucleus.half_axes for nucleus in NUCLEI.values()] * 2, value.dtype)
    half_axes = half_axes * (0.85 + 0.3 * jnp.concatenate([size, other_size]))[:, None]
    mean = jnp.array([nucleus.ppm for nucleus in NUCLEI.values()], value.dtype)
    iron = widest.astype(value.dtype) ** jnp.maximum(2 * factor - 1, 0.0)
    both = mean * iron * (1 + 0.8 * (value - 0.5))
    values = jnp.tile(both, 2) * (1 + 0.1 * (jnp.concatenate([left, right]) - 0.5))
    kind = jnp.full(2 * n, _solids.ELLIPSOID, jnp.int32)
    return _solids.Solids(kind, centre, half_axes, _solids.upright(2 * n), jnp.zeros(2 * n), _with_magnitude(values))


def _veins(key: Key[Array, ""], n: int) -> _solids.Solids:
    random = jax.random.uniform(key, (n, 10), jnp.result_type(float))
    radius = log_uniform((0.6, 2.0), random[:, :1])
    half_axes = jnp.concatenate([15.0 + 25.0 * random[:, 1:2], radius, radius], -1)
    centre = jnp.asarray(CENTRE, random.dtype)[None] + 1.5 * (random[:, 2:5] - 0.5) * SEMI_AXES[None]
    turn = _solids.any_rotation(random[:, 7:10])
    values = VEINS[0] + (VEINS[1] - VEINS[0]) * random[:, 5]
    kind = jnp.full(n, _solids.TUBE, jnp.int32)
    return _solids.Solids(kind, centre, half_axes, turn, random[:, 6] - 0.5, _with_magnitude(values))


def _lesions(key: Key[Array, ""], n: int) -> _solids.Solids:
    random = jax.random.uniform(key, (n, 13), jnp.result_type(float))
    half_axes = log_uniform((1.5, 10.0), random[:, :1]) * (0.6 + 0.4 * random[:, 1:4])
    centre = jnp.asarray(CENTRE, random.dtype)[None] + 1.2 * (random[:, 4:7] - 0.5) * SEMI_AXES[None]
    centre = jnp.where(random[:, 7:8] < 0.5, centre, FAR)
    what = jnp.floor(len(LESIONS) * random[:, 12]).astype(jnp.int32)
    low, high = jnp.asarray(LESIONS, random.dtype)[what].T
    turn = _solids.any_rotation(random[:, 9:12])
    kind = jnp.full(n, _solids.ELLIPSOID, jnp.int32)
    values = low + (high - low) * random[:, 8]
    return _solids.Solids(kind, centre, half_axes, turn, jnp.zeros(n), _with_magnitude(values))


def _with_magnitude(ppm: Float[Array, " n"]) -> Float[Array, "n 2"]:
    return jnp.stack([ppm, jnp.full_like(ppm, 0.8)], -1)
