"""Likelihoods of measured signals, and their expansions in the parameters that a fit climbs by.

Costs are minus twice the logarithm of a likelihood, up to a constant: for Gaussian noise the sum of squares.
"""

import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e, i1e
from jaxtyping import Array, Float, Inexact


class Expansion(eqx.Module):
    """The cost in every voxel to second order, $C(p + \\delta) = C + 2 g \\delta + \\delta^T I \\delta$."""

    cost: Float[Array, "*voxels"]
    gradient: Float[Array, "*voxels p"]
    """$g$, half the derivative of the cost."""
    information: Float[Array, "*voxels p p"]
    """$I$, the Fisher information: half the expected second derivative."""
    noise: Float[Array, "*voxels"]
    """What noise contributes to the cost: about one for each sample, or all of it where the noise is not known."""

    @property
    def is_finite(self) -> Array:
        """Whether all of it can be computed with."""
        derivatives = jnp.all(jnp.isfinite(self.gradient), axis=-1) & jnp.all(jnp.isfinite(self.information), (-2, -1))
        return jnp.isfinite(self.cost) & derivatives


def gaussian(
    signal: Inexact[Array, "*voxels n"],
    columns: Inexact[Array, "p *voxels n"],
    data: Inexact[Array, "*voxels n"],
    precision: Float[Array, "*voxels n"],
) -> Expansion:
    r"""Gaussian noise, for complex data in each part: $C = \sum_n |d_n - s_n|^2 / \sigma_n^2$.

    **Arguments:**

    - `signal`: The model, $s_n$.
    - `columns`: Its derivatives in each parameter.
    - `data`: What was measured, $d_n$.
    - `precision`: $1 / \sigma_n$; ones where the noise is not known.
    """
    residual = as_real((signal - data) * precision)
    jacobian = as_real(parameters_last(columns) * precision[..., None], axis=-2)
    gradient = jnp.sum(jacobian * residual[..., None], axis=-2)
    cost = jnp.sum(residual**2, axis=-1)
    return Expansion(cost, gradient, products(jacobian), cost)


def rician(
    signal: Float[Array, "*voxels n"],
    columns: Float[Array, "p *voxels n"],
    data: Float[Array, "*voxels n"],
    precision: Float[Array, "*voxels n"],
) -> Expansion:
    r"""Magnitudes of signals with complex Gaussian noise, which follow a Rice distribution.

    $$C = \sum_n \frac{d_n^2 + s_n^2}{\sigma_n^2} - 2 \log I_0\!\left(\frac{d_n s_n}{\sigma_n^2}\right)$$

    The sign of a signal does not enter.

    **Arguments:** as `gaussian`, all real, and `data` not negative.

    **Source:** H. Gudbjartsson, S. Patz, Magn Reson Med 34 (1995) 910-914 (distribution).
    """
    signal, data = signal * precision, data * precision
    jacobian = parameters_last(columns) * precision[..., None]
    product = data * jnp.abs(signal)
    # log I0(z) = z + log(I0(z) e^-z), and z completes the square: nothing large is subtracted
    cost = jnp.sum((data - jnp.abs(signal)) ** 2 - 2 * jnp.log(i0e(product)), axis=-1)
    expected = data * jnp.sign(signal) * i1e(product) / i0e(product)
    gradient = jnp.sum(jacobian * (signal - expected)[..., None], axis=-2)
    weighted = jacobian * jnp.sqrt(rician_information(jnp.abs(signal)))[..., None]
    noise = jnp.full(cost.shape, signal.shape[-1], cost.dtype)
    return Expansion(cost, gradient, products(weighted), noise)


def rician_information(snr: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Fisher information of a magnitude about the signal, relative to that of a Gaussian sample.

    $$w(\theta) = E\left[ x^2 \frac{I_1^2(\theta x)}{I_0^2(\theta x)} \right] - \theta^2$$

    for $x$ from the Rice distribution of $\theta$: 0 without signal, where a magnitude does not tell its sign, and
    $1 - 1 / (2 \theta^2)$ for much. Interpolated to 5e-6.

    **Arguments:**

    - `snr`: $\theta$, signal over the standard deviation of the noise. Not negative.

    **Returns:** $w$, of the same shape.
    """
    fraction, information = _information_table()
    dtype = snr.dtype
    return jnp.interp(snr / (1 + snr), jnp.asarray(fraction, dtype), jnp.asarray(information, dtype))


@functools.cache
def _information_table() -> tuple[np.ndarray, np.ndarray]:
    """$w$ over $\\theta / (1 + \\theta)$, by Gauss-Hermite quadrature over both parts of the noise."""
    import scipy.special  # takes longer to import than all of `mrjax.inverse`, and only Rician noise needs it

    fraction = np.linspace(0, 1, 513)
    theta = fraction[:-1, None, None] / (1 - fraction[:-1, None, None])
    node, weight = np.polynomial.hermite_e.hermegauss(48)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    magnitude = np.hypot(theta + node[:, None], node[None, :])
    ratio = scipy.special.i1e(theta * magnitude) / scipy.special.i0e(theta * magnitude)
    # the mean of magnitude^2 is theta^2 + 2; taking the two apart first keeps the digits of large theta
    information = 2 - np.sum(weight * magnitude**2 * (1 - ratio**2), axis=(-2, -1))
    return fraction, np.append(np.clip(information, 0, 1), 1.0)


def parameters_last(columns: Array) -> Array:
    """Derivatives `(p, *voxels, n)` as Jacobians `(*voxels, n, p)`."""
    return jnp.moveaxis(columns, 0, -1)


def products(jacobian: Float[Array, "*voxels m p"]) -> Float[Array, "*voxels p p"]:
    r"""$J^T J$ of every voxel, summed without a product of matrices, which is slow for small ones."""
    return jnp.sum(jacobian[..., :, None] * jacobian[..., None, :], axis=-3)


def as_real(signal: Array, axis: int = -1) -> Array:
    """Real and imaginary parts one after the other."""
    return jnp.concatenate([signal.real, signal.imag], axis=axis) if jnp.iscomplexobj(signal) else signal
