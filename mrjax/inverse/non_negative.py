"""Least squares of coefficients that are not negative, in many voxels."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax.inverse import _pivoting
from mrjax.jax_rules.double_precision import in_float64_on_cpu

TOLERANCE = 1e-12


def non_negative_least_squares(matrix: Any, data: Any, weight: Any = 0.0) -> Float[Array, "*voxels m"]:
    r"""Coefficients that are not negative and explain data best, with a penalty on their squares (Tikhonov).

    $$\hat x = \arg\min_{x \ge 0} \| A x - d \|^2 + \lambda^2 \| x \|^2$$

    An active set, as by Lawson and Hanson, which ends where the conditions of the minimum hold: no coefficient is negative, the
    gradient vanishes for those above zero, and rises for those at zero, up to 1e-12 of the data and the column. CPUs compute
    in float64 whatever the dtype, as decays of similar T2 are all but dependent: without penalty, such coefficients agree with
    `scipy.optimize.nnls` to 1e-7 of the data. Columns that depend on others to rounding get zero.

    **Arguments:**

    - `matrix`: $A$, real, `(n, m)` for all voxels, or `(*voxels, n, m)`.
    - `data`: $d$, real, `(*voxels, n)`.
    - `weight`: $\lambda$, in the unit of the matrix. A number or `(*voxels)`. Zero or more.

    **Returns:** The coefficients, `(*voxels, m)`; nan where data are not finite.

    **Derivatives:** exact in all arguments, in both modes, while the coefficients above zero stay the same ones; where they
    change, the solution has a kink.

    **Raises:** `ValueError` where shapes do not fit, or weights are negative.

    **Source:** C. L. Lawson, R. J. Hanson, Solving Least Squares Problems (Prentice-Hall, 1974).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.inverse import non_negative_least_squares
        >>> matrix = jnp.array([[1.0, 1.0], [0.0, 1.0]])
        >>> print(non_negative_least_squares(matrix, jnp.array([[3.0, 1.0], [1.0, 3.0]])))
        [[2. 1.]
         [0. 2.]]

        ```
    """
    matrix, data = _checks.real_array(matrix, "matrix"), _checks.real_array(data, "data")
    weight = _checks.non_negative(_checks.real_array(weight, "weight"), "weight", "unit of `matrix`")
    if matrix.ndim < 2 or data.ndim < 1 or matrix.shape[-2] != data.shape[-1]:
        raise ValueError(
            f"`matrix` (..., n, m) and `data` (*voxels, n) must have one n, but got {matrix.shape} and {data.shape}."
        )
    voxels = data.shape[:-1]
    if matrix.ndim > 2 and matrix.shape[:-2] != voxels:
        raise ValueError(f"`matrix` must be one, or one for each of the voxels {voxels}, but got {matrix.shape}.")
    if weight.shape not in ((), voxels):
        raise ValueError(f"`weight` must be a number or have the shape of the voxels {voxels}, but got {weight.shape}.")
    dtype = jnp.result_type(matrix, data)
    flat = matrix.astype(dtype).reshape(-1, *matrix.shape[-2:]) if matrix.ndim > 2 else matrix.astype(dtype)
    weights = jnp.broadcast_to(weight, voxels).astype(dtype).reshape(-1)
    solution = _solution(flat, data.astype(dtype).reshape(-1, data.shape[-1]), weights)
    return solution.reshape(*voxels, matrix.shape[-1])


def coefficients(
    of_data: tuple[Float[Array, "*v m m"], Float[Array, "v m"], Float[Array, " v"]],
    weight: Float[Array, " v"],
    is_wanted: Bool[Array, " v"],
) -> tuple[Float[Array, "v m"], Float[Array, "v m"]]:
    """The solutions from `products`, and which columns are in use; zero at once in voxels where they are not wanted."""
    gram, projected, size = of_data
    tolerance = jnp.where(is_wanted, TOLERANCE * size, jnp.inf)
    places = jnp.arange(_pivoting.place_count(gram.shape[-1]), dtype=jnp.int32)

    def of_one(voxel: tuple[Array, ...]) -> tuple[Array, Array]:
        products, with_data, weight, tolerance = (gram, *voxel) if gram.ndim == 2 else voxel
        penalised = products + weight**2 * jnp.eye(products.shape[0], dtype=products.dtype)
        squared = jnp.diagonal(penalised)
        scale = 1 / jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
        tableau = jnp.concatenate([penalised * scale[:, None] * scale[None], (with_data * scale)[None]])
        x, used = _pivoting.non_negative(tableau, tolerance, places)
        return x * scale, used

    of_voxels = (projected, weight, tolerance)
    x, used = jax.lax.map(of_one, of_voxels if gram.ndim == 2 else (gram, *of_voxels))
    return jnp.where(jnp.isfinite(size)[:, None], x, jnp.nan), used


def products(matrix: Float[Array, "*v n m"], data: Float[Array, "v n"]) -> tuple[Array, Array, Array]:
    """Of the columns with each other, of the columns with the data, and the norms of the data."""
    gram = jnp.einsum("...nk,...nm->...km", matrix, matrix)
    projected = data @ matrix if matrix.ndim == 2 else jnp.einsum("vnm,vn->vm", matrix, data)
    return gram, projected, jnp.linalg.norm(data, axis=-1)


def _searched(matrix: Array, data: Array, weight: Array) -> tuple[Array, Array]:
    return coefficients(products(matrix, data), weight, jnp.ones(weight.shape, bool))


@jax.custom_jvp
def _solution(matrix: Array, data: Array, weight: Array) -> Array:
    return in_float64_on_cpu(_searched, matrix, data, weight)[0]


@_solution.defjvp
def _derivative(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Of the equations that hold for the columns in use."""
    (matrix, data, weight), (d_matrix, d_data, d_weight) = primals, tangents
    x, used = in_float64_on_cpu(_searched, matrix, data, weight)
    inverse = in_float64_on_cpu(_inverse_of_used, matrix, weight, used)
    times = lambda a, b: b @ a.T if a.ndim == 2 else jnp.einsum("vnm,vm->vn", a, b)
    back = lambda a, b: b @ a if a.ndim == 2 else jnp.einsum("vnm,vn->vm", a, b)
    residual = data - times(matrix, x)
    change = back(d_matrix, residual) + back(matrix, d_data - times(d_matrix, x))
    change = (change - (2 * weight * d_weight)[:, None] * x) * used
    return x, jnp.einsum("vkm,vm->vk", inverse, change)


def _inverse_of_used(matrix: Array, weight: Array, used: Array) -> Array:
    both = used[:, :, None] * used[:, None, :]
    identity = jnp.eye(used.shape[-1], dtype=used.dtype)[None]
    gram = jnp.einsum("...nk,...nm->...km", matrix, matrix)
    gram = (gram[None] if gram.ndim == 2 else gram) + (weight**2)[:, None, None] * identity
    return jnp.linalg.inv(gram * both + (1 - used)[:, :, None] * identity) * both
