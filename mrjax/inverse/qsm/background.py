"""Fields of sources outside of a mask, by what tells them from those inside: there they are harmonic."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.inverse.qsm._volumes import checked_mask, checked_weights, from_waves, off_the_grid, on_the_grid, to_waves
from mrjax.inverse.qsm.spheres import (
    checked_radius,
    grid_around,
    mean_over,
    sphere_transfer,
    voxel_sides,
    within,
)


class LocalField(NamedTuple):
    """The field of the sources inside of a mask, and where it is known."""

    field: Array
    """In the unit of the total field; zero where it is not known. Shape `(nx, ny, nz)`."""
    mask: Bool[Array, "nx ny nz"]
    """Where it is known: less than the mask given, where a method needs room."""


def v_sharp(
    field: Any, mask: Any, voxel_size: Any, *, radius: float = 12e-3, threshold: Any = 0.05, n_radii: int = 12
) -> LocalField:
    r"""Means over spheres that shrink towards the edge of the mask, subtracted and undone: V-SHARP.

    $$(\delta - S_{\rho(r)}) * f = (\delta - S_{\rho(r)}) * f_\text{local}, \qquad
    \hat f_\text{local} = F^{-1} \frac{F\big[(\delta - S_{\rho(r)}) * f\big]}{1 - S_{\rho_\text{max}}(k)}$$

    with $\rho(r)$ the largest radius whose sphere about $r$ lies in the mask, and 0 where the divisor is below the threshold.

    **Arguments:**

    - `field`: The total field, in any unit; outside of the mask it is not read. Shape `(nx, ny, nz)`.
    - `mask`: Where the field is known: true, or not zero. Shape `(nx, ny, nz)`.
    - `voxel_size`: In m, one number or three. Positive. Known before compiling.
    - `radius`: The largest, in m, at least a voxel.
    - `threshold`: Of the divisor, above 0.
    - `n_radii`: From the largest in equal steps down to the shortest side of a voxel, at least 1.

    **Returns:** A `LocalField`, in the mask less voxels about which not even the smallest sphere fits.

    **Derivatives:** in the field and the threshold.

    **Raises:** `ValueError` for shapes that differ, an empty mask, a mask in which no sphere fits, numbers out of range.

    **Source:** F. Schweser et al., NeuroImage 54 (2011) 2789-2807; B. Wu et al., Magn Reson Med 67 (2012) 137-147.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> far = jnp.broadcast_to(jnp.linspace(-1, 1, 24)[:, None, None], (24, 24, 24))
        >>> mask = jnp.zeros((24, 24, 24), bool).at[2:22, 2:22, 2:22].set(True)
        >>> local = mr.inverse.qsm.v_sharp(far, mask, voxel_size=1e-3, radius=5e-3)
        >>> bool(jnp.abs(local.field).max() < 1e-3)
        True

        ```
    """
    total, inside, sides = _checked(field, mask, voxel_size)
    largest = checked_radius(radius, sides, "radius")
    _checks.positive_integer(n_radii, "n_radii")
    limit = _checks.positive(_checks.real_array(threshold, "threshold"), "threshold", "of one")
    grid = grid_around(total.shape, sides, largest)
    high, known, transfer = jnp.zeros_like(total), jnp.zeros_like(inside), jnp.zeros(())
    # from the smallest, so that larger ones replace what they reach
    for each in np.linspace(min(sides), largest, n_radii) if n_radii > 1 else [largest]:
        transfer = jnp.asarray(sphere_transfer(grid, sides, each), total.dtype)
        fits = within(inside, transfer, grid)
        high, known = _less_means(total, high, fits, transfer, grid), known | fits
    known = _some(known, largest if n_radii == 1 else min(sides))
    return LocalField(jnp.where(known, _undone(high, transfer, limit, grid), 0.0), known)


@eqx.filter_jit
def _less_means(total: Array, high: Array, fits: Array, transfer: Array, grid: tuple[int, ...]) -> Array:
    return jnp.where(fits, total - mean_over(total, transfer, grid), high)


@eqx.filter_jit
def _undone(high: Array, transfer: Array, threshold: Array, grid: tuple[int, ...]) -> Array:
    divisor = 1 - transfer
    kept = divisor > threshold
    inverse = jnp.where(kept, 1 / jnp.where(kept, divisor, 1.0), 0.0)
    return mean_over(high, inverse, grid)


def resharp(
    field: Any,
    mask: Any,
    voxel_size: Any,
    *,
    radius: float = 6e-3,
    strength: Any = 1e-4,
    n_iterations: int = 100,
    tolerance: float = 1e-3,
) -> LocalField:
    r"""The smallest field whose means over spheres differ from it as those of the total field do: RESHARP.

    $$\arg\min_{f_\text{local}} \| M (\delta - S) * (f_\text{local} - f) \|^2 + \lambda \| f_\text{local} \|^2$$

    with the mask $M$ of voxels about which the sphere lies in the mask given.

    **Arguments:** as of `v_sharp`, and

    - `radius`: Of the sphere in m, at least a voxel. A voxel closer to the edge than it has no field.
    - `strength`: $\lambda$, above 0. A larger one removes more of the local field.
    - `n_iterations`, `tolerance`: Of conjugate gradients: at most, and of the residual relative to the right side.

    **Returns, raises:** as `v_sharp`.

    **Derivatives:** in the field and the strength, by the solution's own equation.

    **Source:** H. Sun and A. H. Wilman, Magn Reson Med 71 (2014) 1151-1157.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> far = jnp.broadcast_to(jnp.linspace(-1, 1, 24)[:, None, None], (24, 24, 24))
        >>> mask = jnp.zeros((24, 24, 24), bool).at[2:22, 2:22, 2:22].set(True)
        >>> local = mr.inverse.qsm.resharp(far, mask, voxel_size=1e-3, radius=3e-3)
        >>> bool(jnp.abs(local.field).max() < 1e-3)
        True

        ```
    """
    total, inside, sides = _checked(field, mask, voxel_size)
    distance = checked_radius(radius, sides, "radius")
    weight = _checks.positive(_checks.real_array(strength, "strength"), "strength", "no unit").astype(total.dtype)
    _checks.positive_integer(n_iterations, "n_iterations")
    grid = grid_around(total.shape, sides, distance)
    transfer = jnp.asarray(sphere_transfer(grid, sides, distance), total.dtype)
    known = _some(within(inside, transfer, grid), distance)
    return LocalField(_regularised(total, known, transfer, weight, grid, n_iterations, tolerance), known)


@eqx.filter_jit
def _regularised(
    total: Array,
    known: Array,
    transfer: Array,
    strength: Array,
    grid: tuple[int, ...],
    n_iterations: int,
    tolerance: float,
) -> Array:
    less_mean = lambda volume: volume - mean_over(volume, transfer, grid)
    normal = lambda volume: less_mean(jnp.where(known, less_mean(volume), 0.0))
    right = normal(total)
    solution = cg(lambda volume: normal(volume) + strength * volume, right, tol=tolerance, maxiter=n_iterations)[0]
    return jnp.where(known, solution, 0.0)


def pdf(
    field: Any, mask: Any, dipole: Dipole, *, weights: Any = None, n_iterations: int = 60, tolerance: float = 1e-4
) -> LocalField:
    r"""What sources outside of the mask cannot explain: projection onto dipole fields.

    $$f_\text{local} = f - D \hat\chi, \qquad \hat\chi = \arg\min_\chi \sum_{r \in M} w_r (f - D \chi)_r^2,
    \qquad \chi = 0 \text{ in } M$$

    Sources lie anywhere on the padded grid of the dipole but in the mask.

    **Arguments:** as of `v_sharp`, and

    - `dipole`: $D$, see `mrjax.encoding.Dipole`; its padding leaves room for sources.
    - `weights`: $w$, one over the variance of the field in any unit, such as the squared magnitude. Shape `(nx, ny, nz)`; 1 by
        default.
    - `n_iterations`, `tolerance`: Of conjugate gradients, as of `resharp`. Few iterations regularise.

    **Returns:** A `LocalField`, in all of the mask.

    **Error:** sources inside and close to the edge look like sources outside, and lose part of their field.

    **Derivatives:** in field, dipole and weights, by the solution's own equation, to about the relative residual.

    **Raises:** `ValueError` for shapes that differ, an empty mask, weights or numbers out of range.

    **Source:** T. Liu et al., NMR Biomed 24 (2011) 1129-1136.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> dipole = mr.encoding.Dipole((24, 24, 24), voxel_size=1e-3)
        >>> outside = jnp.zeros((24, 24, 24)).at[12, 12, 1].set(50.0)
        >>> mask = jnp.zeros((24, 24, 24), bool).at[4:20, 4:20, 4:20].set(True)
        >>> total = dipole(outside) * mask
        >>> local = mr.inverse.qsm.pdf(total, mask, dipole)
        >>> bool(jnp.linalg.norm(local.field) < 0.05 * jnp.linalg.norm(total))
        True

        ```
    """
    total = _total(field, dipole.shape)
    inside = checked_mask(mask, dipole.shape)
    each = checked_weights(weights, inside, total.dtype)
    _checks.positive_integer(n_iterations, "n_iterations")
    return LocalField(
        _unexplained(jnp.where(inside, total, 0.0), inside, dipole, each, n_iterations, tolerance), inside
    )


@eqx.filter_jit
def _unexplained(
    total: Array, mask: Array, dipole: Dipole, weights: Array, n_iterations: int, tolerance: float
) -> Array:
    transfer = dipole.transfer.astype(total.dtype)
    outside, each = ~on_the_grid(mask, dipole), on_the_grid(weights / weights.max(), dipole)
    field_of = lambda sources: from_waves(transfer * to_waves(sources), dipole)
    sources_of = lambda values: jnp.where(outside, field_of(each * values), 0.0)
    right = sources_of(on_the_grid(total, dipole))
    sources = cg(lambda chi: sources_of(field_of(chi)), right, tol=tolerance, maxiter=n_iterations)[0]
    # nothing changes here, but the right side of the equation that derivatives solve lies where it has a solution
    sources = jnp.where(outside, sources, 0.0)
    return jnp.where(mask, total - off_the_grid(field_of(sources), dipole), 0.0)


def lbv(field: Any, mask: Any, voxel_size: Any, *, n_iterations: int = 500, tolerance: float = 1e-4) -> LocalField:
    r"""The field less the harmonic one that equals it at the edge of the mask: the Laplacian boundary value method.

    $$\nabla^2 f_\text{background} = 0 \text{ inside}, \qquad f_\text{background} = f \text{ at the edge}$$

    with the Laplacian of six neighbours, and an edge of voxels that have one outside.

    **Arguments:** as of `v_sharp`, and

    - `n_iterations`, `tolerance`: Of conjugate gradients, as of `resharp`.

    **Returns:** A `LocalField`, in the mask less its edge.

    **Error:** noise and local field at the edge are taken for background, and go inwards as a harmonic field.

    **Derivatives:** in the field, by the solution's own equation.

    **Raises:** `ValueError` for shapes that differ, an empty mask or one that is all edge, numbers out of range.

    **Source:** D. Zhou et al., NMR Biomed 27 (2014) 312-319.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> far = jnp.broadcast_to(jnp.linspace(-1, 1, 24)[:, None, None], (24, 24, 24))
        >>> mask = jnp.zeros((24, 24, 24), bool).at[2:22, 2:22, 2:22].set(True)
        >>> local = mr.inverse.qsm.lbv(far, mask, voxel_size=1e-3)
        >>> bool(jnp.abs(local.field).max() < 1e-3)
        True

        ```
    """
    total, inside, sides = _checked(field, mask, voxel_size)
    _checks.positive_integer(n_iterations, "n_iterations")
    known = _some(_interior(inside), min(sides))
    couplings = tuple((min(sides) / side) ** 2 for side in sides)
    return LocalField(_less_harmonic(total, known, couplings, n_iterations, tolerance), known)


@eqx.filter_jit
def _less_harmonic(
    total: Array, known: Array, couplings: tuple[float, ...], n_iterations: int, tolerance: float
) -> Array:
    def bent(volume: Array) -> Array:
        """Minus the Laplacian, inside."""
        result = jnp.zeros_like(volume)
        for axis, coupling in enumerate(couplings):
            # the wrap goes to voxels at the edge of the volume, which are not inside
            result = result + coupling * (2 * volume - jnp.roll(volume, 1, axis) - jnp.roll(volume, -1, axis))
        return jnp.where(known, result, 0.0)

    # the local field is bent as the total field is, and zero at the edge
    local = cg(bent, bent(total), tol=tolerance, maxiter=n_iterations)[0]
    # it is zero there already, but what derivatives solve then has a solution as well
    return jnp.where(known, local, 0.0)


def _interior(mask: Array) -> Array:
    """Voxels of a mask whose six neighbours lie in it."""
    around = jnp.pad(mask, 1)
    kept = mask
    for axis in range(3):
        for shift in (1, -1):
            kept = kept & jnp.roll(around, shift, axis)[1:-1, 1:-1, 1:-1]
    return kept


def _checked(field: Any, mask: Any, voxel_size: Any) -> tuple[Array, Array, tuple[float, float, float]]:
    """The field, zero outside of the mask, the mask, and the sides of a voxel."""
    total = _checks.real_array(field, "field")
    if total.ndim != 3:
        raise ValueError(f"`field` must be a volume, (nx, ny, nz), but got shape {total.shape}.")
    inside = checked_mask(mask, total.shape)
    return _checks.finite(jnp.where(inside, total, 0.0), "field"), inside, voxel_sides(voxel_size)


def _total(field: Any, shape: tuple[int, ...]) -> Array:
    total = _checks.real_array(field, "field")
    if total.shape != shape:
        raise ValueError(f"`field` must have the shape {shape} of `dipole`, but got {total.shape}.")
    return total


def _some(known: Array, reach: float) -> Array:
    return _checks.require(
        known, known.any(), f"`mask` must hold a voxel with {reach:.3g} m of mask around, which `radius` may reduce"
    )
