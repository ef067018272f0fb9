"""Weighted linear least squares of tensors."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.inverse.diffusion import _log_linear
from mrjax.inverse.diffusion._log_linear import LogLinearModel
from mrjax.inverse.fit import Fit, FitStatus


def weighted_fit(model: LogLinearModel, data: Any) -> Fit:
    r"""Diffusion or kurtosis tensors by weighted linear least squares (WLS) in two passes, of all voxels at once.

    $$\min_\beta \sum_n w_n \left( \ln S_n - (X \beta)_n \right)^2, \qquad w_n = e^{2 (X \hat\beta)_n}$$

    where $\hat\beta$ is the solution with equal weights. What the logarithm does to the variance of the noise, the weights
    undo; its bias stays, which is that of the noise floor below a signal-to-noise ratio of about 3.

    **Arguments:**

    - `model`: A `mrjax.signals.models.DiffusionTensor` or `DiffusionKurtosis`.
    - `data`: Magnitudes, `(*voxels, n)`. Samples of zero or below have no weight.

    **Returns:** A `mrjax.inverse.Fit` whose parameters are those of the model, each of shape `(*voxels)`. `status` is NOT_FINITE
    where data are not, and UNIDENTIFIABLE where too few of them are positive; parameters are nan there. Standard
    deviations are estimated from the residual, to first order. Nothing keeps eigenvalues above zero: for that there
    are `positive_tensor_fit` and `constrained_kurtosis_fit`.

    Works inside `jit`; derivatives of both modes pass, where the samples that are positive stay the same.

    **Raises:** `ValueError` where shapes do not fit, or b-values and directions do not tell all elements.

    **Source:** R. Salvador et al., Hum Brain Mapp 24 (2005) 144-155; J. Veraart et al., NeuroImage 81 (2013) 335-346.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> bvecs = jnp.array([[0, 0, 0], [1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1.0]]) / 2**0.5
        >>> model = mr.signals.models.DiffusionTensor(1e9 * jnp.array([0.0, 1, 1, 1, 1, 1, 1]), bvecs)
        >>> data = jnp.array([[100.0, 40, 40, 40, 40, 67, 67]])
        >>> fit = mr.inverse.diffusion.weighted_fit(model, data)
        >>> print(*(f"{1e9 * fit.parameters[name][0]:.2f}" for name in ("d_xx", "d_yy", "d_zz")))
        1.43 0.40 0.40

        ```
    """
    data = _log_linear.checked_data(model, data)
    return _fitted(model, data)


@eqx.filter_jit
def _fitted(model: LogLinearModel, data: Float[Array, "*voxels n"]) -> Fit:
    basis, to_model = (part.astype(data.dtype) for part in _log_linear.design_of(model))

    def of_voxel(signal: Float[Array, " n"]) -> Fit:
        solution = _log_linear.solved(signal, basis)
        found = _log_linear.named(to_model @ solution.coefficients, solution.scale)
        root = _log_linear.deviations_of_coefficients(solution, to_model)
        spread, covariance = _log_linear.named_uncertainty(found, root)
        fitted = solution.status == FitStatus.CONVERGED
        blank = lambda tree: jax.tree.map(lambda leaf: jnp.where(fitted, leaf, jnp.nan), tree)
        residual = blank(solution.residual)
        return Fit(blank(found), blank(spread), blank(covariance), residual, jnp.int32(2), solution.status)

    fit = _log_linear.of_every_voxel(of_voxel, data.reshape(-1, data.shape[-1]))
    return jax.tree.map(lambda leaf: leaf.reshape(data.shape[:-1] + leaf.shape[1:]), fit)
