"""The RF field of a sequence over windows of time, from which its power follows."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.flattening import flattened
from mrjax.sequence.precision import Numbers, in_best_precision
from mrjax.sequence.timeline import Timeline


def b1_plus_rms(sequence: AbstractContainer, window: Any = 10.0) -> Float[Numbers, " n_windows"]:
    r"""The root mean square of the transmit field in windows that begin or end where anything of a sequence does.

    $$B_{1+\mathrm{rms}}(t) = \sqrt{\frac{1}{W} \int_t^{t + W} |B_1|^2 \, dt'}$$

    Between its ends a window holds all that is played, rests after pulses included, so that a pulse counts with what comes
    next. The integral is a straight line in $t$ between these windows: the largest of them is the largest of all. A sequence
    that is shorter than the window is taken to be played again and again: there is one value, its mean.

    **Arguments:**

    - `sequence`: Any, without waits that have no end.
    - `window`: $W$ in s, positive. 10 s and 6 min are those of IEC 60601-2-33.

    **Returns:** in T, `(n_windows,)`, in double precision where nothing is traced. `Pulse`s that take no time have no field:
    `mrjax.design.energy` counts their flip angles.

    **Derivatives:** in amplitudes and durations, forward and reverse; zero where no RF is played.

    **Raises:** `ValueError` where the window is not positive.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import ms, uT
        >>> pulse = mr.Sequence(mr.ContinuousWave(10 * uT, duration=1 * ms), mr.Delay(24 * ms))
        >>> print(f"{float(mr.hardware.b1_plus_rms(pulse).max()) / uT:.2f} uT")
        2.00 uT

        ```
    """
    window = _checks.positive(_checks.real_array(window, "window"), "window", "s")
    return of_timeline(flattened(as_sequence(sequence), None), window)


def of_timeline(timeline: Timeline, window: Any) -> Float[Numbers, " n_windows"]:
    """As `b1_plus_rms`, of a sequence that has been flattened."""
    return in_best_precision(_in_windows, timeline.b1, timeline.lasting, window)


@eqx.filter_jit
def _in_windows(b1: Array, duration: Array, window: Any) -> Float[Array, " n_windows"]:
    # relative to the largest, for the square of a field in T is near the smallest of numbers in float32
    square = b1.real**2 + b1.imag**2
    largest = jax.lax.stop_gradient(jnp.max(square, initial=0.0))
    unit = jnp.where(largest > 0, largest, 1.0)
    gathered = jnp.cumsum(square / unit * duration)
    edges, zero = jnp.cumsum(duration), jnp.zeros(1, duration.dtype)
    edges, gathered = jnp.concatenate([zero, edges]), jnp.concatenate([zero, gathered])
    width = jnp.minimum(jnp.asarray(window, duration.dtype), edges[-1])
    starts = jnp.concatenate([edges, edges - width])
    starts = jnp.clip(starts, 0.0, edges[-1] - width)
    within = jnp.interp(starts + width, edges, gathered) - jnp.interp(starts, edges, gathered)
    mean = jnp.maximum(within, 0.0) / jnp.where(width > 0, width, 1.0)
    return jnp.where(mean > 0, jnp.sqrt(jnp.where(mean > 0, mean, 1.0) * unit), 0.0)
