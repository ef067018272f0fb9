"""What a brain is measured in: the field of the magnet as the head distorts it, and the transmit field."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.signals.susceptibility import off_resonance
from mrjax.units import GAMMA_BAR, mm

from . import _spins, _tables
from ._head import Head, head
from .phantom import Phantom

PERMITTIVITY, CONDUCTIVITY = 52.0, 0.34
"""Relative, and in S/m: of the size that brain tissue has at 3 T."""

EPSILON_0, MU_0 = 8.8541878e-12, 1.25663706e-6
CENTRE, SEMI_AXES = np.array([0, -17, 5]) * mm, np.array([72, 90, 78]) * mm
"""Of the brain."""

HARMONICS = (1, 4, 9)
"""Shim terms up to each order."""


class BrainFields(NamedTuple):
    """The two maps of `brain_fields`, of the shape of its phantom."""

    off_resonance: Float[Array, "*shape"]
    """In Hz, after shimming."""
    b1: Float[Array, "*shape"]
    """Relative to nominal."""


def brain_fields(
    phantom: Phantom, b0: float | int = 3.0, b0_direction: Sequence[float | int] = (0.0, 0.0, 1.0), shim_order: int = 2
) -> BrainFields:
    r"""Maps of off-resonance and of the transmit field for `brain`.

    **Off-resonance:** `mrjax.signals.susceptibility.off_resonance` of a head around the brain: soft tissue, skull and neck,
    with air in the sinuses, nose and ears, less the spherical harmonics up to `shim_order` that fit it best in the whole
    brain, as a shim would take them away. What lies about the brain is made of ellipsoids where anatomy has them, so the field
    rises above the sinuses and ears as it does in vivo; it is nobody's field.

    **Transmit field:** a wave that stands in a ball of brain tissue, a solution of $\nabla^2 B_1 + k^2 B_1 = 0$,

    $$B_1(r) \propto \left| \frac{\sin k r}{k r} \right|, \qquad k^2 = \omega^2 \mu_0 \epsilon - i \omega \mu_0 \sigma$$

    with $r$ stretched as the brain is. Its mean in the brain is 1; at 3 T it is 1.26 in the middle and falls to 0.74 at the
    surface. Above 3 T a head is less like a ball, and this map too uneven.

    **Arguments:**

    - `phantom`: A `brain`, of any shape or slice: its positions count, in MNI space.
    - `b0`: Field of the magnet in T. Positive.
    - `b0_direction`: In the axes of the head, of any length but zero; along z by default.
    - `shim_order`: 0 (the frequency alone), 1 or 2.

    **Returns:** `off_resonance` in Hz and `b1`, each of the shape of the phantom. The same values for the same positions,
    whatever the grid.

    **Error:** the field is computed on voxels of 4 mm and interpolated by cubic splines; finer detail, such as that of veins, is
    not in it.

    **Derivatives:** none, the maps are known numbers.

    **Raises:** `ValueError` for another shim order, a field that is not positive or a direction that is zero.

    **Source:** susceptibilities: J. P. Marques et al., Magn Reson Med 86 (2021) 526-542, as transcribed in public
    simulators (muscle 0, air 9.2, skull -2.1, CSF 0.019, grey matter 0.02, white matter -0.03 ppm).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> phantom = mr.phantoms.brain((64, 64))
        >>> fields = mr.phantoms.brain_fields(phantom)
        >>> spins = phantom.spins(sub_spins=2, b1=fields.b1, off_resonance=fields.off_resonance)
        >>> spins.voxel_shape
        (3, 128, 128)

        ```
    """
    if shim_order not in range(len(HARMONICS)):
        raise ValueError(f"`shim_order` must be 0, 1 or 2, but got {shim_order!r}.")
    field = _tables.positive_number(b0, "b0", "T")
    whole = head()
    voxel = float(whole.affine[0, 0]) * mm
    hertz = np.asarray(off_resonance(whole.susceptibility_ppm, voxel, field, tuple(b0_direction)), float)
    shimmed = _shimmed(hertz, whole, HARMONICS[shim_order])
    ones = (1,) * len(phantom.shape)
    places = np.broadcast_arrays(*_spins.positions(np.array(phantom.affine), phantom.shape, ones))
    transmit = _standing_wave(np.stack(places), field) / _mean_in_brain(whole, field)
    as_array = lambda values: jnp.asarray(values, phantom.fractions.dtype)
    return BrainFields(as_array(_at(shimmed, whole, np.stack(places))), as_array(transmit))


def _places(whole: Head) -> Float[np.ndarray, "3 nx ny nz"]:
    return np.stack(np.broadcast_arrays(*_spins.positions(whole.affine, whole.brain.shape, (1, 1, 1))))


def _shimmed(hertz: Float[np.ndarray, "nx ny nz"], whole: Head, n_terms: int) -> Float[np.ndarray, "nx ny nz"]:
    """Less the harmonics that fit best where there is mostly brain."""
    x, y, z = (_places(whole) - CENTRE[:, None, None, None]) / SEMI_AXES.max()
    first_order, second_order = [x, y, z], [x * y, x * z, y * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]
    terms = np.stack([np.ones_like(x), *first_order, *second_order][:n_terms])
    is_brain = whole.brain > 0.5
    weights = np.linalg.lstsq(terms[:, is_brain].T, hertz[is_brain], rcond=None)[0]
    return hertz - np.tensordot(weights, terms, 1)


def _at(values: Float[np.ndarray, "nx ny nz"], whole: Head, places: Float[np.ndarray, "3 *shape"]) -> np.ndarray:
    from scipy.ndimage import map_coordinates  # takes as long to import as most of mrjax

    start = whole.affine[:3, 3].reshape(3, *(1 for _ in places.shape[1:]))
    return map_coordinates(values, (places / mm - start) / whole.affine[0, 0], order=3, mode="nearest")


def _mean_in_brain(whole: Head, b0: float) -> float:
    return float(np.average(_standing_wave(_places(whole), b0), weights=whole.brain))


def _standing_wave(places: Float[np.ndarray, "3 *shape"], b0: float) -> Float[np.ndarray, "*shape"]:
    column = lambda values: values.reshape(3, *(1 for _ in places.shape[1:]))
    stretched = (places - column(CENTRE)) / column(SEMI_AXES / SEMI_AXES.mean())
    radius = np.sqrt((stretched**2).sum(0))
    omega = 2 * np.pi * GAMMA_BAR["1H"] * b0
    k = np.sqrt(omega**2 * MU_0 * EPSILON_0 * PERMITTIVITY - 1j * omega * MU_0 * CONDUCTIVITY)
    return np.abs(np.sinc(k * radius / np.pi))
