"""How images from undersampled k-space are scored: the scans are those of relaxometry, the answer is their contrasts."""

import argparse
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax.zoo.relaxometry.config import RelaxometryConfig
from mrjax.zoo.relaxometry.data import AXES, Measurement, zero_filled
from mrjax.zoo.relaxometry.evaluation import add_options, configured_by, test_scan
from mrjax.zoo.system import Evaluation, Report


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
