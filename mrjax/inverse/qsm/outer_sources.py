"""Local fields as what sources outside of a mask cannot explain."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.inverse.qsm._volumes import checked_mask, checked_weights, from_waves, off_the_grid, on_the_grid, to_waves
from mrjax.inverse.qsm.local_field import LocalField


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


def _total(field: Any, shape: tuple[int, ...]) -> Array:
    total = _checks.real_array(field, "field")
    if total.shape != shape:
        raise ValueError(f"`field` must have the shape {shape} of `dipole`, but got {total.shape}.")
    return total
