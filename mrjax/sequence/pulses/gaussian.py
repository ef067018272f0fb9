"""The Gaussian."""

import math
from typing import Any

import jax.numpy as jnp

from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse


def gaussian(
    flip_angle: Any, duration: Any, bandwidth: Any, n_samples: int, *, offset: Any = 0.0, phase: Any = 0.0
) -> ShapedPulse:
    r"""A Gaussian, given by the width of its spectrum.

    $$B_1(t) \propto e^{-t^2 / 2 \sigma^2}, \qquad \sigma = \frac{\sqrt{2 \ln 2}}{\pi \, \Delta f}$$

    **Arguments:**

    - `flip_angle`: On resonance, in rad, any sign. Scalar.
    - `duration`: In s, positive; the Gaussian is cut off there. Scalar.
    - `bandwidth`: $\Delta f$ in Hz: full width at half maximum of its Fourier transform, which is the profile at small flip
      angles. Positive, below `n_samples / duration`. Scalar. The cut widens it: by 9 % at `1.5 / duration`,
      1.5 % at `2 / duration`, 1e-5 at `3 / duration`.
    - `n_samples`: A Python integer, at least 1.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`.

    **Returns:** A real `ShapedPulse`, its flip angle exact for the samples. Differentiable in every number.

    **Raises:** `ValueError` for values out of range.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms, uT
        >>> pulse = mr.sequence.pulses.gaussian(90 * deg, 10 * ms, bandwidth=300.0, n_samples=200)
        >>> print(f"{float(mr.sequence.pulses.bandwidth_of(pulse)):.0f} Hz")
        300 Hz

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    u = _arguments.places(n_samples)
    bandwidth = _arguments.positive_scalar(bandwidth, "bandwidth", "Hz")
    bandwidth = _arguments.below_sampling(bandwidth, duration / u.size, "bandwidth", 1.0)
    sigma = math.sqrt(2 * math.log(2)) / (math.pi * bandwidth * duration)
    return _arguments.calibrated(jnp.exp(-((u / sigma) ** 2) / 2), flip_angle, duration, offset, phase)
