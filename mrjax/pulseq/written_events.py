"""Pulses, gradients and readouts of a sequence as events of a Pulseq file."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Inexact

from mrjax import units
from mrjax.pulseq.file import AdcEvent, ArbitraryGradient, Extension, ExtensionSpecification, RfEvent, Trapezoid
from mrjax.pulseq.rasters import Rasters, dwell_steps, nearest, on_raster, steps
from mrjax.pulseq.rf_events import strongest_at
from mrjax.pulseq.shapes import Shape, from_samples
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import AbstractRF, ContinuousWave

GAMMA_BAR = units.GAMMA_BAR["1H"]

MICRO = 1e6
"""Times are written in whole microseconds, and read as such a number divided by this."""

LETTERS = {None: "u"} | {
    use: use[0] for use in ("excitation", "refocusing", "inversion", "saturation", "preparation", "other")
}


class EventLibrary:
    """Events and shapes collected for a file, each once, by id."""

    def __init__(self):
        self.rf: dict[int, RfEvent] = {}
        self.gradients: dict[int, ArbitraryGradient] = {}
        self.trapezoids: dict[int, Trapezoid] = {}
        self.adc: dict[int, AdcEvent] = {}
        self.shapes: dict[int, Shape] = {}
        self.extensions: dict[int, Extension] = {}
        self._rows: dict[str, dict[tuple[str, ...], int]] = {}
        self._known: dict[Any, int] = {}
        self._samples: dict[int, list[tuple[int, np.ndarray]]] = {}

    def rf_id(self, event: RfEvent) -> int:
        """The id of a pulse."""
        return self._id(self.rf, event)

    def adc_id(self, event: AdcEvent) -> int:
        """The id of a readout."""
        return self._id(self.adc, event)

    def gradient_id(self, event: Trapezoid | ArbitraryGradient) -> int:
        """The id of a gradient; both kinds share them."""
        if event not in self._known:
            self._known[event] = len(self.gradients) + len(self.trapezoids) + 1
            holder = self.trapezoids if isinstance(event, Trapezoid) else self.gradients
            holder[self._known[event]] = event  # pyright: ignore[reportArgumentType]
        return self._known[event]

    def shape_id(self, samples: Float[np.ndarray, " n"], tolerance: float) -> int:
        """The id of a shape that has these samples up to a tolerance."""
        alike = self._samples.setdefault(samples.size, [])
        for identifier, known in alike:
            if np.max(np.abs(known - samples)) <= tolerance:
                return identifier
        identifier = len(self.shapes) + 1
        self.shapes[identifier] = from_samples(samples)
        alike.append((identifier, samples))
        return identifier

    def extension_id(self, notes: tuple[tuple[str, tuple[str, ...]], ...]) -> int:
        """The id of a list of extensions, each a name and its words; 0 for none."""
        following = 0
        for name, words in reversed(notes):
            rows = self._rows.setdefault(name, {})
            reference = rows.setdefault(words, len(rows) + 1)
            kind = list(self._rows).index(name) + 1
            following = self._id(self.extensions, Extension(kind, reference, following))
        return following

    @property
    def extension_specifications(self) -> dict[int, ExtensionSpecification]:
        """By type."""
        return {
            kind: ExtensionSpecification(name, {i: words for words, i in rows.items()})
            for kind, (name, rows) in enumerate(self._rows.items(), 1)
        }

    def _id(self, holder: dict[int, Any], event: Any) -> int:
        if event not in self._known:
            self._known[event] = len(holder) + 1
            holder[self._known[event]] = event
        return self._known[event]


class EventWriter:
    """Writes events into a library."""

    def __init__(self, library: EventLibrary, rasters: Rasters, minor: int):
        self._library = library
        self._rasters = rasters
        self._minor = minor

    def rf(self, pulse: AbstractRF, start: float) -> int:
        """The id of a pulse whose numbers are NumPy's and that begins at `start` in s after its block."""
        raster = self._rasters.rf
        delay = self._microseconds(start, raster, "a start", "RF")
        offset, phase = float(pulse.offset), float(pulse.phase)
        if isinstance(pulse, ContinuousWave):
            n = steps(float(pulse.duration), raster, "a duration", "RF")
            b1 = float(pulse.b1)
            amplitude, phase = abs(b1) * GAMMA_BAR, phase + (math.pi if b1 < 0 else 0.0)
            magnitude, turns, times = np.ones(2), np.zeros(2), np.array([0.0, n])
            center, tolerance = n * raster / 2, 0.0
        else:
            waveform, dt = np.asarray(pulse.b1_samples), float(pulse.dt)
            amplitude, magnitude, turns, times = self._shapes(waveform, steps(dt, raster, "a `dt`", "RF"))
            center, tolerance = strongest_at(waveform) * dt, _tolerance(waveform)
        event = RfEvent(
            amplitude=amplitude,
            magnitude_shape=self._library.shape_id(magnitude, tolerance),
            phase_shape=self._library.shape_id(turns, tolerance),
            time_shape=0 if times is None else self._library.shape_id(times, 0.0),
            delay=delay,
            frequency=offset,
            phase=phase,
            center=round(center * MICRO, 3) / MICRO if pulse.center is None else _stated(pulse.center),
            use=LETTERS[pulse.use],
        )
        return self._library.rf_id(event)

    def _shapes(self, waveform: Inexact[np.ndarray, " n"], n_rasters: int) -> tuple[Any, ...]:
        """Amplitude in Hz, and the shapes of magnitude, phase in turns, and times, None for samples of one raster."""
        if n_rasters < 1:
            raise ValueError(f"a `dt` must last at least one RF raster, {self._rasters.rf:g} s.")
        magnitude = np.abs(waveform).astype(float)
        peak = magnitude.max()
        turns = np.angle(waveform) / (2 * math.pi) % 1.0
        turns = np.where((1 - turns < 1e-7) | (magnitude == 0), 0.0, turns)
        times = None if n_rasters == 1 else (np.arange(magnitude.size) + 0.5) * n_rasters
        return peak * GAMMA_BAR, magnitude / (peak or 1.0), turns, times

    def adc(self, readout: Readout, start: float) -> int:
        """The id of a readout that begins at `start` in s after its block."""
        delay = self._microseconds(start, self._rasters.rf, "a start", "RF")
        n_dwell = dwell_steps(float(readout.dwell), self._rasters.adc)
        dwell = round(n_dwell * self._rasters.adc * 1e9, 3) / 1e9
        modulation, shape = np.atleast_1d(readout.modulation), 0
        if modulation.size > 1 or modulation[0] != 0:
            if self._minor < 5:
                raise ValueError("a phase for each sample needs version 1.5 of the format.")
            shape = self._library.shape_id(modulation.astype(float), _tolerance(modulation))
        offset, phase = float(readout.offset), float(readout.phase)
        return self._library.adc_id(AdcEvent(readout.n, dwell, delay, offset, phase, phase_shape=shape))

    def gradient(self, times: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> int:
        """The id of a gradient in T/m, straight between times in s after its block."""
        raster = self._rasters.gradient
        if np.any(np.diff(times) <= 0) and not _is_trapezoid(values):
            raise ValueError("a gradient jumps, which no amplifier can; give it a ramp.")
        delay = self._microseconds(times[0].item(), raster, "a start", "gradient")
        times = times.astype(float) - times[0].item()
        hertz = values.astype(float) * GAMMA_BAR
        if _is_trapezoid(values) and on_raster(times, raster):
            rise, flat, fall = (self._microseconds(t, raster, "a ramp", "gradient") for t in np.diff(times).tolist())
            return self._library.gradient_id(Trapezoid(hertz[1].item(), rise, flat, fall, delay))
        return self._arbitrary(times / raster, hertz, delay, _tolerance(values))

    def _arbitrary(self, times: np.ndarray, hertz: np.ndarray, delay: float, tolerance: float) -> int:
        """A gradient in Hz/m by samples; times are in rasters."""
        n = times.size
        shape, time_shape = hertz, 0
        if n > 2 and _same(times, np.concatenate([[0.0], np.arange(n - 2) + 0.5, [n - 2]])):
            shape = hertz[1:-1]
        elif n % 2 and n > 2 and self._minor >= 5 and _same(times, np.arange(n) / 2):
            shape, time_shape = hertz[1:-1], -1
        elif on_raster(times, 1.0):
            time_shape = self._library.shape_id(np.round(times), 0.0)
        else:
            off = times[~np.isclose(times, np.round(times), rtol=0, atol=1e-3)][0] * self._rasters.gradient
            raise ValueError(
                f"a point of a gradient at {off:.9g} s lies between the gradient rasters of {self._rasters.gradient:g} s; the "
                f"nearest are {nearest(off, self._rasters.gradient)}."
            )
        # the largest sample is 1, so that gradients which differ in scale share a shape
        amplitude = shape[np.argmax(np.abs(shape))].item()
        identifier = self._library.shape_id(shape / (amplitude or 1.0), tolerance)
        first, last = hertz[0].item(), hertz[-1].item()
        return self._library.gradient_id(ArbitraryGradient(amplitude, identifier, time_shape, delay, first, last))

    def _microseconds(self, time: float, raster: float, what: str, name: str) -> float:
        """A time in s on a raster, as it will be read."""
        micro = steps(time, raster, what, name) * raster * MICRO
        if abs(micro - round(micro)) > 1e-6:
            raise ValueError(f"{what} of {time:.9g} s is no whole number of microseconds, which the format needs.")
        return round(micro) / MICRO


def _is_trapezoid(values: Float[np.ndarray, " n"]) -> bool:
    if values.size != 4:
        return False
    tolerance = _tolerance(values) * float(np.max(np.abs(values)))
    return bool(max(abs(values[0]), abs(values[3]), abs(values[1] - values[2])) <= tolerance)


def _same(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> bool:
    return bool(np.allclose(one, other, rtol=2.0**-22, atol=1e-3))


def _tolerance(values: Inexact[np.ndarray, " n"]) -> float:
    """Rounding of numbers relative to the largest."""
    return 4 * float(np.finfo(values.dtype).eps)


def _stated(center: float) -> float:
    if center < 0:
        raise ValueError(f"a `center` must not be before its pulse, but is at {center:g} s.")
    return center
