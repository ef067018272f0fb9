"""A uniform field that changes, as what plays in it looks from the frame that turns with the spins."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.sequence.base import AbstractEvent
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import Pulse, Sample
from mrjax.sequence.hardware.played_points import lasts
from mrjax.sequence.precision import Numbers, held, numpy_of
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import AbstractRF, ContinuousWave, ShapedPulse
from mrjax.sequence.together import Together
from mrjax.sequence.tracks import AbstractScannerEvent


@dataclasses.dataclass(frozen=True, eq=False)
class UniformField:
    """A field that is straight between points in time, and by what angle it has turned spins at each of them."""

    times: np.ndarray
    rate: Float[Numbers, " n"]
    """In rad/s."""
    turned: Float[Numbers, " n"]
    """In rad."""

    @classmethod
    def of(cls, times: np.ndarray, field: Float[Numbers, " n"], gyromagnetic_ratio: float) -> "UniformField":
        """Of a field in T."""
        xp = numpy_of(field)
        rate = gyromagnetic_ratio * field
        pieces = (rate[1:] + rate[:-1]) / 2 * np.diff(times)
        return cls(times, rate, xp.concatenate([xp.zeros_like(rate[:1]), xp.cumsum(pieces)]))

    def angle(self, times: Any) -> Float[Numbers, "*n"]:
        """By which spins have been turned at some times in s, in rad."""
        piece = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        length = self.times[piece + 1] - self.times[piece]
        into = np.clip(times - self.times[piece], 0.0, length)
        slope = (self.rate[piece + 1] - self.rate[piece]) / np.where(length > 0, length, 1.0)
        return held(self.turned[piece] + (self.rate[piece] + slope * into / 2) * into)

    def seen(self, event: AbstractEvent, start: float) -> AbstractEvent:
        """An event that begins some time after the points do, in s, with its phases turned back."""
        match event:
            case Pulse() | Sample():
                return dataclasses.replace(event, phase=event.phase - self.angle(start))
            case AbstractScannerEvent():
                return Together(*(_in_a_row(track, start, self) for track in event.tracks))
            case _:
                return event

    def _of_channel(self, event: Any, start: float) -> Any:
        match event:
            case ContinuousWave():
                duration = lasts(event)
                first, last = self.angle(start), self.angle(start + duration)
                offset = event.offset - (last - first) / (2 * math.pi * duration) if duration else event.offset
                return dataclasses.replace(event, phase=event.phase - first, offset=offset)
            case AbstractRF():
                n = event.b1_samples.shape[-1]
                dt = lasts(event) / n
                ahead = self.angle(start + dt * (np.arange(n) + 0.5))
                samples = jnp.asarray(event.b1_samples) * jnp.exp(-1j * jnp.asarray(ahead))
                return ShapedPulse(samples, event.dt, event.offset, event.phase, use=event.use, center=event.center)
            case Readout():
                times = start + float(np.asarray(event.dwell)) * (np.arange(event.n) + 0.5)
                return dataclasses.replace(event, modulation=event.modulation - self.angle(times))
            case _:
                return event


def _in_a_row(track: tuple, start: float, field: UniformField) -> Any:
    found, now = [], start
    for one in track:
        found.append(field._of_channel(one, now))
        now += lasts(one)
    return Sequence(*found)
