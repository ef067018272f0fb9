"""The error of playing each sample of RF as one rotation while gradients change, estimated before anything is computed."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StraightGradient:
    """A gradient along an axis, straight between points: times in s, values in T/m."""

    axis: int
    times: np.ndarray
    values: np.ndarray

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value and slope at times that are none of its points; zero outside of them."""
        piece = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        inside = (times > self.times[0]) & (times < self.times[-1])
        steps = np.diff(self.times)
        slopes = np.diff(self.values) / np.where(steps > 0, steps, np.inf)
        value = self.values[piece] + slopes[piece] * (times - self.times[piece])
        return np.where(inside, value, 0.0), np.where(inside, slopes[piece], 0.0)


@dataclass(frozen=True)
class Field:
    """Largest angular frequencies in rad/s."""

    turning: float
    """By RF."""
    mean_turning: float
    """By RF, on average over the pulse."""
    modulation: float
    r"""How fast RF changes: $2 \sum |\Delta w| / \sum |w|$ over samples, for each of them."""
    detuning: float
    """By off-resonance and the offset of the RF."""
    rate: float
    """Of relaxation, in 1/s."""
    per_gradient: np.ndarray
    """For 1 T/m along x, y and z."""
    per_gradient_and_second: np.ndarray
    """Likewise, for each second that spins move."""


def missed_by_rotations(
    first: float, dt: float, n_samples: int, lines: list[StraightGradient], field: Field
) -> np.ndarray:
    r"""The error of a pulse of samples of `dt`, as three terms that fall with the second, third and fourth order of `dt`.

    With $w$ the turning by RF, $d$ the detuning and $s$ its rate of change, all at most, and $t$ the duration of a step,
    one rotation about $\int \omega\,dt$ with the first term of Magnus misses $w s d^2 t^5 / 720 + w s^2 t^5 / 240$; where
    $d$ jumps by $j$ within a step, some $w j d\,t^3 / 50$; and with relaxation at the rate $r$ around it (Strang)
    $w r (w + d) t^3 / 12$. To detuned spins RF turns, so that a sum over terms with $d$ is at most the sum of its changes over
    $d$ (summation by parts), unless RF is modulated as fast.
    """
    if dt == 0:
        return np.zeros(3)
    edges, middles = _between_corners(first, dt, n_samples, lines)
    lasts = np.diff(edges)
    values, slopes = _by_axis(lines, middles)
    halves = np.abs(slopes) * lasts / 2
    weights, moving = field.per_gradient[:, None], field.per_gradient_and_second[:, None]
    highest = np.abs(values) + halves
    d = field.detuning + np.sum(weights * highest, axis=0)
    s = np.sum(weights * np.abs(slopes) + moving * highest, axis=0)
    ends, begins = values + slopes * lasts / 2, values - slopes * lasts / 2
    jumps = np.sum(weights * np.abs(begins[:, 1:] - ends[:, :-1]), axis=0) * _inside(edges[1:-1] - first, dt)
    w, r, coherent = field.turning, field.rate, np.minimum(d, field.modulation / dt + 2 / lasts)
    by_relaxation = np.sum(lasts * field.mean_turning * r * (w + r + coherent)) / 12 * dt**2
    by_jumps = np.sum(w * jumps * (w + np.maximum(d[1:], d[:-1]))) / 50 * dt**3
    by_ramps = np.sum(lasts * w * s * ((w**2 + d * coherent) / 720 + s / 240)) * dt**4
    return np.array([by_relaxation, by_jumps, by_ramps])


def _between_corners(
    first: float, dt: float, n_samples: int, lines: list[StraightGradient]
) -> tuple[np.ndarray, np.ndarray]:
    """The corners of gradients during a pulse, with its ends, and the middles between them."""
    last = first + dt * n_samples
    corners = [line.times[(line.times > first) & (line.times < last)] for line in lines]
    edges = np.unique(np.concatenate([[first, last], *corners]))
    return edges, (edges[1:] + edges[:-1]) / 2


def _by_axis(lines: list[StraightGradient], times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes along x, y and z."""
    values, slopes = np.zeros((3, len(times))), np.zeros((3, len(times)))
    for line in lines:
        value, slope = line.at(times)
        values[line.axis] += value
        slopes[line.axis] += slope
    return values, slopes


def _inside(times: np.ndarray, dt: float) -> np.ndarray:
    """Whether times from the start of a pulse lie inside its samples and not where two of them meet."""
    places = times / dt
    return np.abs(places - np.round(places)) > 1e-4
