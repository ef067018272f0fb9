"""Local fields as what differs from a harmonic field with the same values at the edge of a mask."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array

from mrjax import _checks
from mrjax.inverse.qsm.local_field import LocalField, checked_total, not_empty


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
    total, inside, sides = checked_total(field, mask, voxel_size)
    _checks.positive_integer(n_iterations, "n_iterations")
    known = not_empty(_interior(inside), min(sides))
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
