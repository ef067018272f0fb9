"""Experiments of published schedules: their fields, pools, and ranges of tissues."""

from mrjax.lineshapes import SuperLorentzian
from mrjax.zoo.saturation_transfer.experiment import PoolExperiment, Shown

MILLIMOLAR = 3 / 110e3
"""Fraction of the protons of L-arginine, three a molecule, for each mmol/l, in 110 mol/l of water protons."""


def l_arginine(noise_std: float) -> PoolExperiment:
    """Phantoms of L-arginine at 9.4 T, with the ranges of the published dictionary of CEST fingerprinting.

    **Arguments:**

    - `noise_std`: Relative to the equilibrium.

    **Returns:** the `PoolExperiment`: 10 to 120 mM, 100 to 1400 /s at 3 ppm, T1 2.5 to 3.3 s, T2 0.6 to 1.2 s.

    **Source:** O. Cohen, S. Huang, M. T. McMahon, M. S. Rosen, C. T. Farrar, Magn Reson Med 80 (2018) 2449-2463; grid of
    github.com/operlman/cest-mrf.

    !!! example

        ```python
        >>> from mrjax.zoo.saturation_transfer import l_arginine
        >>> l_arginine(noise_std=2e-3).estimated
        ('fraction', 'exchange_rate')

        ```
    """
    limits = {"t1": (2.5, 3.3), "t2": (0.6, 1.2), "exchange_rate": (100.0, 1400.0)}
    return PoolExperiment(
        b0=9.4,
        limits=limits | {"fraction": (10 * MILLIMOLAR, 120 * MILLIMOLAR)},
        known={"pool_t1": 2.8, "pool_t2": 0.04, "shift_ppm": 3.0},
        estimated=("fraction", "exchange_rate"),
        noise_std=noise_std,
        shown={
            "fraction": Shown("concentration", "mM", MILLIMOLAR),
            "exchange_rate": Shown("exchange rate", "1/s", 1.0),
        },
    )


def semisolid_brain(noise_std: float) -> PoolExperiment:
    """White and grey matter at 3 T far from the water, with the ranges of the published fingerprinting of semisolid protons.

    T2 of the water is known, as it is there, where it follows from T1; what it adds to the saturation at 8 ppm and 1.9 uT is
    a tenth of the relaxation.

    **Arguments:**

    - `noise_std`: Relative to the equilibrium.

    **Returns:** the `PoolExperiment`: fractions 0.02 to 0.17, 5 to 100 /s, T2 of the semisolid protons 1 to 100 us, T1 of
    the water 0.2 to 3 s.

    **Source:** B. Kang et al. (2022), code: github.com/Heo-Group/LOAS-MRF.

    !!! example

        ```python
        >>> from mrjax.zoo.saturation_transfer import semisolid_brain
        >>> semisolid_brain(noise_std=5e-3).estimated
        ('exchange_rate', 'fraction', 'pool_t2', 't1')

        ```
    """
    limits = {"exchange_rate": (5.0, 100.0), "fraction": (0.02, 0.17), "pool_t2": (1e-6, 1e-4), "t1": (0.2, 3.0)}
    return PoolExperiment(
        b0=3.0,
        limits=limits,
        known={"t2": 0.06, "pool_t1": 1.0, "shift_ppm": 0.0},
        estimated=tuple(limits),
        noise_std=noise_std,
        lineshape=SuperLorentzian(),
        shown={
            "exchange_rate": Shown("exchange rate", "1/s", 1.0),
            "fraction": Shown("fraction", "%", 1e-2),
            "pool_t2": Shown("T2 of the pool", "us", 1e-6),
            "t1": Shown("T1 of the water", "ms", 1e-3),
        },
    )


SEMISOLID_BOUNDS = {
    "b1": (0.9e-6, 1.9e-6),
    "offset_ppm": (8.0, 50.0),
    "saturation_time": (0.4, 2.0),
    "recovery": (3.5, 4.5),
}
"""Of published schedules for semisolid protons, in T, ppm and s (code: github.com/Heo-Group/LOAS-MRF)."""
