"""Magnitudes of many coils, joined by the root of the sum of their squares."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e
from jaxtyping import Array, Float

from mrjax.inverse.likelihoods import Expansion, parameters_last, products

MOST_COILS = 64

ORDERS_BEYOND = 64
"""From how many orders above on ratios of Bessel functions are computed downwards, which makes what they start from forgotten."""


def noncentral_chi(
    signal: Float[Array, "*voxels n"],
    columns: Float[Array, "p *voxels n"],
    data: Float[Array, "*voxels n"],
    precision: Float[Array, "*voxels n"],
    n_coils: int,
) -> Expansion:
    r"""The root of the sum of squares of $L$ coils with complex Gaussian noise, which follows a noncentral chi distribution.

    $$C = \sum_n \frac{d_n^2 + s_n^2}{\sigma_n^2} - 2 \log \frac{I_{L-1}(z_n)}{z_n^{L-1}}, \qquad
    z_n = \frac{d_n s_n}{\sigma_n^2}$$

    for coils of uncorrelated noise of one standard deviation; for one coil this is `mrjax.inverse.likelihoods.rician`. The
    sign of a signal does not enter.

    **Arguments:** as `mrjax.inverse.likelihoods.rician`, and

    - `n_coils`: $L$, up to 64.

    **Source:** C. D. Constantinides, E. Atalar, E. R. McVeigh, Magn Reson Med 38 (1997) 852-857 (distribution).
    """
    signal, data = signal * precision, data * precision
    jacobian = parameters_last(columns) * precision[..., None]
    product = data * jnp.abs(signal)
    log_bessel, ratio = scaled_bessel(product, n_coils - 1)
    cost = jnp.sum((data - jnp.abs(signal)) ** 2 - 2 * log_bessel, axis=-1)
    expected = data * jnp.sign(signal) * ratio
    gradient = jnp.sum(jacobian * (signal - expected)[..., None], axis=-2)
    information = noncentral_chi_information(jnp.abs(signal), n_coils)
    noise = jnp.full(cost.shape, signal.shape[-1], cost.dtype)
    return Expansion(cost, gradient, products(jacobian * jnp.sqrt(information)[..., None]), noise)


def scaled_bessel(z: Float[Array, "..."], order: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""$\log(I_\nu(z) \, z^{-\nu} e^{-z})$ and the derivative of $\log(I_\nu(z) z^{-\nu})$, $I_{\nu + 1}(z) / I_\nu(z)$.

    Quotients $q_\nu = I_{\nu + 1} / (z I_\nu)$ follow from $q_{\nu - 1} = 1 / (2 \nu + z^2 q_\nu)$, downwards, where errors
    shrink. Right to 1e-9 in float64.

    **Arguments:**

    - `z`: Not negative.
    - `order`: $\nu$, an integer.

    **Returns:** two arrays of the shape of `z`.

    **Source:** D. E. Amos, Math Comput 28 (1974) 239-251 (ratios by recurrence from high orders).
    """
    last = order + ORDERS_BEYOND
    # the first two terms for large orders of what solves r' = 1 - r^2 - (2 nu + 1) r / z, with r = z q
    half = last + 0.5
    root = jnp.sqrt(half**2 + z**2)
    start = (1 - half / (2 * root**2)) / (half + root)

    def lower(quotient: Array, nu: Array) -> tuple[Array, None]:
        return 1 / (2 * nu + z**2 * quotient), None

    down = jnp.arange(last, order, -1).astype(z.dtype)
    quotient, _ = jax.lax.scan(lower, start, down)
    ratio, logarithm = z * quotient, jnp.log(i0e(z))
    for nu in range(order, 0, -1):
        quotient = 1 / (2 * nu + z**2 * quotient)
        logarithm = logarithm + jnp.log(quotient)
    return logarithm, ratio


def noncentral_chi_information(snr: Float[Array, "..."], n_coils: int) -> Float[Array, "..."]:
    r"""Fisher information of a magnitude about the signal, relative to that of a Gaussian sample.

    $$w(\theta) = E\left[ x^2 \frac{I_L^2(\theta x)}{I_{L-1}^2(\theta x)} \right] - \theta^2$$

    As `mrjax.inverse.likelihoods.rician_information`, which it is for one coil. Interpolated to 1e-5.

    **Arguments:**

    - `snr`: $\theta$, signal over the standard deviation of the noise. Not negative.
    - `n_coils`: $L$.

    **Returns:** $w$, of the same shape.
    """
    fraction, information = _information_table(n_coils)
    return jnp.interp(snr / (1 + snr), jnp.asarray(fraction, snr.dtype), jnp.asarray(information, snr.dtype))


@functools.cache
def _information_table(n_coils: int) -> tuple[np.ndarray, np.ndarray]:
    r"""$w$ over $\theta / (1 + \theta)$, by sums over the magnitude."""
    import scipy.special  # takes longer to import than all of `mrjax.inverse`, and only this noise needs it

    fraction = np.linspace(0, 1, 513)
    theta = fraction[1:-1, None] / (1 - fraction[1:-1, None])
    # twelve standard deviations about where magnitudes lie, which is where their mean square is
    centre = np.sqrt(theta**2 + 2 * n_coils)
    x = np.maximum(centre - 12, 0) + (np.arange(4000) + 0.5) / 4000 * (centre + 12 - np.maximum(centre - 12, 0))
    bessel = scipy.special.ive([[[n_coils - 1]], [[n_coils]]], theta * x)
    density = x * (x / theta) ** (n_coils - 1) * np.exp(-((x - theta) ** 2) / 2) * bessel[0]
    ratio = np.divide(bessel[1], bessel[0], out=np.zeros_like(x), where=bessel[0] > 0)
    # the mean of x^2 is theta^2 + 2 L; taking the two apart first keeps the digits of large theta
    lost = np.sum(density * x**2 * (1 - ratio**2), axis=-1) / np.sum(density, axis=-1)
    return fraction, np.concatenate([[0.0], np.clip(2 * n_coils - lost, 0, 1), [1.0]])
