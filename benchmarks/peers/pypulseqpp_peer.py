"""Does pypulseqpp agree with the k-space of the reference data, and so with what mrjax is tested against?

    <python with pypulseqpp==0.0.53> -m benchmarks.peers.pypulseqpp_peer ../shared/data/imaging epi moled slice_gre --parts 1 10

from the root of the repository. Prints one line of JSON for each file. pypulseqpp reads the Pulseq file and turns the spins
under RF; what lies between pulses is precession and relaxation in closed form, here, with areas of the gradients that it
gives. Release 0.0.53 turns spins without relaxation, which is played here half before and half after each of so many parts
of a pulse: that is where it differs from the reference, and the difference vanishes with the length of the parts.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pypulseqpp

RASTER = 1e-6
"""Steps in s of the RF under a gradient; without gradient all is constant within a sample."""


class Gradients:
    """What a file plays along x, y and z, in Hz/m, straight between points."""

    def __init__(self, sequence: Any):
        self.axes = [
            np.atleast_2d(axis) if np.size(axis) else np.zeros((2, 2)) for axis in sequence.waveforms_and_times()[0]
        ]
        self.areas = []
        for times, values in self.axes:
            pieces = (values[1:] + values[:-1]) / 2 * np.diff(times)
            self.areas.append(np.concatenate([[0.0], np.cumsum(pieces)]))

    def at(self, times: np.ndarray) -> np.ndarray:
        """`(3, n)`."""
        return np.stack([np.interp(times, *axis, left=0.0, right=0.0) for axis in self.axes])

    def until(self, time: float) -> np.ndarray:
        """Areas from the start of the file, `(3,)`."""
        found = []
        for (times, values), area in zip(self.axes, self.areas, strict=True):
            piece = np.clip(np.searchsorted(times, time, side="right") - 1, 0, times.size - 2)
            into = np.clip(time - times[piece], 0.0, times[piece + 1] - times[piece])
            length = times[piece + 1] - times[piece]
            slope = (values[piece + 1] - values[piece]) / length if length > 0 else 0.0
            found.append(area[piece] + (values[piece] + slope * into / 2) * into)
        return np.array(found)


class Spins:
    """Magnetisation `(n_spins, 3)` of the reference's spins, and how it moves."""

    def __init__(self, data: Any):
        self.data = data
        self.r = np.stack([np.broadcast_to(data[axis], data["x"].shape) for axis in "xyz"])
        self.m = np.zeros((data["x"].size, 3))
        self.m[:, 2] = 1.0

    def rest(self, duration: float) -> None:
        """Relax without precession."""
        e1, e2 = np.exp(-duration / self.data["t1"]), np.exp(-duration / self.data["t2"])
        self.m[:, :2] *= e2[:, None]
        self.m[:, 2] = 1 + (self.m[:, 2] - 1) * e1

    def wait(self, duration: float, area: np.ndarray) -> None:
        """Precess and relax."""
        angle = 2 * np.pi * (self.data["off_resonance"] * duration + area @ self.r)
        turned = (self.m[:, 0] + 1j * self.m[:, 1]) * np.exp(1j * angle)
        self.m[:, 0], self.m[:, 1] = turned.real, turned.imag
        self.rest(duration)

    def irradiate(self, b1: np.ndarray, gradient: np.ndarray, dt: float) -> None:
        """Turn under RF in Hz, relaxing half before and half after."""
        self.rest(b1.size * dt / 2)
        field = self.data["off_resonance"][:, None] + (self.r.T @ gradient if np.any(gradient) else 0.0)
        self.m = pypulseqpp.sim_bloch(self.data["b1"][:, None] * b1, field, dt, initial=self.m)
        self.rest(b1.size * dt / 2)

    def received(self, phase: float) -> np.ndarray:
        """By each coil."""
        return self.data["coils"] @ (self.data["pd"] * (self.m[:, 0] + 1j * self.m[:, 1])) * np.exp(-1j * phase)


def played(path: Path, data: Any, parts: int) -> np.ndarray:
    """The signal of a file, `(n_coils, n_samples)`, with pulses in so many parts."""
    sequence = pypulseqpp.Sequence()
    sequence.read(str(path))
    gradients, spins, samples, begin, now = Gradients(sequence), Spins(data), [], 0.0, 0.0

    def until(time: float, at: float) -> float:
        spins.wait(time - at, gradients.until(time) - gradients.until(at))
        return time

    for number in sorted(sequence.block_events):
        block = sequence.get_block(number)
        if (rf := getattr(block, "rf", None)) is not None:
            now = until(begin + rf.delay, now)
            n = round(rf.shape_dur / RASTER)
            middles = (np.arange(n) + 0.5) * RASTER
            offset = 2 * np.pi * rf.freq_offset * middles + rf.phase_offset
            b1 = np.interp(middles, rf.t, rf.signal) * np.exp(1j * offset)
            for part in np.array_split(np.arange(n), parts):
                spins.irradiate(b1[part], gradients.at(now + middles[part]), RASTER)
            now += n * RASTER
        if (adc := getattr(block, "adc", None)) is not None:
            for k in range(int(adc.num_samples)):
                into = (k + 0.5) * adc.dwell
                now = until(begin + adc.delay + into, now)
                samples.append(spins.received(adc.phase_offset + 2 * np.pi * adc.freq_offset * into))
        begin += block.block_duration
    return np.stack(samples, axis=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--parts", type=int, nargs="+", default=[10])
    arguments = parser.parse_args()
    for name in arguments.names:
        with np.load(arguments.folder / f"{name}.npz") as file:
            data = {key: file[key] for key in file.files}
        expected, errors = data["signal"], {}
        for parts in arguments.parts:
            found = played(arguments.folder / f"{name}.seq", data, parts)
            errors[parts] = float(np.abs(found - expected).max() / np.abs(expected).max())
        print(json.dumps({"pypulseqpp": version("pypulseqpp"), "file": name, "error by parts of a pulse": errors}))


if __name__ == "__main__":
    main()
