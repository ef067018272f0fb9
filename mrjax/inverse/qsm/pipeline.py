"""From magnitude and phase of a gradient-echo scan to susceptibility, in one call."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.inverse.qsm._volumes import checked_mask, referenced
from mrjax.inverse.qsm.boundary_values import lbv
from mrjax.inverse.qsm.closed_form import tikhonov, tkd
from mrjax.inverse.qsm.echoes import EchoFit, fit_echoes
from mrjax.inverse.qsm.local_field import LocalField
from mrjax.inverse.qsm.masks import signal_mask
from mrjax.inverse.qsm.nonlinear import ndi
from mrjax.inverse.qsm.outer_sources import pdf
from mrjax.inverse.qsm.spheres import voxel_sides
from mrjax.inverse.qsm.spherical_means import resharp, v_sharp
from mrjax.inverse.qsm.total_variation import medi, tv
from mrjax.inverse.qsm.unwrapping import TURN, unwrap, unwrap_by_path
from mrjax.units import GAMMA_BAR, ppm

BACKGROUNDS = ("v_sharp", "resharp", "pdf", "lbv")
INVERSIONS = ("tv", "medi", "tikhonov", "tkd", "ndi")
UNWRAPPINGS: Mapping[str, Callable[[Any, Any], Array]] = MappingProxyType({"laplacian": unwrap, "path": unwrap_by_path})


BEST_STRENGTH, AT_NOISE, GROWTH = 5e-5, 0.9e-3, 1.4
"""The strength of total variation in ppm with the least error on a brain phantom, for noise of the field in ppm that is
0.9 ppb, and the power with which it grows with noise, from 0.2 to 9 ppb."""
LEAST_NOISE = 0.1e-3
"""In ppm, below which the strength falls no further."""


class SusceptibilityMap(NamedTuple):
    """The result of `qsm`, with what led to it; volumes `(nx, ny, nz)`, zero outside of their masks."""

    susceptibility: Array
    """In ppm, relative to its mean in `mask`."""
    local_field: Array
    """Of the sources inside, in ppm of that of the magnet."""
    mask: Bool[Array, "nx ny nz"]
    """Where local field and susceptibility are known."""
    total_field: Array
    """In ppm; a constant is not known."""
    field_std: Array
    """Standard deviation of the total field in ppm, by noise; nan with fewer than three echoes, which do not tell it."""
    signal_mask: Bool[Array, "nx ny nz"]
    """Where the total field is known: the mask given, or that found."""


def qsm(
    magnitude: Any,
    phase: Any,
    te: Any,
    voxel_size: Any,
    b0: Any,
    b0_direction: Any = (0.0, 0.0, 1.0),
    mask: Any = None,
    *,
    unwrapping: str = "laplacian",
    background: str = "v_sharp",
    inversion: str = "tv",
    strength: Any = None,
) -> SusceptibilityMap:
    r"""A susceptibility map from a gradient-echo scan: mask, field of the echoes, removal of the background, inversion.

    It calls `signal_mask`, `fit_echoes`, one of `v_sharp`, `resharp`, `pdf` and `lbv`, and one of `tv`, `medi`, `tikhonov`, `tkd`
    and `ndi`, with their defaults. Call these themselves to set more.

    **Arguments:**

    - `magnitude`: In any unit. Shape `(nx, ny, nz, n_echoes)`.
    - `phase`: In rad, wrapped, growing where the field is higher; pass minus the phase of scanners that count it down. Shape
        `(nx, ny, nz, n_echoes)`.
    - `te`: Echo times in s, increasing. Shape `(n_echoes,)`. Known before compiling.
    - `voxel_size`: In m, one number or three. Known before compiling.
    - `b0`: Field of the magnet in T.
    - `b0_direction`: Along the axes of the volume, of any length but zero. Shape `(3,)`.
    - `mask`: Such as of the brain; true, or not zero. Shape `(nx, ny, nz)`. By default `signal_mask` finds one, which does not
        tell scalp from brain.
    - `unwrapping`: `"laplacian"`, or `"path"` (which needs scikit-image).
    - `background`: `"v_sharp"`, `"resharp"`, `"pdf"`, `"lbv"`, or `"none"` if the field has none.
    - `inversion`: `"tv"`, `"medi"`, `"tikhonov"`, `"tkd"` or `"ndi"`.
    - `strength`: Of the inversion: its `strength`, the `threshold` of `tkd`, the `decay` of `ndi`. By default theirs, but that of
        `tv` and `medi` follows the median noise $\sigma$ of the total field where three echoes tell it: $5 \cdot 10^{-5}$ ppm
        $(\sigma / 0.9\ \text{ppb})^{1.4}$, which is best on a brain phantom.

    **Returns:** A `SusceptibilityMap`.

    **Derivatives:** in magnitude, phase and `b0` where the steps have them, if a mask is given.

    **Raises:** `ValueError` for arrays whose shapes differ, unknown names, numbers out of range.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> ball = jnp.zeros((24, 24, 24)).at[9:15, 9:15, 9:15].set(0.2)
        >>> te = jnp.array([5e-3, 10e-3, 15e-3])
        >>> off_resonance = mr.signals.susceptibility.off_resonance(ball, 2e-3, b0=3.0)
        >>> phase = 2 * jnp.pi * off_resonance[..., None] * te
        >>> mask = jnp.zeros((24, 24, 24), bool).at[2:22, 2:22, 2:22].set(True)
        >>> result = mr.inverse.qsm.qsm(jnp.ones_like(phase), phase, te, voxel_size=2e-3, b0=3.0, mask=mask)
        >>> bool(result.susceptibility[12, 12, 12] > 0.1), bool(abs(result.susceptibility[5, 5, 5]) < 0.05)
        (True, True)

        ```
    """
    size, angle = _checks.real_array(magnitude, "magnitude"), _checks.real_array(phase, "phase")
    if size.shape != angle.shape:
        raise ValueError(f"`magnitude` and `phase` must have one shape, but got {size.shape} and {angle.shape}.")
    _check_names(unwrapping, background, inversion)
    sides = voxel_sides(voxel_size)
    hz_per_ppm = _checks.positive(_checks.real_array(b0, "b0"), "b0", "T") * GAMMA_BAR["1H"] * ppm
    images = size * jnp.exp(1j * angle)
    inside = checked_mask(_found_mask(images) if mask is None else mask, images.shape[:-1])
    fit = fit_echoes(images, te, inside, unwrapping=UNWRAPPINGS[unwrapping])
    total = fit.off_resonance / hz_per_ppm
    dipole = Dipole(total.shape, jnp.asarray(sides, total.dtype), b0_direction, padding=1)
    local = _without_background(background, total, inside, sides, dipole, fit)
    deviation = jnp.where(inside, fit.off_resonance_std(inside) / hz_per_ppm if fit.n_free else jnp.nan, 0.0)
    if strength is None and inversion in ("tv", "medi") and fit.n_free:
        noise = jnp.nanmedian(jnp.where(local.mask, deviation, jnp.nan))
        strength = BEST_STRENGTH * (jnp.maximum(noise, LEAST_NOISE) / AT_NOISE) ** GROWTH
    susceptibility = _inverted(inversion, local, dipole, fit, size, TURN * hz_per_ppm * float(np.max(te)), strength)
    return SusceptibilityMap(susceptibility, local.field, local.mask, total, deviation, inside)


def _check_names(unwrapping: str, background: str, inversion: str) -> None:
    for name, value, known in (
        ("unwrapping", unwrapping, tuple(UNWRAPPINGS)),
        ("background", background, (*BACKGROUNDS, "none")),
        ("inversion", inversion, INVERSIONS),
    ):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}, but got {value!r}.")


def _found_mask(images: Array) -> np.ndarray:
    if images.ndim != 4:
        raise ValueError(f"`magnitude` must have shape (nx, ny, nz, n_echoes), but got {images.shape}.")
    if not _checks.is_concrete(images):
        raise ValueError(
            "`mask` must be given where magnitude or phase are traced, as finding one is no function of JAX."
        )
    between = None if images.shape[-1] == 1 else jnp.angle(images[..., 1] * images[..., 0].conj())
    return signal_mask(jnp.sqrt((jnp.abs(images) ** 2).sum(-1)), between)


def _without_background(
    background: str, total: Array, mask: Any, sides: tuple[float, float, float], dipole: Dipole, fit: EchoFit
) -> LocalField:
    if background == "none":
        return LocalField(total, jnp.asarray(mask))
    if background == "pdf":
        return pdf(total, mask, dipole, weights=fit.weights)
    return {"v_sharp": v_sharp, "resharp": resharp, "lbv": lbv}[background](total, mask, sides)


def _inverted(
    inversion: str,
    local: LocalField,
    dipole: Dipole,
    fit: EchoFit,
    magnitude: Array,
    phase_per_ppm: Array,
    strength: Any,
) -> Array:
    given = lambda name: {} if strength is None else {name: strength}
    if inversion in ("tkd", "tikhonov"):
        division, name = (tkd, "threshold") if inversion == "tkd" else (tikhonov, "strength")
        return referenced(division(local.field, dipole, **given(name)), local.mask)
    if inversion == "ndi":
        phase = phase_per_ppm * local.field
        return ndi(phase, dipole, local.mask, phase_per_ppm, weights=fit.weights, **given("decay"))
    if inversion == "medi":
        edges = jnp.sqrt((magnitude**2).sum(-1))
        return medi(local.field, dipole, local.mask, edges, weights=fit.weights, **given("strength"))
    return tv(local.field, dipole, local.mask, weights=fit.weights, **given("strength"))
