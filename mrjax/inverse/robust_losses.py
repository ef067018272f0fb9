r"""Losses that grow more slowly than squares, so that single wrong samples do not decide a fit.

$C = \sum_n \rho(|d_n - s_n|^2 / \sigma_n^2)$, with $\rho(z)$ equal to $z$ for small residuals. In the definitions of
`scipy.optimize.least_squares`, whose `f_scale` is $\sigma$ here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax.inverse.likelihoods import Expansion, as_real, parameters_last, products


def huber(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$z$ up to 1, $2 \sqrt{z} - 1$ beyond: squares of small residuals, magnitudes of large ones."""
    return jnp.where(z <= 1, z, 2 * jnp.sqrt(jnp.where(z <= 1, 1.0, z)) - 1)


def soft_l1(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$2 (\sqrt{1 + z} - 1)$: as `huber`, without its kink in the second derivative."""
    return 2 * z / (jnp.sqrt(1 + z) + 1)  # the same, without a difference of like numbers


def cauchy(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log(1 + z)$: what is far off hardly counts. It may have several minima."""
    return jnp.log1p(z)


LOSSES: Mapping[str, Callable] = MappingProxyType({"huber": huber, "soft_l1": soft_l1, "cauchy": cauchy})


def expansion(
    loss: str,
    signal: Inexact[Array, "*voxels n"],
    columns: Inexact[Array, "p *voxels n"],
    data: Inexact[Array, "*voxels n"],
    precision: Float[Array, "*voxels n"],
) -> Expansion:
    r"""The cost to second order, each sample with the weight $\rho'$ that its residual leaves it.

    **Arguments:**

    - `loss`: A name of `LOSSES`.
    - the others: As those of `mrjax.inverse.likelihoods.gaussian`.
    """
    squares = _squares((signal - data) * precision)
    weight = _slope(LOSSES[loss], squares)
    residual = as_real((signal - data) * precision)
    jacobian = as_real(parameters_last(columns) * precision[..., None], axis=-2)
    weights = jnp.concatenate([weight, weight], axis=-1) if jnp.iscomplexobj(signal) else weight
    gradient = jnp.sum(jacobian * (weights * residual)[..., None], axis=-2)
    information = products(jacobian * jnp.sqrt(weights)[..., None])
    cost = jnp.sum(LOSSES[loss](squares), axis=-1)
    return Expansion(cost, gradient, information, cost)


def variance_factor(loss: str, residual: Inexact[Array, "*voxels n"], n_parameters: int) -> Float[Array, "*voxels"]:
    r"""What the covariance $(J^T J)^{-1}$ of least squares is multiplied with, from the residuals.

    With $\psi(u) = u \rho'(u^2)$ of the residuals in units of $\sigma$:

    $$K^2 \frac{\sum \psi^2 / (n - p)}{\langle \psi' \rangle^2}, \qquad
    K = 1 + \frac{p}{n} \frac{\mathrm{var} \psi'}{\langle \psi' \rangle^2}$$

    **Arguments:**

    - `loss`: A name of `LOSSES`.
    - `residual`: In units of the noise.
    - `n_parameters`: $p$.

    **Source:** P. J. Huber, Robust Statistics, Wiley (1981), chapter 7 (covariance of regression estimates).
    """
    squares = _squares(residual)
    weight = _slope(LOSSES[loss], squares)
    parts = 2 if jnp.iscomplexobj(residual) else 1
    n = residual.shape[-1] * parts
    # of a complex residual the weight depends on both parts: the mean over them of the derivative of each in itself
    slope = weight + 2 / parts * squares * _slope(lambda z: _slope(LOSSES[loss], z), squares)
    mean, variance = jnp.mean(slope, axis=-1), jnp.var(slope, axis=-1)
    correction = 1 + n_parameters / n * variance / mean**2
    unexplained = jnp.sum(weight**2 * squares, axis=-1) / (n - n_parameters) if n > n_parameters else jnp.nan
    return jnp.where(mean > 0, correction**2 * unexplained / mean**2, jnp.nan)


def _squares(residual: Inexact[Array, "*voxels n"]) -> Float[Array, "*voxels n"]:
    return residual.real**2 + residual.imag**2 if jnp.iscomplexobj(residual) else residual**2


def _slope(function: Callable, z: Float[Array, "..."]) -> Float[Array, "..."]:
    """The derivative at each entry."""
    return jax.jvp(function, (z,), (jnp.ones_like(z),))[1]
