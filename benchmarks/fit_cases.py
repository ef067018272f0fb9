"""A fit of every signal model: its settings, the voxels that it is tried on, and how many."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mrjax.inverse import diffusion, least_squares
from mrjax.signals import models
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS
from mrjax.signals.perfusion import ArterialInput, parker_input

Range = tuple[float, float]

TI = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
B_VALUES = 1e6 * np.array([0.0, 10, 20, 40, 60, 100, 150, 200, 400, 600, 800, 1000])
KNOTS = np.arange(0.0, 301.0, 5.0)
PLASMA = ArterialInput(KNOTS, np.asarray(parker_input(KNOTS)) / 0.58)
TIMES = np.arange(0.0, 300.0, 5.0)
Z, AZIMUTH = (np.arange(50) + 0.5) / 50, 2.399963 * np.arange(50)
DIRECTIONS = np.stack([np.sqrt(1 - Z**2) * np.cos(AZIMUTH), np.sqrt(1 - Z**2) * np.sin(AZIMUTH), Z], axis=-1)
"""Even over half a sphere."""
MP2RAGE = ([0.7, 2.5], np.radians([4.0, 5.0]), (80, 80), 7e-3, 5.0)
T1, T2, M0 = {"t1": (0.5, 2.0)}, {"t2": (0.03, 0.2)}, {"m0": (0.5, 1.0)}
COMPLEX_M0 = {"m0_real": (0.5, 1.0), "m0_imaginary": (-0.5, 0.5)}
TENSOR = {name: (0.5e-9, 1.5e-9) if name[-1] == name[-2] else (-1e-10, 1e-10) for name in TENSOR_ELEMENTS}
KURTOSIS = {name: (0.2, 0.3) if name in ("w_xxyy", "w_xxzz", "w_yyzz") else (0.0, 0.0) for name in KURTOSIS_ELEMENTS}
KURTOSIS |= dict.fromkeys(("w_xxxx", "w_yyyy", "w_zzzz"), (0.6, 0.9))


class Case(NamedTuple):
    """A fit to be timed."""

    title: str
    model: models.SignalModel
    voxels: Mapping[str, Range]
    """From which parameters are drawn, evenly."""
    n_voxels: int
    goal: float | None = None
    """Voxels per CPU second."""
    fit: Callable[..., Any] = least_squares
    signal_to_noise: float = 50.0
    """Of the largest signal: more where fits need it."""


def weighted(model: Any, data: Any, noise_std: float) -> Any:
    """Of tensors, which needs no noise."""
    return diffusion.weighted_fit(model, data)


CASES = {
    "vfa": Case(
        "4 flip angles", models.VariableFlipAngle(np.radians([3.0, 6, 12, 20]), 5e-3), T1 | M0, 400_000, goal=200e3
    ),
    "ir": Case("6 times", models.InversionRecovery(TI, 6.0), T1 | M0 | {"inversion_efficiency": (0.9, 1.0)}, 50_000),
    "look-locker": Case(
        "12 readouts",
        models.LookLocker(np.linspace(0.1, 3.5, 12)),
        {"t1": (0.9, 1.5), "t1star": (0.5, 0.8), "steady_state": (0.3, 0.6)},
        50_000,
    ),
    "mp2rage": Case("uniform image", models.MP2RAGE(*MP2RAGE), T1, 100_000),
    "mp2rage signals": Case("two images", models.MP2RAGE(*MP2RAGE, data="signed"), T1 | M0, 50_000),
    "t2": Case("32 echoes", models.Decay(np.arange(1, 33) * 0.01), T2 | M0, 200_000, goal=115e3),
    "epg t2": Case(
        "32 echoes, T2 and B1",
        models.StimulatedEchoes(32, 0.01),
        T2 | M0 | {"b1": (0.7, 0.95)},
        20_000,
        goal=3e3,
    ),
    "t2star field": Case(
        "8 complex echoes",
        models.T2StarWithField(np.linspace(2e-3, 30e-3, 8)),
        {"t2star": (0.01, 0.06), "off_resonance": (-60.0, 60.0)} | COMPLEX_M0,
        50_000,
    ),
    "t1rho": Case("6 times", models.SpinLock(np.linspace(1e-3, 0.08, 6)), {"t1rho": (0.04, 0.12)} | M0, 100_000),
    "bi-exponential": Case(
        "32 echoes",
        models.BiExponential(np.arange(1, 33) * 0.01),
        {"t2_short": (0.015, 0.03), "t2_long": (0.07, 0.12), "short_fraction": (0.1, 0.3)} | M0,
        20_000,
        signal_to_noise=1000.0,
    ),
    "multi-exponential": Case(
        "3 pools, 64 echoes",
        models.MultiExponential(np.arange(1, 65) * 8e-3, [(5e-3, 0.04), (0.04, 0.2), (0.2, 2.0)]),
        {"t2_1": (0.01, 0.02), "t2_2": (0.07, 0.1), "t2_3": (0.4, 0.8)}
        | {"m0_1": (0.1, 0.2), "m0_2": (0.5, 0.8), "m0_3": (0.1, 0.2)},
        5_000,
        signal_to_noise=1000.0,
    ),
    "myelin water": Case(
        "3 pools, 48 complex echoes",
        models.ThreePoolMyelinWater(1.5e-3 + 1e-3 * np.arange(48)),
        {"myelin_fraction": (0.1, 0.2), "axonal_share": (0.6, 0.7), "myelin_t2star": (0.008, 0.012)}
        | {"axonal_t2star": (0.06, 0.07), "extracellular_t2star": (0.03, 0.04), "myelin_frequency": (8.0, 13.0)}
        | {"axonal_frequency": (-6.0, -3.0), "off_resonance": (-5.0, 5.0)}
        | COMPLEX_M0,
        1_000,
        signal_to_noise=10_000.0,
    ),
    "magnetization transfer": Case(
        "12 offsets and powers",
        models.MagnetizationTransfer(np.tile([1e3, 2e3, 5e3, 1e4, 2e4, 5e4], 2), np.repeat([2e-6, 7e-6], 6), 1.1),
        {"pool_fraction": (0.08, 0.15), "exchange_rate": (20.0, 40.0), "pool_t2": (9e-6, 12e-6), "t2": (0.03, 0.06)}
        | M0,
        5_000,
    ),
    "adc": Case(
        "12 b-values", models.ApparentDiffusion(B_VALUES), {"diffusion": (0.5e-9, 2e-9), "s0": (0.5, 1.0)}, 100_000
    ),
    "ivim": Case(
        "12 b-values",
        models.IntravoxelIncoherentMotion(B_VALUES),
        {"diffusion": (0.8e-9, 1.4e-9), "perfusion_fraction": (0.1, 0.3), "pseudo_diffusion": (1.5e-8, 4e-8)}
        | {"s0": (0.5, 1.0)},
        10_000,
    ),
    "tensor": Case(
        "50 directions, weighted",
        models.DiffusionTensor(1e9 * np.r_[0.0, np.ones(50)], np.r_[np.zeros((1, 3)), DIRECTIONS]),
        {"s0": (0.5, 1.0)} | TENSOR,
        50_000,
        fit=weighted,
    ),
    "kurtosis": Case(
        "2 shells of 50 directions, weighted",
        models.DiffusionKurtosis(
            1e9 * np.r_[0.0, np.ones(50), 2 * np.ones(50)], np.r_[np.zeros((1, 3)), DIRECTIONS, DIRECTIONS]
        ),
        {"s0": (0.5, 1.0)} | TENSOR | KURTOSIS,
        10_000,
        fit=weighted,
    ),
    "tofts": Case("60 times", models.Tofts(TIMES, PLASMA), {"ktrans": (1e-3, 5e-3), "ve": (0.2, 0.5)}, 10_000),
    "extended tofts": Case(
        "60 times",
        models.ExtendedTofts(TIMES, PLASMA),
        {"ktrans": (1e-3, 5e-3), "ve": (0.2, 0.5), "vp": (0.02, 0.1)},
        10_000,
    ),
    "two-compartment exchange": Case(
        "60 times",
        models.TwoCompartmentExchange(TIMES, PLASMA),
        {"plasma_flow": (5e-3, 1e-2), "permeability_surface": (1e-3, 3e-3), "ve": (0.15, 0.3), "vp": (0.04, 0.1)},
        2_000,
    ),
    "asl": Case(
        "9 delays",
        models.ArterialSpinLabelling(1.8 + np.linspace(0.2, 2.5, 9), 1.8),
        {"cbf": (5e-3, 0.015), "arrival_time": (0.5, 1.3)},
        20_000,
    ),
    "pulsed magnetization transfer": Case(
        "12 offsets and angles",
        models.PulsedMagnetizationTransfer(
            np.tile([500.0, 1e3, 3e3, 1e4, 2e4, 5e4], 2),
            np.radians(np.repeat([142.0, 600.0], 6)),
            np.exp(-0.5 * np.linspace(-3, 3, 24) ** 2),
            0.01,
            0.03,
            np.radians(7.0),
            1.1,
        ),
        {"pool_fraction": (0.08, 0.15), "exchange_rate": (20.0, 40.0), "pool_t2": (9e-6, 12e-6), "t2": (0.015, 0.03)}
        | M0,
        1_000,
        signal_to_noise=1000.0,
    ),
    "neurites": Case(
        "2 shells of 50 directions",
        models.DispersedNeurites(
            1e9 * np.r_[0.0, 0.7 * np.ones(50), 2 * np.ones(50)], np.r_[np.zeros((1, 3)), DIRECTIONS, DIRECTIONS]
        ),
        {"s0": (0.5, 1.0), "neurite_density": (0.5, 0.7), "dispersion": (0.1, 0.2), "free_water": (0.05, 0.15)}
        | {"polar": (0.5, 1.5), "azimuth": (0.3, 1.0)},
        1_000,
    ),
    "damped exponentials": Case(
        "2 lines, 96 samples",
        models.DampedExponentials(1e-3 * np.arange(96), [(-60.0, -35.0), (10.0, 30.0)]),
        {"frequency_1": (-50.0, -45.0), "frequency_2": (17.0, 22.0), "t2star_1": (0.04, 0.06), "t2star_2": (0.06, 0.1)}
        | {
            "m0_real_1": (0.5, 1.0),
            "m0_imaginary_1": (-0.5, 0.5),
            "m0_real_2": (0.5, 1.0),
            "m0_imaginary_2": (-0.5, 0.5),
        },
        2_000,
    ),
}
