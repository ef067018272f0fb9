"""How well and how fast do the classical inversions of the dipole find the susceptibility of a brain whose truth is known?

    python -m benchmarks.qsm_classical DATA

from the root of the repository, where DATA is `qsm_phantom/brain_2mm.npz` of the reference data. Prints tables in Markdown:
without noise and along the third axis, and with noise of SNR 100 and the head tilted. Strengths are the best of three.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.encoding import Dipole
from mrjax.inverse import qsm

DEEP_GREY_MATTER = (1, 2, 3, 4, 5, 6)
TILTED = (0.3, 0.2, 0.93)
PHASE_PER_PPM = 16.05  # 3 T and 20 ms, in rad
SNR = 100.0  # of the brightest tissue


class Case(NamedTuple):
    """A field and what is known about it, and the truth."""

    name: str
    field: jax.Array
    direction: tuple[float, ...]
    truth: np.ndarray
    mask: np.ndarray
    magnitude: np.ndarray
    weights: np.ndarray | None
    labels: np.ndarray

    def dipole(self, padding: float = 1) -> Dipole:
        return Dipole(self.truth.shape, np.float32(2e-3), np.array(self.direction, np.float32), padding=padding)


def cases(path: Path) -> list[Case]:
    """Without noise, in the direction of the file; and with noise and a tilt. Both fields are made with padding."""
    phantom = np.load(path)
    truth, mask, labels = phantom["chi_ppm"].astype(np.float32), phantom["mask"], phantom["seg"].astype(int)
    magnitude = phantom["magnitude"].astype(np.float32)
    magnitude /= np.percentile(magnitude[mask], 99)
    clean = jnp.asarray(phantom["field_ppm"] * mask)
    tilted = Dipole(truth.shape, np.float32(2e-3), np.array(TILTED, np.float32), padding=2)(jnp.asarray(truth))
    deviation = 1 / (SNR * PHASE_PER_PPM * np.maximum(magnitude, 0.05))
    noise = np.random.default_rng(0).normal(size=truth.shape) * deviation
    noisy = jnp.asarray(((tilted + noise) * mask).astype(np.float32))
    name = f"noise of {1e3 * np.std(noise[mask]):.2f} ppb, tilted"
    return [
        Case("no noise", clean, tuple(phantom["b0_dir"]), truth, mask, magnitude, None, labels),
        Case(name, noisy, TILTED, truth, mask, magnitude, magnitude**2, labels),
    ]


def methods() -> dict[str, tuple[Callable[[Case, float], object], tuple[float, ...]]]:
    """By name: a function of the case and a strength, and the strengths to try."""
    strengths = (1e-5, 5e-5, 1e-4)

    def tv(padding: float = 1) -> Callable[[Case, float], object]:
        return lambda case, strength: qsm.tv(
            case.field, case.dipole(padding), case.mask, strength=strength, weights=case.weights
        )

    def ndi(case: Case, iterations: float) -> object:
        phase = PHASE_PER_PPM * case.field
        return qsm.ndi(
            phase, case.dipole(), case.mask, PHASE_PER_PPM, weights=case.weights, n_iterations=int(iterations)
        )

    def medi(case: Case, strength: float) -> object:
        weights = np.ones_like(case.truth) if case.weights is None else case.weights
        return qsm.medi(case.field, case.dipole(), case.mask, case.magnitude, strength=strength, weights=weights)

    return {
        "TKD, threshold": (lambda case, t: qsm.tkd(case.field, case.dipole(), t), (0.1, 0.15, 0.2)),
        "Tikhonov, identity": (
            lambda case, s: qsm.tikhonov(case.field, case.dipole(), s, "identity"),
            (1e-3, 3e-3, 1e-2),
        ),
        "Tikhonov, gradient": (lambda case, s: qsm.tikhonov(case.field, case.dipole(), s), (1e-3, 3e-3, 1e-2)),
        "NDI, iterations": (ndi, (30, 100, 200)),
        "TV, NumPy, no mask, 50 iterations": (numpy_tv, (3e-5, 1e-4, 3e-4)),
        "MEDI": (medi, strengths),
        "TV": (tv(), strengths),
        "TV, padded 1.25 times": (tv(1.25), strengths),
    }


def numpy_tv(case: Case, strength: float) -> np.ndarray:
    """Total variation as it is often written: of data everywhere, zero outside of the mask, by ADMM with one split."""
    transfer = np.asarray(case.dipole().transfer)
    waves = [2j * np.sin(np.pi * np.fft.fftfreq(n)) * np.exp(1j * np.pi * np.fft.fftfreq(n)) for n in case.truth.shape]
    waves[2] = waves[2][: transfer.shape[2]]
    waves = np.meshgrid(*waves, indexing="ij")
    penalty = 100 * strength
    divisor = transfer**2 + penalty * sum(np.abs(wave) ** 2 for wave in waves)
    divisor[divisor == 0] = 1
    start = transfer * np.fft.rfftn(np.asarray(case.field))
    spectrum = start
    split, multiplier = np.zeros((2, 3, *case.truth.shape), np.float32)
    for _ in range(50):
        right = start + penalty * sum(
            np.conj(wave) * np.fft.rfftn(part) for wave, part in zip(waves, split - multiplier, strict=True)
        )
        spectrum = right / divisor
        slopes = np.stack([np.fft.irfftn(wave * spectrum, case.truth.shape, axes=(0, 1, 2)) for wave in waves])
        both = slopes + multiplier
        size = np.sqrt((both**2).sum(0))
        split = both * np.maximum(1 - strength / penalty / np.maximum(size, 1e-20), 0)
        multiplier = both - split
    return np.fft.irfftn(spectrum, case.truth.shape, axes=(0, 1, 2)).astype(np.float32)


def timed(make: Callable[[], object]) -> tuple[np.ndarray, float, float]:
    """The map, the time of the first call, and of the next."""
    times, found = [], None
    for _ in range(2):
        start = time.perf_counter()
        found = jax.block_until_ready(make())
        times.append(time.perf_counter() - start)
    return np.asarray(found), times[0], times[1]


def row(case: Case, name: str, make: Callable[[Case, float], object], strengths: tuple[float, ...]) -> str:
    """Scores with the best strength, after a first call that compiles."""
    best = None
    for strength in strengths:
        found, first, then = timed(lambda strength=strength: make(case, strength))
        mean = found[case.mask].mean() - case.truth[case.mask].mean()
        found = np.where(case.mask, found - mean, 0.0)
        error = float(qsm.nrmse(found, case.truth, case.mask))
        compiling = first if best is None else best[3]
        if best is None or error < best[0]:
            best = (error, strength, found, compiling, then)
    assert best is not None
    error, strength, found, first, then = best
    hfen, xsim = (float(score(found, case.truth, case.mask)) for score in (qsm.hfen, qsm.xsim))
    slope = float(qsm.slope(found, case.truth, case.labels, DEEP_GREY_MATTER))
    return f"| {name} | {strength:g} | {error:.1f} | {hfen:.1f} | {xsim:.3f} | {slope:.3f} | {first:.2f} | {then:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    for case in cases(parser.parse_args().data):
        print(f"\n{case.name}\n")
        print("| method | strength | NRMSE % | HFEN % | XSIM | slope, deep grey matter | first call, s | next, s |")
        print("|---|---|---|---|---|---|---|---|")
        for name, (make, strengths) in methods().items():
            print(row(case, name, make, strengths), flush=True)


if __name__ == "__main__":
    main()
