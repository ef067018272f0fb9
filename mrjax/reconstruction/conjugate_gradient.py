"""Least squares images by conjugate gradients: CG-SENSE."""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.reconstruction.adjoint import checked_data, checked_weights


def cg_sense(
    encoding: LinearOperator,
    data: ArrayLike,
    *,
    tikhonov: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
    n_iterations: int = 30,
    tolerance: float = 1e-4,
) -> Array:
    r"""The image that explains the data best, by conjugate gradients on the normal equations.

    $$\hat x = \arg\min_x \| W^{1/2} (E x - y) \|^2 + \lambda \| x \|^2, \qquad (E^H W E + \lambda) \, \hat x = E^H W y$$

    **Arguments:**

    - `encoding`: $E$, see `mrjax.encoding.sense`; any linear operator serves.
    - `data`: $y$, of the shape that $E$ makes.
    - `tikhonov`: $\lambda$, zero or more, in the unit of $E^H W E$.
    - `weights`: $W$, zero or more, such as a density, which makes it converge sooner at the price of noise. Broadcasts to the
        data.
    - `n_iterations`: At most, at least 1. Few of them regularise, too.
    - `tolerance`: Stops where the residual of the normal equations, relative to $E^H W y$, is below it.

    **Returns:** $\hat x$, of the shape that $E$ takes. Off the grid the normal operator is a convolution, by FFTs.

    **Derivatives:** in data, encoding (coils, trajectory, field), weights and $\lambda$, forward and reverse, by the solution's
    own equation instead of through the iterations: exact where it converged, and to about the relative residual where not. So
    raise `n_iterations` where you differentiate.

    **Raises:** `ValueError` where data or weights do not fit, or the numbers are out of range.

    **Source:** Pruessmann, Weiger, Börnert, Boesiger 2001; the solver is JAX's.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> coils = jnp.stack([jnp.linspace(0.2, 1.0, 8), jnp.linspace(1.0, 0.2, 8)])
        >>> encoding = mr.encoding.sense(coils, mask=mr.encoding.patterns.uniform(8, acceleration=2))
        >>> image = jnp.arange(8.0)
        >>> unfolded = mr.reconstruction.cg_sense(encoding, encoding(image), tolerance=1e-6)
        >>> bool(jnp.allclose(unfolded, image, atol=1e-3))
        True

        ```
    """
    samples = checked_data(encoding, data)
    _checks.positive_integer(n_iterations, "n_iterations")
    strength = _checks.non_negative(_checks.real_array(tikhonov, "tikhonov"), "tikhonov", "unit of the normal operator")
    each = None
    if weights is not None:
        each = _checks.non_negative(checked_weights(weights, samples, "weights"), "weights", "of each sample")
    right = encoding.adjoint(samples if each is None else samples * each)
    normal = encoding.normal_operator(_of_samples(each))
    dtype = jnp.result_type(right.dtype, normal.in_structure().dtype)
    return _solved(normal, right.astype(dtype), strength, n_iterations, tolerance)


@eqx.filter_jit
def _solved(normal: LinearOperator, right: Array, strength: Array, n_iterations: int, tolerance: float) -> Array:
    r"""$(N + \lambda)^{-1} b$.

    Not by `lineax.CG`, which gives nan where <p, N p> is below 100 n eps <r, r>, for n voxels: in float32 that is most
    directions of a large image. And its derivatives are errors where the iterations end before the tolerance is met.
    """

    def regularised(vector: Array) -> Array:
        return normal.mv(vector) + strength.astype(vector.real.dtype) * vector

    return cg(regularised, right, tol=tolerance, maxiter=n_iterations)[0]


def _of_samples(weights: Array | None) -> Array | None:
    """Weights that all coils share, without the axes of coils."""
    if weights is None:
        return None
    while weights.ndim > 1 and weights.shape[0] == 1:
        weights = weights[0]
    return weights
