"""Small systems of linear equations in every voxel."""

import jax.numpy as jnp
from jaxtyping import Array, Float

WRITTEN_OUT = 3
"""Unknowns: so many or fewer are eliminated by arithmetic on all voxels at once."""


def solved(
    matrix: Float[Array, "*batch row column"], right: Float[Array, "*batch row"]
) -> Float[Array, "*batch column"]:
    r"""$M x = r$ in each voxel, where $x^T M x > 0$ for every $x \ne 0$, as of $1 - A$ with a contraction $A$.

    Then elimination needs no pivots (G. H. Golub and C. F. Van Loan, Matrix Computations, 4th ed., section 4.3.2). A library's
    solver takes one small matrix after the other, for three unknowns some hundred times longer than the arithmetic.
    """
    n = matrix.shape[-1]
    if n > WRITTEN_OUT:
        return jnp.linalg.solve(matrix, right[..., None])[..., 0]
    rows = [[*(matrix[..., i, j] for j in range(n)), right[..., i]] for i in range(n)]
    for k in range(n):
        for i in range(k + 1, n):
            ratio = rows[i][k] / rows[k][k]
            rows[i] = [below - ratio * above for below, above in zip(rows[i], rows[k], strict=True)]
    found: list[Array] = []
    for i in reversed(range(n)):
        known = sum((rows[i][j] * x for j, x in zip(range(i + 1, n), found, strict=True)), jnp.zeros_like(rows[i][n]))
        found.insert(0, (rows[i][n] - known) / rows[i][i])
    return jnp.stack(found, axis=-1)
