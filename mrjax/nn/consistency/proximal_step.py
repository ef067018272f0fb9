"""The image nearest to a given one that explains the data: the proximal map of a linear data fidelity."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax._module import Module
from mrjax.encoding import LinearOperator
from mrjax.nn.consistency.fidelity import Fidelity
from mrjax.nn.consistency.spectra import inverse_of


class ProximalStep(Module):
    r"""The compromise between an image and the data: the proximal map of a linear data fidelity.

    $$\arg\min_x \tfrac12 \| W^{1/2} (A x - y) \|^2 + \tfrac{\lambda}{2} \| x - z \|^2
    = z + (A^H W A + \lambda)^{-1} A^H W (y - A z), \qquad \lambda = e^{s}$$

    In closed form where $A^H W A$ is known to be diagonal: a `Dipole` that is circular and has no weights, a `Mask` of a unitary
    `Fourier` transform. Otherwise by conjugate gradients, for a `Dipole` with the inverse for uniform weights as preconditioner.

    **Arguments:**

    - `n_iterations`: Conjugate gradients at most, at least 1.
    - `tolerance`: They end where the residual, relative to $A^H W (y - A z)$, is below it.

    Called with an image $z$, a `Fidelity` with a `LinearOperator`, and $s$, `log_weight`, it returns $x$.

    **Derivatives:** in image, data, weights, operator and $s$, forward and reverse, by the solution's own equation: as many
    iterations again and no memory for them. Exact where the solution is; as far off as the residual otherwise.

    **Raises:** `TypeError` where the encoding is not linear; `GaussNewtonStep` takes those.

    **Source:** H. K. Aggarwal, M. P. Mani, M. Jacob, IEEE Trans Med Imaging 38 (2019) 394-405 (MoDL).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Mask
        >>> from mrjax.nn.consistency import Fidelity, ProximalStep
        >>> fidelity = Fidelity(Mask(jnp.array([1.0, 0.0])), jnp.array([4.0, 0.0]))
        >>> print(ProximalStep()(jnp.array([2.0, 2.0]), fidelity, jnp.log(1.0)))
        [3. 2.]

        ```
    """

    n_iterations: int = eqx.field(static=True, default=10)
    tolerance: float = eqx.field(static=True, default=1e-6)

    def __check_init__(self):
        _checks.positive_integer(self.n_iterations, "n_iterations")

    def __call__(self, image: Array, fidelity: Fidelity, log_weight: ArrayLike) -> Array:
        """The image that is near to `image` and to the data."""
        encoding = fidelity.encoding
        if not isinstance(encoding, LinearOperator):
            raise TypeError(
                f"`ProximalStep` needs an encoding that is a LinearOperator, but got a {type(encoding).__name__}; "
                "`GaussNewtonStep` takes encodings that are not linear."
            )
        downhill = -fidelity.gradient(image)
        strength = jnp.exp(jnp.asarray(log_weight, downhill.real.dtype))
        known = inverse_of(encoding, fidelity.weights, strength)
        if known is not None and known.is_exact:
            return image + known.apply(downhill).astype(image.dtype)

        def matrix(change: Array) -> Array:
            back = encoding.adjoint(fidelity.weighted(encoding.mv(change)))
            return (back if jnp.iscomplexobj(change) else back.real) + strength * change

        near = None if known is None else known.apply
        return image + solved(matrix, downhill, near, self.n_iterations, self.tolerance).astype(image.dtype)


def solved(
    matrix: Callable[[Array], Array],
    right: Array,
    near_inverse: Callable[[Array], Array] | None,
    n_iterations: int,
    tolerance: float,
) -> Array:
    """The solution of a positive definite system, differentiated by its own equation.

    The tolerance is kept above the precision, below which a step is zero over zero.
    """
    reached = max(tolerance, float(jnp.finfo(right.dtype).eps))
    held = None if near_inverse is None else lambda vector: jax.lax.stop_gradient(near_inverse(vector))
    return cg(matrix, right, tol=reached, maxiter=n_iterations, M=held)[0]
