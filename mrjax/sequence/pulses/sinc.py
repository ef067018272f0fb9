"""The windowed sinc."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse

_WINDOWS = {"hann": 0.5, "hamming": 0.46}


def sinc(
    flip_angle: Any,
    duration: Any,
    time_bandwidth_product: Any,
    n_samples: int,
    *,
    apodization: Any = "hann",
    offset: Any = 0.0,
    phase: Any = 0.0,
) -> ShapedPulse:
    r"""A sinc under a raised cosine, the usual slice-selective excitation.

    $$B_1(u) \propto \frac{\sin \pi b u}{\pi b u} \left(1 - a + a \cos 2 \pi u\right), \qquad -\tfrac12 < u < \tfrac12$$

    **Arguments:**

    - `flip_angle`: On resonance, in rad, any sign. Scalar.
    - `duration`: $T$ in s, positive. Scalar.
    - `time_bandwidth_product`: $b$, positive, below `n_samples`: the number of zero crossings, those at the ends included. The
      slice of a long pulse is $b / T$ (Hz) wide; `bandwidth_of` says how wide that of a short and windowed one is.
    - `n_samples`: A Python integer, at least 1.
    - `apodization`: `"hann"` ($a$ = 0.5), `"hamming"` (0.46), None (0), or $a$ itself from 0 to 1.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`.

    **Returns:** A real `ShapedPulse`, its flip angle exact for the samples. Differentiable in every number.

    **Raises:** `ValueError` for values out of range.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 2.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms, uT
        >>> pulse = mr.sequence.pulses.sinc(90 * deg, 3 * ms, time_bandwidth_product=4, n_samples=300)
        >>> print(f"{float(mr.sequence.pulses.peak_b1(pulse)) / uT:.2f} uT")
        7.73 uT

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    u = _arguments.places(n_samples)
    product = _arguments.positive_scalar(time_bandwidth_product, "time_bandwidth_product")
    product = _checks.require(
        product, product < u.size, f"`time_bandwidth_product` must be below the {u.size} samples of the pulse"
    )
    a = _window(apodization)
    shape = jnp.sinc(product * u) * (1 - a + a * jnp.cos(2 * math.pi * u))
    return _arguments.calibrated(shape, flip_angle, duration, offset, phase)


def _window(apodization: Any) -> Float[Array, ""]:
    if apodization is None:
        return jnp.zeros(())
    if isinstance(apodization, str):
        if apodization not in _WINDOWS:
            raise ValueError(
                f"`apodization` must be 'hann', 'hamming', None or a number from 0 to 1, but got {apodization!r}."
            )
        return jnp.asarray(_WINDOWS[apodization])
    a = _arguments.scalar(apodization, "apodization")
    return _checks.require(a, (a >= 0) & (a <= 1), "`apodization` must be between 0 and 1")
