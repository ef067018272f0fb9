"""Local fields by means over spheres, which leave the fields of sources outside as they are."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array

from mrjax import _checks
from mrjax.inverse.qsm.local_field import LocalField, checked_total, not_empty
from mrjax.inverse.qsm.spheres import checked_radius, grid_around, mean_over, sphere_transfer, within


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
    total, inside, sides = checked_total(field, mask, voxel_size)
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
    known = not_empty(known, largest if n_radii == 1 else min(sides))
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
    total, inside, sides = checked_total(field, mask, voxel_size)
    distance = checked_radius(radius, sides, "radius")
    weight = _checks.positive(_checks.real_array(strength, "strength"), "strength", "no unit").astype(total.dtype)
    _checks.positive_integer(n_iterations, "n_iterations")
    grid = grid_around(total.shape, sides, distance)
    transfer = jnp.asarray(sphere_transfer(grid, sides, distance), total.dtype)
    known = not_empty(within(inside, transfer, grid), distance)
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
