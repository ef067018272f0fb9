"""RF as a function of time: constant between the edges of its samples, or straight between their middles."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.sequence.double_length import angle
from mrjax.sequence.rf import ContinuousWave


def knots(start: Array, pulse: Any, waveform: str) -> Float[Array, " n"]:
    """Times at which the field of a pulse jumps or bends, its start and its end included."""
    if isinstance(pulse, ContinuousWave):
        return start + jnp.stack([jnp.zeros_like(pulse.duration), pulse.duration])
    n = pulse.b1_samples.shape[-1]
    places = np.arange(n + 1.0) if waveform == "constant" else np.concatenate([[0.0], np.arange(n) + 0.5, [n]])
    return start + pulse.dt * jnp.asarray(places, jnp.asarray(pulse.dt).dtype)


def rf_at(pulse: Any, start: Array, time: Array, waveform: str) -> Array:
    """RF in T of a pulse that has begun at `start`, seen from the frame of the scanner."""
    at = knots(start, pulse, waveform)
    # by the very numbers at which the solver stops: recomputed, a time just before a jump may round to the jump
    piece = jnp.searchsorted(at, time, side="right") - 1
    inside = (piece >= 0) & (piece < len(at) - 1)
    piece = jnp.clip(piece, 0, len(at) - 2)
    samples = pulse.b1_samples
    if waveform == "constant" or isinstance(pulse, ContinuousWave):
        amplitude = samples[piece] + 0j
    else:
        held = jnp.concatenate([samples[:1], samples, samples[-1:]])
        share = (time - at[piece]) / (at[piece + 1] - at[piece])
        amplitude = held[piece] + (held[piece + 1] - held[piece]) * share + 0j
    turned_by = angle(pulse.offset, time - start) + jnp.asarray(pulse.phase)
    return jnp.where(inside, amplitude * jnp.exp(1j * turned_by), 0.0)
