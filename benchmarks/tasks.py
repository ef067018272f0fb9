"""Which inputs does every contestant of the benchmark get?

Plain NumPy, so that any environment can import it. SI units and radians; every draw has a fixed seed, and the first
voxels of a large task are not those of a small one.
"""

import numpy as np

GAMMA = 2 * np.pi * 42.577478518e6
"""Gyromagnetic ratio of the proton in rad/s/T."""

SEED = 20240917


def relaxation_times(rng: np.random.Generator, n_voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """T1 and T2 in s, log-uniform over 0.1-4 s and 0.01-1 s, with T2 cut off at T1."""
    t1 = np.exp(rng.uniform(np.log(0.1), np.log(4.0), n_voxels))
    t2 = np.exp(rng.uniform(np.log(0.01), np.log(1.0), n_voxels))
    return t1.astype(np.float32), np.minimum(t1, t2).astype(np.float32)


def fisp(n_atoms: int, n_repetitions: int = 1000) -> dict[str, np.ndarray | float]:
    """FISP fingerprinting: an ideal inversion, then one pulse, one sample and one cycle of dephasing per repetition."""
    t1, t2 = relaxation_times(np.random.default_rng(SEED), n_atoms)
    degrees = 5 + 65 * np.abs(np.sin(np.arange(n_repetitions) / 100))
    return {
        "t1": t1,
        "t2": t2,
        "flip_angle": np.deg2rad(degrees).astype(np.float32),
        "tr": 12e-3,
        "te": 6e-3,
        "inversion_time": 20e-3,
    }


def fisp_target(n_atoms: int, n_repetitions: int = 1000) -> np.ndarray:
    """Real numbers, (n_atoms, n_repetitions), that the loss of `fisp_gradient` compares the signal with.

    The loss is the mean of |signal - target|^2 where pulses of phase 0 give real signals of positive sign from +z. Where
    they give -i (M turns from +z to -y), the same loss has -1j * target.
    """
    rng = np.random.default_rng(SEED + 1)
    return rng.uniform(-0.2, 0.2, (n_atoms, n_repetitions)).astype(np.float32)


def cpmg(n_voxels: int, n_echoes: int = 32) -> dict[str, np.ndarray | float]:
    """A Carr-Purcell-Meiboom-Gill train from equilibrium; `b1` scales the excitation and the refocusing pulses."""
    rng = np.random.default_rng(SEED + 2)
    t1, t2 = relaxation_times(rng, n_voxels)
    return {
        "t1": t1,
        "t2": t2,
        "b1": rng.uniform(0.7, 1.3, n_voxels).astype(np.float32),
        "excitation_angle": np.pi / 2,
        "refocusing_angle": np.full(n_echoes, np.pi, np.float32),
        "echo_spacing": 10e-3,
    }


def hann_sinc(n_steps: int, step: float, time_bandwidth: float = 8.0) -> np.ndarray:
    """A sinc under a Hann window, in T, that turns the spins in the middle of its band by 90 degrees."""
    t = (np.arange(n_steps) + 0.5) / n_steps - 0.5  # in units of the pulse, symmetric about its middle
    shape = np.sinc(time_bandwidth * t) * np.cos(np.pi * t) ** 2
    return shape * (np.pi / 2) / (GAMMA * step * shape.sum())


def bloch(n_positions: int = 1000, n_frequencies: int = 100, n_steps: int = 1000) -> dict[str, np.ndarray | float]:
    """A slice-selective pulse in steps of constant field, played to every position at every off-resonance.

    `b1` lies along x and is real; there is no rephaser after the pulse.
    """
    step = 4e-6
    return {
        "b1": hann_sinc(n_steps, step),  # T
        "gradient": np.full(n_steps, 10e-3),  # T/m
        "step": step,  # s
        "positions": np.linspace(-10e-3, 10e-3, n_positions),  # m
        "frequencies": np.linspace(-200.0, 200.0, n_frequencies),  # Hz
        "t1": 1.0,
        "t2": 0.08,
    }
