"""Trajectories of sequences by sums over the straight pieces of their gradients, in NumPy alone."""

from dataclasses import dataclass

import numpy as np

import mrjax as mr
from mrjax.sequence.hardware.event_times import event_times
from mrjax.units import GAMMA_BAR

TURNS = {"excitation": 0.0, "refocusing": -1.0}


@dataclass(frozen=True)
class Played:
    """When pulses act, when samples are taken, and where in k-space, in s and cycles/m."""

    pulses: np.ndarray
    samples: np.ndarray
    k: np.ndarray
    wound: np.ndarray
    """From the start until each pulse, whatever the pulses before did, `(n_pulses, 3)`."""

    @property
    def since_excitation(self) -> np.ndarray:
        """Of samples after the last pulse before them, in s; for sequences without refocusing."""
        return self.samples - self.pulses[np.searchsorted(self.pulses, self.samples) - 1]


def played(sequence) -> Played:
    """All of a sequence."""
    pulses, samples = [], []
    pieces = {axis: [np.zeros((0, 4))] for axis in "xyz"}
    for one in event_times(sequence):
        for part in one.parts:
            start = np.broadcast_to(one.start + part.start, one.start.shape).ravel()
            match part.event:
                case mr.Gradient():
                    points = (
                        np.broadcast_to(values, (*one.start.shape, values.shape[-1])).reshape(start.size, -1)
                        for values in (part.event.times, part.event.waveform)
                    )
                    times, values = points
                    times = times + start[:, None]
                    rows = (times[:, :-1], times[:, 1:], values[:, :-1], values[:, 1:])
                    pieces[part.event.axis].append(np.stack([row.ravel() for row in rows], axis=-1))
                case mr.Readout():
                    samples.append((start[:, None] + part.event.sample_offsets().reshape(-1, part.event.n)).ravel())
                case mr.sequence.AbstractRF():
                    turn = TURNS.get(part.event.use, 1.0)
                    pulses += [(time + part.event.duration / 2, turn) for time in start]
    pulses.sort()
    samples = np.sort(np.concatenate([*samples, np.zeros(0)]))
    moments = np.array([time for time, _ in pulses])
    until = [area_until(np.concatenate(pieces[axis])) for axis in "xyz"]
    at = lambda times: -GAMMA_BAR["1H"] * np.stack([area(times) for area in until], axis=-1)
    return Played(moments, samples, _k(at, moments, [turn for _, turn in pulses], samples), at(moments))


def area_until(pieces):
    """The integral of straight pieces, `(n, 4)` of start, end and the values there, as a function of time."""
    begin, end, low, high = pieces[np.lexsort((pieces[:, 1], pieces[:, 0]))].T if len(pieces) else np.zeros((4, 1))
    before = np.concatenate([[0.0], np.cumsum((low + high) / 2 * (end - begin))])

    def area(times):
        piece = np.clip(np.searchsorted(begin, times, side="right") - 1, 0, begin.size - 1)
        length = end[piece] - begin[piece]
        into = np.clip(times - begin[piece], 0.0, length)
        slope = (high[piece] - low[piece]) / np.where(length > 0, length, 1.0)
        return np.where(times < begin[0], 0.0, before[piece] + (low[piece] + slope * into / 2) * into)

    return area


def _k(at, pulses, turns, samples):
    offsets, wound, k = at(pulses), np.zeros(3), []
    for i, turn in enumerate(turns):
        if i:
            wound = wound + offsets[i] - offsets[i - 1]
        wound = turn * wound
        k.append(wound)
    last = np.searchsorted(pulses, samples, side="right") - 1
    return at(samples) - offsets[last] + np.array(k)[last]
