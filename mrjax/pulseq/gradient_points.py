"""The gradients of a Pulseq file as points in time."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mrjax.pulseq.file import ArbitraryGradient, PulseqError, PulseqFile, Trapezoid
from mrjax.pulseq.shapes import MOST_RUNS

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


@dataclass(frozen=True)
class _End:
    """What a gradient says about its value at one end of its block, in Hz/m.

    **Arguments:**

    - `edge`: Where the file states it, or, if `is_open`, where a line through the two samples next to it leads; None where
      there is but one sample.
    - `sample`: The one next to it; the edge itself where that is stated.
    - `is_open`: Whether the file leaves the edge open.
    """

    edge: float | None
    sample: float
    is_open: bool


SILENCE = _End(0.0, 0.0, False)
"""Of a block without a gradient, or with one that begins later or has ended before."""


def edges_of(file: PulseqFile) -> list[tuple[tuple[float, float], ...]] | None:
    """First and last value in Hz/m of the gradients along each axis, block by block, where files do not say: before 1.5.

    An edge follows from the samples on both sides of it alone, so that no error grows from block to block. It is the value
    with which the neighbour begins or ends where that is known: zero where no gradient adjoins, since a gradient does not
    jump. Between two gradients that both leave it open, lines through the last two samples before it and the first two
    after it lead to two values: it is the one nearer to zero, zero where their signs differ, and no farther from zero than
    the samples next to it. None where nothing is to be found.
    """
    require_plausible(file)
    if all(event.first is not None or event.time_shape > 0 for event in file.gradients.values()):
        return None
    ends = {identifier: _ends(file, event) for identifier, event in file.gradients.items()}
    found = [[(0.0, 0.0)] * 3 for _ in file.blocks]
    for axis in range(3):
        # blocks of labels alone take no time: what is before them adjoins what follows
        lasting = [number for number, block in enumerate(file.blocks) if block.duration > 0 or block.gradients[axis]]
        ids = [file.blocks[number].gradients[axis] for number in lasting]
        starts = [ends[i][0] if i in ends else SILENCE for i in ids]
        stops = [
            ends[i][1] if i in ends and ends[i][2] > file.blocks[number].duration - JOINED else SILENCE
            for i, number in zip(ids, lasting, strict=True)
        ]
        joints = [_joint(*pair) for pair in zip([SILENCE, *stops], [*starts, SILENCE], strict=True)]
        for number, pair in zip(lasting, itertools.pairwise(joints), strict=True):
            found[number][axis] = pair
    return [tuple(edges) for edges in found]


def _ends(file: PulseqFile, event: ArbitraryGradient) -> tuple[_End, _End, float]:
    """The start and the end of a gradient, and when it ends in s from the start of its block."""
    samples = _samples(file, event)
    if event.first is None and event.time_shape <= 0:
        start, end = _open_end(samples[:2]), _open_end(samples[:-3:-1])
    else:
        first = samples[0].item() if event.first is None else event.first
        last = samples[-1].item() if event.last is None else event.last
        start, end = _End(first, first, False), _End(last, last, False)
    begins_later = event.delay > 0 or (event.time_shape > 0 and file.shapes[event.time_shape].values[0] > 0)
    return SILENCE if begins_later else start, end, _duration(file, event)


def _open_end(samples: Float[np.ndarray, " n"]) -> _End:
    """Of a gradient with these samples, the one next to the edge first, half a raster from it."""
    nearest, second = samples[0].item(), samples[-1].item()
    return _End(nearest + (nearest - second) / 2 if samples.size > 1 else None, nearest, True)


def _joint(before: _End, after: _End) -> float:
    """The value in Hz/m at the edge between two blocks, if one of them leaves it open."""
    if before.is_open and after.is_open:
        # a single sample says nothing of the slope: the line is that to the sample of the neighbour
        middle = (before.sample + after.sample) / 2
        one, other = (middle if end.edge is None else end.edge for end in (before, after))
        nearer = 0.0 if one * other <= 0 else min(one, other, key=abs)
        reach = (0.0, before.sample, after.sample)
        return min(max(nearer, min(reach)), max(reach))
    if before.is_open:
        return after.sample
    return before.sample if after.is_open else 0.0


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
