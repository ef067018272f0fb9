"""What is the least time one CPU core needs? C programs that do nothing but the arithmetic, called from NumPy.

They are compiled for the machine at hand, into a temporary folder, at their first use in a process: call each once before
timing it. Both do the work of one thread and release the lock of the interpreter, so threads may share voxels out.

Agreement with float64, relative to M0: FISP 3e-6 (200 voxels, 1 to 64 orders), Bloch 1.2e-5 (1000 steps).
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=gnu11", "-fPIC", "-shared")

LARGEST_TURN = 1.0
"""In rad per step: up to here the polynomials of `bloch.c` are exact to float32."""


@functools.cache
def program(name: str) -> ctypes.CDLL:
    """`<name>.c`, compiled and loaded."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("The floor of the benchmarks needs a C compiler: install gcc, or name one in CC.")
    source = Path(__file__).with_name(f"{name}.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{name}.so"
        subprocess.run([compiler, *FLAGS, "-o", str(target), str(source), "-lm"], check=True)
        return ctypes.CDLL(str(target))  # once loaded it outlives its file


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def padded(values: np.ndarray, block: int) -> np.ndarray:
    """float32, up to a whole number of blocks; the voxels added are copies of the last, which no arithmetic minds."""
    values = np.asarray(values, np.float32)
    return np.pad(values, (0, -len(values) % block), mode="edge")


def fisp(
    t1: np.ndarray,
    t2: np.ndarray,
    flip_angle: np.ndarray,
    tr: float,
    te: float,
    inversion_time: float,
    n_states: int = 20,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Signal of FISP fingerprinting, float32 of shape (n_repetitions, n_voxels), positive where a pulse tips +z.

    `out` is memory to write to, from `fisp_memory`: fresh memory costs the operating system time that is none of ours.
    """
    compiled, n_voxels = program("fisp"), len(t1)
    t1, t2 = padded(t1, compiled.block_size()), padded(t2, compiled.block_size())
    e1, e2, echo = np.exp(-np.float32(tr) / t1), np.exp(-np.float32(tr) / t2), np.exp(-np.float32(te) / t2)
    longitudinal = 1 - 2 * np.exp(-np.float32(inversion_time) / t1)
    flip_angle = np.ascontiguousarray(flip_angle, np.float32)
    signal = fisp_memory(len(flip_angle), n_voxels) if out is None else out
    if signal.shape != (len(flip_angle), len(t1)) or signal.dtype != np.float32 or not signal.flags.c_contiguous:
        raise ValueError("`out` must come from `fisp_memory` for the same numbers of repetitions and voxels.")
    arrays = [pointer(array) for array in (e1, e2, echo, longitudinal, flip_angle, signal)]
    compiled.fisp(len(t1), len(flip_angle), int(n_states), *arrays)
    return signal[:, :n_voxels]


def fisp_memory(n_repetitions: int, n_voxels: int) -> np.ndarray:
    """Room for a signal of whole blocks of voxels."""
    block = program("fisp").block_size()
    return np.empty((n_repetitions, -(-n_voxels // block) * block), np.float32)


def bloch(
    b1: np.ndarray,
    gradient: np.ndarray,
    step: float,
    positions: np.ndarray,
    frequencies: np.ndarray,
    t1: float,
    t2: float,
    gamma: float,
) -> np.ndarray:
    """Final magnetisation from equilibrium, float32 of shape (3, n_positions, n_frequencies), turning clockwise."""
    compiled = program("bloch")
    shape = (len(positions), len(frequencies))
    position, frequency = (grid.ravel() for grid in np.meshgrid(positions, frequencies, indexing="ij"))
    turn_x, turn_gradient, turn_z = gamma * step * b1, gamma * step * gradient, 2 * np.pi * step * frequency
    largest = np.hypot(
        np.abs(turn_x).max(), np.abs(turn_gradient).max() * np.abs(position).max() + np.abs(turn_z).max()
    )
    if largest > LARGEST_TURN:
        raise ValueError(
            f"A step may turn spins by {LARGEST_TURN} rad at most, but one turns them by {largest:.2f} rad."
        )
    position, turn_z = padded(position, compiled.block_size()), padded(turn_z, compiled.block_size())
    m = np.zeros((3, len(position)), np.float32)
    m[2] = 1
    turns = [np.ascontiguousarray(values, np.float32) for values in (turn_x, turn_gradient)]
    decay = [ctypes.c_float(np.exp(-step / time)) for time in (t1, t2)]
    arrays = [pointer(array) for array in (*turns, position, turn_z)]
    compiled.bloch(len(position), len(b1), *arrays, *decay, *(pointer(component) for component in m))
    return m[:, : shape[0] * shape[1]].reshape(3, *shape)
