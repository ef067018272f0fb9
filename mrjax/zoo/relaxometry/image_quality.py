"""How images from undersampled k-space are scored: the scans are those of relaxometry, the answer is their contrasts."""

import argparse
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex

from mrjax.zoo.relaxometry.config import RelaxometryConfig
from mrjax.zoo.relaxometry.data import AXES, Measurement, zero_filled
from mrjax.zoo.relaxometry.evaluation import add_options, configured_by, test_scan
from mrjax.zoo.system import Evaluation, Report

SSIM_WINDOW = 7
"""Pixels along each axis."""


def psnr(found: Complex[Array, "*images nx ny"], true: Complex[Array, "*images nx ny"]) -> float:
    r"""Mean over images of the ratio of the peak to the root mean square error of magnitudes, in dB.

    $$20 \log_{10} \frac{\max |x|}{\sqrt{\mathrm{mean} (|\hat x| - |x|)^2}}$$

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.zoo import relaxometry
        >>> print(round(relaxometry.psnr(jnp.full((4, 4), 1.1 + 0j), jnp.ones((4, 4), complex)), 2))
        20.0

        ```
    """
    error = jnp.mean((jnp.abs(found) - jnp.abs(true)) ** 2, axis=(-2, -1))
    return float(jnp.mean(20 * jnp.log10(jnp.abs(true).max((-2, -1)) / jnp.sqrt(error))))


def ssim(found: Complex[Array, "*images nx ny"], true: Complex[Array, "*images nx ny"]) -> float:
    r"""Mean over images of the structural similarity of magnitudes: 1 for equal ones.

    $$\left\langle \frac{(2 \mu_x \mu_t + c_1)(2 \sigma_{x t} + c_2)}{(\mu_x^2 + \mu_t^2 + c_1)(\sigma_x^2 + \sigma_t^2 + c_2)}
    \right\rangle, \qquad c_1 = (0.01 \, \max |t|)^2, \quad c_2 = (0.03 \, \max |t|)^2$$

    with means, variances and covariance over all squares of 7 pixels that lie within the image.

    **Source:** Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, IEEE Trans Image Process 13 (2004) 600-612; the window is
    that of scikit-image and of fastMRI.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.zoo import relaxometry
        >>> image = jnp.zeros((16, 16), complex).at[4:12, 4:12].set(1.0)
        >>> print(round(relaxometry.ssim(0.8 * image, image), 3))
        0.953

        ```
    """
    a, b = jnp.abs(found), jnp.abs(true)
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    both = unbiased * (_window_mean(a * b) - mean_a * mean_b)
    variances = unbiased * (_window_mean(a**2) - mean_a**2 + _window_mean(b**2) - mean_b**2)
    peak = b.max((-2, -1), keepdims=True)
    of_mean, of_variance = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    alike = (2 * mean_a * mean_b + of_mean) * (2 * both + of_variance)
    return float(jnp.mean(alike / ((mean_a**2 + mean_b**2 + of_mean) * (variances + of_variance))))


def _window_mean(image: Array) -> Array:
    """Over every square that lies within the image."""
    window = (1,) * (image.ndim - 2) + (SSIM_WINDOW,) * 2
    total = lax.reduce_window(image, jnp.zeros((), image.dtype), lax.add, window, (1,) * image.ndim, "VALID")
    return total / SSIM_WINDOW**2


def report(
    config: RelaxometryConfig,
    estimate: Callable[[Measurement], Complex[Array, "image contrast nx ny"]],
    options: argparse.Namespace,
) -> Report:
    """Peak signal to noise, beside that of images whose k-space is zero where it was not measured."""
    batch, scanned = test_scan(config, options), configured_by(options, config)
    measurement = {name: batch[name] for name in AXES}
    found, naive, true = estimate(measurement), zero_filled(measurement), batch["images"]
    rows = [(f"{true.shape[0] * true.shape[1]}", f"{psnr(naive, true):.2f} dB", f"{psnr(found, true):.2f} dB")]
    return Report(
        f"R = {scanned.acceleration:g}, SNR {scanned.snr:g}",
        ("images", "PSNR, zero-filled", "PSNR, reconstructed"),
        rows,
    )


IMAGES = Evaluation(add_options, report)
