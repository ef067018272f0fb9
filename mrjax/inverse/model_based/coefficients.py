"""Images of a subspace's coefficients from k-space, with what is known of them before."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.inverse.model_based.gain import mean_gain
from mrjax.inverse.model_based.low_rank import LocallyLowRank, as_complex, as_real
from mrjax.inverse.model_based.sparsity import Sparsity
from mrjax.reconstruction import cg_sense


def subspace_coefficients(
    encoding: LinearOperator,
    k_space: Any,
    *,
    regularisation: Sparsity | LocallyLowRank | None = None,
    noise_std: Any | None = None,
    n_iterations: int = 30,
    n_steps: int = 5,
) -> Complex[Array, "rank *voxels"]:
    r"""The coefficients of a subspace in every voxel that explain what was measured at all times.

    $$\hat a = \arg\min_a \frac{1}{2 \sigma^2} \| E a - y \|^2 + R(a / \alpha)$$

    where $\alpha$ is the length of the coefficients of the brightest voxels, the 95th percentile. Without $R$ by `cg_sense`; with
    it by weighted squares, each solved by conjugate gradients from the solution of those before.

    **Arguments:**

    - `encoding`: $E$, of coefficients `(rank, *voxels)`: `mrjax.encoding.sense(coils, ..., basis=basis)`.
    - `k_space`: $y$, of the shape that the encoding makes.
    - `regularisation`: $R$: `LocallyLowRank`, or `TotalVariation` or `SparseDetails` of all coefficients jointly. None for none;
        few iterations regularise, too, and more amplify noise.
    - `noise_std`: $\sigma$, the standard deviation of the noise in real and imaginary part of k-space. Positive; needed with a
        regularisation alone.
    - `n_iterations`: Conjugate gradients, of each of the weighted squares.
    - `n_steps`: How often weights are chosen.

    **Returns:** $\hat a$, shape `(rank, *voxels)`.

    **Derivatives:** in k-space and encoding, forward and reverse, each linear system by its own equation: as exact as it
    converged.

    **Raises:** `ValueError` where shapes do not fit, numbers are out of range, or a regularisation has no `noise_std`.

    **Source:** J. I. Tamir et al., Magn Reson Med 77 (2017) 180-195 (coefficients from k-space, with locally low rank).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> basis = jnp.array([[0.8, 0.6], [0.6, -0.8]]) + 0j
        >>> coils, masks = jnp.ones((1, 8, 8), complex), jnp.ones((2, 8, 8), bool)
        >>> encoding = mr.encoding.sense(coils, mask=masks, basis=basis)
        >>> k_space = encoding(jnp.ones((2, 8, 8)))
        >>> found = mr.inverse.subspace_coefficients(encoding, k_space)
        >>> bool(jnp.allclose(found, 1, atol=1e-3))
        True

        ```
    """
    for name, value in {"n_iterations": n_iterations, "n_steps": n_steps}.items():
        _checks.positive_integer(value, name)
    plain = cg_sense(encoding, k_space, n_iterations=n_iterations)
    if regularisation is None:
        return plain
    if noise_std is None:
        raise ValueError(
            "`noise_std` must be given with a `regularisation`, which it is weighed against, but got None."
        )
    deviation = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of k_space")
    data = _checks.number_array(k_space, "k_space")
    return _regularised(encoding, data, plain, regularisation, deviation, (n_steps, n_iterations))


@eqx.filter_jit
def _regularised(
    encoding: LinearOperator,
    data: Array,
    plain: Array,
    regularisation: Sparsity | LocallyLowRank,
    noise_std: Array,
    counts: tuple[int, int],
) -> Complex[Array, "rank *voxels"]:
    n_steps, n_iterations = counts
    noise_std = noise_std.astype(plain.real.dtype)
    length = jnp.linalg.norm(plain, axis=0)
    brightest = jnp.quantile(length, 0.95)
    scale = jnp.where(brightest > 0, brightest, 1)
    normal, per_noise = encoding.normal_operator(), (scale / noise_std) ** 2
    unknowns = lambda images: as_real(jnp.moveaxis(images, 0, -1))
    images = lambda u: jnp.moveaxis(as_complex(u), -1, 0)
    right = unknowns(encoding.adjoint(data)) * scale / noise_std**2
    gain = jax.lax.stop_gradient(per_noise * mean_gain(encoding, data))

    def improved(now: Array, _: None) -> tuple[Array, None]:
        added, diagonal = regularisation.curvature(now)
        matrix = lambda u: per_noise * unknowns(normal.mv(images(u))) + added(u)
        near = jax.lax.stop_gradient(1 / (gain + diagonal))[..., None]
        # what is left of the right side, so that the accuracy is relative to the change
        change = cg(matrix, right - matrix(now), tol=1e-3, maxiter=n_iterations, M=lambda u: near * u)[0]
        return now + change, None

    return scale * images(jax.lax.scan(improved, unknowns(plain / scale), length=n_steps)[0])
