"""The gradients of a Pulseq file as points in time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mrjax.sequence.pulseq.errors import PulseqError
from mrjax.sequence.pulseq.events import ArbitraryGradient, Block, PulseqFile, Trapezoid
from mrjax.sequence.pulseq.shapes import MOST_RUNS

AXES = ("gx", "gy", "gz")

JOINED = 1e-9
"""In s: events that end this close to the end of their block reach into the next."""


@dataclass(frozen=True, eq=False)
class Points:
    """A gradient in Hz/m, straight between `times` in s, which count from `delay` in s after the start of the block."""

    delay: float
    times: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]

    @property
    def end(self) -> float:
        """In s from the start of the block."""
        return self.delay + self.times[-1].item()


def trapezoid_points(event: Trapezoid) -> Points:
    """The four corners."""
    times = np.array([0.0, event.rise, event.rise + event.flat, event.rise + event.flat + event.fall])
    return Points(event.delay, times, np.array([0.0, event.amplitude, event.amplitude, 0.0]))


def arbitrary_points(file: PulseqFile, event: ArbitraryGradient, first: float, last: float) -> Points:
    """The samples of a gradient of any shape; `first` and `last` in Hz/m are its edges where it has no time shape.

    **Raises:** `ValueError` where times do not grow, or are not as many as the samples.
    """
    samples = _samples(file, event)
    if event.time_shape > 0:
        times = file.shapes[event.time_shape].samples()
        if times.size != samples.size or times.size < 2 or times[0] < 0 or np.any(np.diff(times) <= 0):
            raise ValueError(
                f"its {samples.size} samples need a time shape with as many times, at least 2, that grow from 0 or later"
            )
        return Points(event.delay, times * file.gradient_raster, samples)
    values = np.concatenate([[first], samples, [last]])
    if event.time_shape < 0:  # centres and edges of the rasters in turn
        times = np.arange(values.size) / 2
    else:
        times = np.concatenate([[0.0], np.arange(samples.size) + 0.5, [samples.size]])
    return Points(event.delay, times * file.gradient_raster, values)


def edges_of(file: PulseqFile) -> list[tuple[tuple[float, float], ...]] | None:
    """First and last value in Hz/m of the gradients along each axis, block by block, where files do not say: before 1.5.

    A gradient begins where the one before it has ended, if that reached the end of its block, and else at zero. It ends
    where a line through each sample, the middle of a raster, arrives from edge to edge. None where nothing is to be found.
    """
    require_plausible(file)
    open_ended = {i for i, event in file.gradients.items() if event.first is None and event.time_shape <= 0}
    if not open_ended:
        return None
    swings = {i: _swing(_samples(file, file.gradients[i])) for i in open_ended}
    durations = {i: _duration(file, event) for i, event in file.gradients.items()}
    now, found = [0.0, 0.0, 0.0], []
    for block in file.blocks:
        edges = []
        for axis, name in enumerate(AXES):
            first, last = _edges(file, getattr(block, name), now[axis], swings)
            edges.append((first, last))
            now[axis] = last if _reaches_the_end(file, block, name, durations) else 0.0
        found.append(tuple(edges))
    return found


def require_plausible(file: PulseqFile) -> None:
    """Gradients need a shape, and are written out sample by sample, so that it must not be absurdly long.

    **Raises:** `PulseqError` for the first that is.
    """
    for identifier, event in file.gradients.items():
        if event.shape == 0:
            raise PulseqError(file.path, None, f"gradient {identifier} must have a shape, but its id is 0.")
        n_samples = max(file.shapes[shape].n_samples for shape in (event.shape, event.time_shape) if shape > 0)
        if n_samples > MOST_RUNS:
            raise PulseqError(
                file.path,
                None,
                f"gradient {identifier} has {n_samples} samples, too many; at most {MOST_RUNS} are read.",
            )


def _edges(
    file: PulseqFile, identifier: int, before: float, swings: dict[int, tuple[float, int]]
) -> tuple[float, float]:
    if identifier not in file.gradients:
        return 0.0, 0.0
    event = file.gradients[identifier]
    if identifier not in swings:
        return event.first or 0.0, _samples(file, event)[-1].item() if event.last is None else event.last
    first = before if event.delay == 0 else 0.0
    swing, sign = swings[identifier]
    return first, swing + sign * first


def _swing(samples: Float[np.ndarray, " n"]) -> tuple[float, int]:
    """The last edge for a first one of zero, and the sign with which another counts: edges are 2 w - the one before."""
    signs = (-1.0) ** np.arange(samples.size - 1, -1, -1)
    return 2 * float(np.sum(signs * samples)), -1 if samples.size % 2 else 1


def _reaches_the_end(file: PulseqFile, block: Block, name: str, durations: dict[int, float]) -> bool:
    identifier = getattr(block, name)
    return identifier in durations and durations[identifier] > block.duration - JOINED


def _samples(file: PulseqFile, event: ArbitraryGradient) -> Float[np.ndarray, " n"]:
    return event.amplitude * file.shapes[event.shape].samples()


def _duration(file: PulseqFile, event: ArbitraryGradient) -> float:
    shape = file.shapes[event.time_shape if event.time_shape > 0 else event.shape]
    length = shape.values[-1].item() if event.time_shape > 0 else shape.n_samples
    return (
        event.delay + (length + 1) / 2 * file.gradient_raster
        if event.time_shape < 0
        else (event.delay + length * file.gradient_raster)
    )


def rotated(gradients: list[Points | None], matrix: Float[np.ndarray, "3 3"]) -> list[Points | None]:
    """Gradients along x, y and z turned together: all three at the times of any, where there is one."""
    given = [points for points in gradients if points is not None]
    if not given:
        return gradients
    times = np.unique(np.concatenate([points.delay + points.times for points in given]))
    at = lambda points: np.interp(times, points.delay + points.times, points.values, left=0.0, right=0.0)
    values = np.stack([np.zeros_like(times) if points is None else at(points) for points in gradients])
    return [Points(times[0].item(), times - times[0], row) for row in matrix @ values]
