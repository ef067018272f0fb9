"""RF cut so finely that gradients which change meanwhile, and relaxation, leave no error of note.

Engines turn spins by one rotation in each sample of RF, about the mean field with the first correction for a field that
changes (Magnus), between halves of relaxation (Strang). What that misses grows with the duration of a sample; from what is
known of a pulse before anything is traced it is estimated here, and samples that are too long are played as several.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax._memory import remembered
from mrjax.physics.waveforms.rotation_error import Field, StraightGradient, missed_by_rotations
from mrjax.sequence import AbstractContainer, AbstractRF, ContinuousWave, Gradient, Readout, ShapedPulse, Together
from mrjax.sequence.gradients import AXES
from mrjax.sequence.walk import events_of
from mrjax.tissue import VELOCITY, Tissue

ERROR = 1e-5
"""Of the magnetisation after one pulse relative to M0, at most."""

STEPS_OF_THE_UNKNOWN = 128
"""Of a pulse at least, where its times or the gradients around it are traced."""

PLAUSIBLE = {"b1": 20e-6, "transmit": 1.5, "position": 0.1, "velocity": 0.0, "off_resonance": 200.0, "t2": 0.02}
"""Taken for what is traced: RF in T, transmit field, positions in m, velocities in m/s, Hz, and T2 in s."""

FASTEST = 1e3
"""Relaxation rate in 1/s up to which the error holds: faster ones would take any number of steps."""

FARTHEST = 0.5
"""Position in m up to which it holds where spins move: no scanner is larger."""

Container = TypeVar("Container", bound=AbstractContainer)


@dataclass(frozen=True)
class Bounds:
    """Largest absolute values of what acts on spins besides the sequence."""

    gyromagnetic_ratio: float
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Along x, y and z in m."""
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    transmit: float = 1.0
    off_resonance: float = 0.0
    """In Hz."""
    rate: float = 0.0
    """Of relaxation during RF in 1/s; zero for engines that let spins relax before and after."""

    @staticmethod
    def of(tissue: Tissue, gyromagnetic_ratio: float, *, relaxes: bool) -> "Bounds":
        """Those of a tissue whose voxels are points."""
        return _bounds_of(tissue, float(gyromagnetic_ratio), relaxes)

    def reaching(self, further: Any) -> "Bounds":
        """With positions that reach further by so much along x, y and z."""
        x, y, z = (
            min(old + float(by), FARTHEST) for old, by in zip(self.position, np.broadcast_to(further, 3), strict=True)
        )
        return dataclasses.replace(self, position=(x, y, z))


def largest(values: Any, otherwise: float) -> float:
    """The largest absolute value of what is known."""
    return _reduced(lambda numbers, x: numbers.max(numbers.abs(x)), values) if _is_given(values) else otherwise


def smallest(values: Any, otherwise: float) -> float:
    """The smallest of values that are known."""
    return _reduced(lambda numbers, x: numbers.min(x), values) if _is_given(values) else otherwise


def _is_given(values: Any) -> bool:
    return _checks.is_concrete(values) and np.size(values) > 0


def _reduced(reduction: Callable[[Any, Any], Any], values: Any) -> float:
    """By NumPy, which compiles nothing; by JAX where an array is spread over processes, which must all come to the same."""
    if not isinstance(values, jax.Array) or values.is_fully_addressable:
        return float(reduction(np, np.asarray(values)))
    with jax.ensure_compile_time_eval():
        return float(reduction(jnp, values))


@remembered
def _bounds_of(tissue: Tissue, gyromagnetic_ratio: float, relaxes: bool) -> Bounds:
    given = lambda name, key: largest(getattr(tissue, name), PLAUSIBLE[key]) if tissue.has(name) else 0.0
    x, y, z = (given(axis, "position") for axis in AXES)
    u, v, w = (given(axis, "velocity") for axis in VELOCITY)
    transmit = given("b1", "transmit") if tissue.has("b1") else 1.0
    rate = 1 / smallest(tissue.t2, PLAUSIBLE["t2"]) if relaxes else 0.0
    off_resonance = given("off_resonance", "off_resonance")
    return Bounds(gyromagnetic_ratio, (x, y, z), (u, v, w), transmit, off_resonance, min(rate, FASTEST))


@remembered
def has_lasting_rf(sequence: AbstractContainer) -> bool:
    """Whether the sequence plays RF that lasts."""
    return any(True for located in events_of((sequence,)) for _ in _pulses(located.event))


@remembered
def finely_cut(container: Container, bounds: Bounds) -> Container:
    """The sequence with every pulse in samples that are short enough; what is played is the same."""
    entries = tuple(
        finely_cut(entry, bounds) if isinstance(entry, AbstractContainer) else _cut(entry, bounds)
        for entry in container.events
    )
    return eqx.tree_at(lambda container: container.events, container, entries)


def _pulses(event: Any) -> Iterator[Any]:
    inside = [one for track in event.tracks for one in track] if isinstance(event, Together) else [event]
    yield from (one for one in inside if isinstance(one, AbstractRF))


def _cut(event: Any, bounds: Bounds) -> Any:
    """One event with its pulses in short samples; a constant field without gradients is solved as a whole."""
    if isinstance(event, AbstractRF) and not isinstance(event, ContinuousWave):
        return in_parts(event, n_parts(event, np.zeros(()), [], bounds))
    if not isinstance(event, Together) or not any(True for _ in _pulses(event)):
        return event
    placed = [[*zip(_starts(track), track, strict=True)] for track in event.tracks]
    gradients = [(start, one) for track in placed for start, one in track if isinstance(one, Gradient)]

    def played(start: np.ndarray, one: Any) -> Any:
        if isinstance(one, AbstractRF) and (gradients or not isinstance(one, ContinuousWave)):
            return in_parts(one, n_parts(one, start, gradients, bounds))
        return one

    return eqx.tree_at(
        lambda together: together.tracks, event, tuple(tuple(played(*one) for one in track) for track in placed)
    )


def in_parts(pulse: Any, n: int) -> Any:
    """A pulse with each of its samples played as `n`."""
    if n == 1:
        return pulse
    samples, dt = _repeated(pulse.b1_samples, n), _divided(pulse.dt, n)
    if isinstance(pulse, ShapedPulse):
        return eqx.tree_at(lambda pulse: (pulse.waveform, pulse.dt), pulse, (samples, dt))
    return ShapedPulse(samples, dt, pulse.offset, pulse.phase, pulse.use)


def _repeated(samples: Any, n: int) -> jax.Array:
    """Each sample so many times."""
    return _known(np.repeat(samples, n, axis=-1)) if _checks.is_concrete(samples) else jnp.repeat(samples, n, axis=-1)


def _divided(dt: Any, n: int) -> jax.Array:
    return _known(np.asarray(dt) / np.asarray(n, np.asarray(dt).dtype)) if _checks.is_concrete(dt) else dt / n


def _known(array: Any) -> jax.Array:
    """An array that stays known inside of `jit`, made without compiling."""
    with jax.ensure_compile_time_eval():
        return jax.device_put(array)


def n_parts(pulse: Any, begin: np.ndarray, gradients: list[tuple[np.ndarray, Gradient]], bounds: Bounds) -> int:
    """In how many each sample of a pulse is to be played for an error of at most `ERROR`.

    Of all numbers whose only factors are two and three, so that other values seldom change what is compiled.
    """
    dt = _numbers(pulse.dt)
    n_samples = pulse.b1_samples.shape[-1]
    columns = [begin[..., None], dt[..., None]]
    for start, gradient in gradients:
        columns += [start[..., None] + _numbers(gradient.times), _numbers(gradient.waveform)]
    if any(np.isnan(column).any() for column in columns):
        return _rounded(STEPS_OF_THE_UNKNOWN / n_samples) if gradients else 1
    peak, mean, modulation = _amplitudes(pulse)
    field = Field(
        turning=bounds.gyromagnetic_ratio * bounds.transmit * peak,
        mean_turning=bounds.gyromagnetic_ratio * bounds.transmit * mean,
        modulation=modulation,
        detuning=2 * math.pi * (bounds.off_resonance + largest(pulse.offset, PLAUSIBLE["off_resonance"])),
        rate=bounds.rate,
        per_gradient=bounds.gyromagnetic_ratio * np.asarray(bounds.position),
        per_gradient_and_second=bounds.gyromagnetic_ratio * np.asarray(bounds.velocity),
    )
    axes = [AXES.index(gradient.axis) for _, gradient in gradients]
    missed = np.zeros(3)
    for (first,), (duration,), *points in _distinct(columns):
        lines = [
            StraightGradient(axis, times, values)
            for axis, times, values in zip(axes, points[::2], points[1::2], strict=True)
        ]
        missed = np.maximum(missed, missed_by_rotations(first, duration, n_samples, lines, field))
    return _fewest(missed)


def _fewest(missed: np.ndarray) -> int:
    """Parts of a sample for which orders two, three and four of its duration together stay within the error."""
    n = 1
    while np.sum(missed / float(n) ** np.arange(2, 5)) > ERROR:
        n = _rounded(n + 1)
    return n


def _rounded(n: float | int) -> int:
    """The next larger power of two, or one and a half times one."""
    power = 2 ** max(0, math.ceil(math.log2(max(n, 1)) - 1e-9))
    return 3 * power // 4 if power >= 4 and n <= 3 * power / 4 else power


def _amplitudes(pulse: Any) -> tuple[float, float, float]:
    """The peak and the mean of the field in T, and how fast it is modulated, at most in all repetitions."""
    samples = pulse.b1_samples
    if not _checks.is_concrete(samples):
        return PLAUSIBLE["b1"], PLAUSIBLE["b1"], 4.0
    samples = _checks.held_here(samples).reshape(-1, samples.shape[-1])
    sums = np.sum(np.abs(samples), axis=-1)
    changes = np.sum(np.abs(np.diff(samples, axis=-1, prepend=0.0, append=0.0)), axis=-1)
    modulation = 2 * changes / np.where(sums > 0, sums, 1.0)
    return float(np.max(np.abs(samples))), float(np.max(sums)) / samples.shape[-1], float(np.max(modulation))


def _numbers(leaf: Any) -> np.ndarray:
    """In double precision; nan for what is traced."""
    return np.asarray(leaf, float) if _checks.is_concrete(leaf) else np.full(np.shape(leaf), np.nan)


def _starts(track: tuple) -> list[np.ndarray]:
    """When the events of a track begin, in s from the start of all."""
    starts, now = [], np.zeros(())
    for event in track:
        starts.append(now)
        match event:
            case Gradient():
                lasts = _numbers(event.times)[..., -1]
            case AbstractRF():
                lasts = _numbers(event.dt) * event.b1_samples.shape[-1]
            case Readout():
                lasts = _numbers(event.dwell) * event.n
            case _:
                lasts = _numbers(event.duration)
        now = np.asarray(now + lasts)
    return starts


def _distinct(columns: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """The numbers of every repetition that differs from the others, column by column."""
    leading = np.broadcast_shapes(*(column.shape[:-1] for column in columns))
    spread = [np.broadcast_to(column, (*leading, column.shape[-1])).reshape(-1, column.shape[-1]) for column in columns]
    ends = np.cumsum([column.shape[-1] for column in columns])[:-1]
    for row in np.unique(np.concatenate(spread, axis=1), axis=0):
        yield np.split(row, ends)
