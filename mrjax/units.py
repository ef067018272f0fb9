"""SI units as plain numbers, and the gyromagnetic ratios of the nuclei.

Every function of the package takes and returns SI values, so a number with a unit is a product, and a value
is read in a unit by dividing: `12 * ms`, `30 * deg`, `1 * um**2 / ms`, `1000 * s / mm**2`, `t2 / ms`.

!!! example

    ```python
    >>> from mrjax.units import GAMMA_BAR, MHz, T, deg, ms
    >>> echo_time, flip_angle = 12 * ms, 30 * deg
    >>> print(f"{echo_time:.3f} s, {flip_angle:.4f} rad")
    0.012 s, 0.5236 rad
    >>> print(f"{GAMMA_BAR['1H'] * 3 * T / MHz:.3f} MHz")
    127.732 MHz

    ```
"""

import math
from types import MappingProxyType

# Time in s
s = 1.0
ms = 1e-3
us = 1e-6
ns = 1e-9
minute = 60.0

# Length in m
m = 1.0
cm = 1e-2
mm = 1e-3
um = 1e-6

# Magnetic flux density in T; gradients are `mT / m`, slew rates `T / m / s`
T = 1.0
mT = 1e-3
uT = 1e-6
gauss = 1e-4

# Frequency in Hz (cycles per second, never rad/s)
Hz = 1.0
kHz = 1e3
MHz = 1e6

# Angle in rad
rad = 1.0
deg = math.pi / 180

# Pure numbers
ppm = 1e-6
percent = 1e-2

# How the two tables relate. GAMMA is of the bare nucleus, XI is measured on a reference sample, whose
# electrons shield the nucleus by sigma: XI = |GAMMA / GAMMA["1H"]| (1 - sigma) / (1 - sigma_TMS). The ratio
# of the tables, |GAMMA / GAMMA["1H"]| / XI - 1, is therefore a difference of shieldings, plus the error of
# the shielding with which the tabulated moment was corrected. It is 0 for 2H and, in ppm, 23 (3He), 74 (7Li),
# 213 (13C), 298 (15N), 367 (19F), 393 (17O), 619 (23Na), 914 (31P), 1364 (39K), 1648 (129Xe). The second part
# is not small: later moments (N. J. Stone, IAEA report INDC(NDS)-0794, 2019) put 19F at 25.176248e7, 207 ppm
# lower. So trust XI to its last digit, and GAMMA of the heavier nuclei to about 1e-3.

GAMMA = MappingProxyType(
    {
        "1H": 2.6752218708e8,
        "2H": 4.10662791e7,
        "3He": -20.3801587e7,
        "7Li": 10.3977013e7,
        "13C": 6.728284e7,
        "15N": -2.71261804e7,
        "17O": -3.62808e7,
        "19F": 25.18148e7,
        "23Na": 7.0808493e7,
        "31P": 10.8394e7,
        "39K": 1.2500608e7,
        "129Xe": -7.452103e7,
    }
)
r"""Gyromagnetic ratios in rad/s/T, by nucleus, with their signs: `GAMMA["13C"]`.

They are those of the bare nucleus. In matter the electrons shield it, so a Larmor frequency computed as
`GAMMA_BAR[nucleus] * b0` is too high: by 26 ppm for protons in water, by about 1 ‰ for 31P and 7 ‰ for 129Xe
in the gas (11.777 MHz/T). Where the frequency itself matters, scale the measured proton frequency with `XI`
instead. Flip angles and gradients are known less well than that.

**Source:** 1H: CODATA 2022, the free proton, 2.675 221 8708(11)e8. (CODATA 2018, in use in many simulators,
has 2.675 221 8744e8, larger by 1.3e-9.) All others: R. K. Harris et al., NMR nomenclature (IUPAC
Recommendations 2001), Pure Appl. Chem. 73 (2001) 1795-1818, column "magnetogyric ratio" of the tables of
spin-1/2 and of quadrupolar nuclei.
"""

GAMMA_BAR = MappingProxyType({nucleus: gamma / (2 * math.pi) for nucleus, gamma in GAMMA.items()})
r"""`GAMMA` over 2 pi, in Hz/T, by nucleus, with its sign: 42.577478461e6 for `"1H"`."""

XI = MappingProxyType(
    {
        "1H": 100.0 * percent,
        "2H": 15.350609 * percent,
        "3He": 76.179437 * percent,
        "7Li": 38.863797 * percent,
        "13C": 25.145020 * percent,
        "15N": 10.136767 * percent,
        "17O": 13.556457 * percent,
        "19F": 94.094011 * percent,
        "23Na": 26.451900 * percent,
        "31P": 40.480742 * percent,
        "39K": 4.666373 * percent,
        "129Xe": 27.810186 * percent,
    }
)
r"""Frequency ratios $\Xi$: resonance of the reference sample of each nucleus over that of the protons of TMS.

Both are in the same field; the ratios are numbers between 0 and 1, always positive.

`XI["31P"] * f_tms` is the frequency of phosphoric acid, 0 ppm of the 31P scale, on the magnet where TMS is at
`f_tms`. (Water is about 4.7 ppm above TMS.) The 129Xe sample is liquid XeOF4; the gas lies some 5300 ppm
lower.

**Source:** as the second of `GAMMA`, column "frequency ratio".
"""
