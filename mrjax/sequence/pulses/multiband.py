"""Several bands at once."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse


def multiband(pulse: ShapedPulse, offsets: Any, phases: Any = 0.0) -> ShapedPulse:
    r"""The sum of copies of a pulse, each shifted to its own frequency.

    $$B_1(t) = w(t) \sum_m \frac{\pi f_m \Delta t}{\sin \pi f_m \Delta t} e^{i (2 \pi f_m t + \phi_m)},
    \qquad t = 0 \text{ in the middle of the pulse}$$

    The factor makes up for samples that are constant over $\Delta t$ while the band turns.

    **Arguments:**

    - `pulse`: Of one band, with a scalar `dt`; its own offset and phase are kept.
    - `offsets`: $f_m$ in Hz, relative to that of `pulse`. Shape `(n_bands,)`, each below half of `1 / pulse.dt` in magnitude.
    - `phases`: $\phi_m$ in rad. Shape `(n_bands,)` or a scalar. With all alike the copies add up to `n_bands` times the peak;
      unequal phases lower it.

    **Returns:** A complex `ShapedPulse`. Differentiable in every number. Bands disturb each other where their profiles overlap,
    and by Bloch-Siegert shifts at large flip angles.

    **Raises:** `ValueError` where shapes do not fit or an offset is beyond the sampling.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> pulses = mr.sequence.pulses
        >>> band = pulses.sinc(90 * deg, 4 * ms, time_bandwidth_product=4, n_samples=400)
        >>> pair = pulses.multiband(band, offsets=[-4e3, 4e3])
        >>> print(f"{float(pulses.peak_b1(pair) / pulses.peak_b1(band)):.1f}")
        2.0

        ```
    """
    waveform, dt = _arguments.one_pulse(pulse)
    offsets = _checks.finite(_checks.real_array(offsets, "offsets"), "offsets")
    if offsets.ndim != 1 or offsets.size == 0:
        raise ValueError(f"`offsets` must have shape (n_bands,) with at least one band (Hz), but got {offsets.shape}.")
    offsets = _checks.require(
        offsets, jnp.abs(offsets) * dt < 0.5, "`offsets` must be below half of 1 / pulse.dt in magnitude (Hz)"
    )
    phases = _checks.finite(_checks.real_array(phases, "phases"), "phases")
    if phases.shape not in ((), offsets.shape):
        raise ValueError(
            f"`phases` must be a scalar or one for each of the {offsets.size} bands (rad), but got shape {phases.shape}."
        )
    times = _arguments.places(waveform.size) * (dt * waveform.size)
    angles = 2 * math.pi * offsets[:, None] * times[None, :] + jnp.broadcast_to(phases, offsets.shape)[:, None]
    copies = jnp.exp(1j * angles) / jnp.sinc(offsets * dt)[:, None]
    return dataclasses.replace(pulse, waveform=waveform * jnp.sum(copies, axis=0), dt=dt)
