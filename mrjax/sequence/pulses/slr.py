"""Selective pulses by the Shinnar-Le Roux transform."""

import math
from typing import Any

import jax.numpy as jnp

from mrjax import _checks
from mrjax.sequence.pulses import _arguments, _filters
from mrjax.sequence.pulses.shinnar_le_roux import inverse_slr
from mrjax.sequence.rf import ShapedPulse

_FILTERS = ("linear", "minimum")


def slr(
    flip_angle: Any,
    duration: Any,
    time_bandwidth_product: Any,
    n_samples: int,
    *,
    kind: str = "excitation",
    filter: str = "linear",
    passband_ripple: Any = 0.01,
    stopband_ripple: Any = 0.01,
    offset: Any = 0.0,
    phase: Any = 0.0,
) -> ShapedPulse:
    r"""A selective pulse whose profile has given ripples, by the Shinnar-Le Roux transform.

    An equiripple filter $h$ with the narrowest transition that its ripples allow is scaled to
    $B = \sin(\alpha / 2) \, h$, and `inverse_slr` gives the waveform. Its ripples $\delta_1$, $\delta_2$ follow from those of the
    magnetisation, $D_1$ in the pass band and $D_2$ in the stop band:

    | `kind` | of | $\delta_1$ | $\delta_2$ | made for $\alpha$ of |
    |---|---|---|---|---|
    | `small_tip` | transverse magnetisation, relative to the pass band | $D_1$ | $D_2$ | 30 degrees or less |
    | `excitation` | transverse magnetisation | $\sqrt{D_1 / 2}$ | $D_2 / \sqrt 2$ | 90 degrees |
    | `saturation` | longitudinal magnetisation | $D_1 / 2$ | $\sqrt{D_2}$ | 90 degrees |
    | `inversion` | longitudinal magnetisation | $D_1 / 8$ | $\sqrt{D_2 / 2}$ | 180 degrees |
    | `refocusing` | the share $|\beta|^2$ refocused | $D_1 / 4$ | $\sqrt{D_2}$ | 180 degrees |

    **Arguments:**

    - `flip_angle`: $\alpha$ in rad, in the middle of the ripple of the pass band; at the top of it for inversion and
      refocusing. At most $\pi$ there, less for the others. Scalar. At other angles than those of the table ripples are others.
    - `duration`: $T$ in s, positive. Scalar.
    - `time_bandwidth_product`: Bandwidth times duration, a plain positive number; the band is measured from the middle of one
      transition to that of the other.
    - `n_samples`: A Python integer, at least 16.
    - `kind`: As in the table.
    - `filter`: `"linear"` for a symmetric pulse, whose profile a gradient of half the area refocuses, or `"minimum"`
      for a polynomial of minimum phase, with sharper edges, which plays most of the RF late and leaves little to refocus. Reverse
      the waveform in time for the opposite.
    - `passband_ripple`, `stopband_ripple`: $D_1$ and $D_2$, plain numbers between 0 and 0.5.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`.

    **Returns:** A real `ShapedPulse`. Differentiable in `flip_angle`, `duration`, `offset` and `phase`; the filter is designed
    before, for plain numbers. A `small_tip` pulse is the filter itself, without the transform.

    Ripples come out within 10 % of what is asked for up to 0.02 and where the phase that spins at the edge of the band gather in
    one sample is small: `n_samples` of 16 times the time-bandwidth product or more.

    **Raises:** `ValueError` for values out of range, and where the time-bandwidth product is too small for the ripples.

    **Source:** J. Pauly, P. Le Roux, D. Nishimura, A. Macovski, IEEE Trans Med Imaging 10 (1991) 53-65.

    !!! example

        ```python
        >>> from math import inf
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> pulse = mr.sequence.pulses.slr(180 * deg, 4 * ms, 6, n_samples=128, kind="refocusing")
        >>> end = mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, off_resonance=[0.0, 1500.0]))
        >>> refocused = (1 - end.longitudinal) / 2
        >>> print(bool(refocused[0] > 0.989), bool(refocused[1] < 0.011))
        True True

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    angle = _arguments.scalar(flip_angle, "flip_angle", "rad")
    taps, ripple = _designed(time_bandwidth_product, n_samples, kind, filter, passband_ripple, stopband_ripple)
    taps = jnp.asarray(taps)
    dt = duration / taps.size
    if kind == "small_tip":
        return ShapedPulse(angle / (_arguments.GAMMA_PROTON * dt) * taps[::-1], dt, offset, phase)
    if kind in ("inversion", "refocusing"):
        taps = taps / (1 + 1.05 * ripple)  # below 1 everywhere, so that A has no zero on the unit circle
    most = 1 if kind in ("inversion", "refocusing") else 1 / (1 + 1.05 * ripple)
    angle = _checks.require(
        angle,
        (jnp.abs(angle) <= math.pi) & (jnp.abs(jnp.sin(angle / 2)) <= most),
        f"`flip_angle` must not exceed {2 * math.asin(most):.4g} rad for a pulse of kind {kind!r}",
    )
    return ShapedPulse(inverse_slr(jnp.sin(angle / 2) * taps, dt), dt, offset, phase)


def _designed(
    product: Any, n_samples: Any, kind: str, filter: str, passband_ripple: Any, stopband_ripple: Any
) -> tuple[Any, float]:
    """Coefficients of the filter of gain one, and its ripple in the pass band."""
    for name, value, known in (("kind", kind, tuple(_filters.RIPPLES)), ("filter", filter, _FILTERS)):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}, but got {value!r}.")
    ripples = {"passband_ripple": passband_ripple, "stopband_ripple": stopband_ripple}
    d1, d2 = (_arguments.known_positive(value, name) for name, value in ripples.items())
    for name, value in zip(ripples, (d1, d2), strict=True):
        if value >= 0.5:
            raise ValueError(f"`{name}` must be below 0.5, but got {value:g}.")
    n_samples = _checks.positive_integer(n_samples, "n_samples")
    product = _arguments.known_positive(product, "time_bandwidth_product")
    if n_samples < max(16, 2 * product):
        raise ValueError(
            "`n_samples` must be at least 16 and twice the time-bandwidth product, "
            f"but got {n_samples} for a product of {product:g}."
        )
    relative = _filters.RIPPLES[kind](d1, d2)
    return _filters.equiripple(n_samples, product, relative, filter == "minimum"), relative[0]
