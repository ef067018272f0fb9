"""Units are plain numbers; gyromagnetic ratios agree with other constants and with frequency ratios."""

import doctest
import math
from types import MappingProxyType

import pytest
import scipy.constants

from mrjax import units
from mrjax.units import GAMMA, GAMMA_BAR, XI

SPINS = {
    **dict.fromkeys(("1H", "3He", "13C", "15N", "19F", "31P", "129Xe"), 1 / 2),
    "2H": 1,
    **dict.fromkeys(("7Li", "23Na", "39K"), 3 / 2),
    "17O": 5 / 2,
}

# mu / mu_N = gamma * hbar * sqrt(I (I + 1)) / mu_N, the column beside the gyromagnetic ratio in Harris et al.
# 2001
IUPAC_MOMENTS = {
    "1H": 4.837353570,
    "2H": 1.21260077,
    "3He": -3.685154336,
    "7Li": 4.20407505,
    "13C": 1.216613,
    "15N": -0.49049746,
    "17O": -2.24077,
    "19F": 4.553333,
    "23Na": 2.8629811,
    "31P": 1.95999,
    "39K": 0.50543376,
    "129Xe": -1.347494,
}

# |gamma / gamma_H| / Xi - 1 in ppm: the shielding of the reference sample less that of TMS
SHIELDING = {
    "1H": 0,
    "2H": -0.142,
    "3He": 23.018,
    "7Li": 74.38,
    "13C": 213.065,
    "15N": 297.942,
    "17O": 393.469,
    "19F": 367.245,
    "23Na": 618.834,
    "31P": 914.481,
    "39K": 1363.783,
    "129Xe": 1648.048,
}


def test_units_are_floats():
    names = [
        "s",
        "ms",
        "us",
        "ns",
        "minute",
        "m",
        "cm",
        "mm",
        "um",
        "T",
        "mT",
        "uT",
        "gauss",
        "Hz",
        "kHz",
        "MHz",
        "rad",
        "deg",
        "ppm",
        "percent",
    ]
    assert {name: type(getattr(units, name)) for name in names} == dict.fromkeys(names, float)


def test_prefixes():
    assert 1000 * units.ms == 1000**2 * units.us == 1000**3 * units.ns == units.s
    assert 60 * units.s == units.minute
    assert 100 * units.cm == 1000 * units.mm == pytest.approx(1e6 * units.um, rel=1e-15) == units.m
    assert 1000 * units.mT == 1e6 * units.uT == 1e4 * units.gauss == units.T
    assert units.MHz == 1000 * units.kHz == 1e6 * units.Hz
    assert 1e6 * units.ppm == 100 * units.percent == 1
    assert 180 * units.deg == math.pi * units.rad


def test_units_compose():
    assert 1 * units.um**2 / units.ms == pytest.approx(1e-9, rel=1e-15)  # diffusion coefficient, m^2/s
    assert 1000 * units.s / units.mm**2 == pytest.approx(1e9, rel=1e-15)  # b-value, s/m^2
    assert 40 * units.mT / units.m == 0.04  # gradient, T/m
    assert 0.08 / units.ms == pytest.approx(80, rel=1e-15)
    assert 3 * units.T * GAMMA_BAR["1H"] / units.MHz == pytest.approx(127.732435, rel=1e-8)


def test_every_nucleus_is_in_every_table():
    assert GAMMA.keys() == GAMMA_BAR.keys() == XI.keys() == SPINS.keys()


@pytest.mark.parametrize("table", [GAMMA, GAMMA_BAR, XI])
def test_tables_are_read_only(table):
    assert isinstance(table, MappingProxyType)
    with pytest.raises(TypeError):
        table["1H"] = 1.0


def test_signs():
    assert {nucleus for nucleus, gamma in GAMMA.items() if gamma < 0} == {"3He", "15N", "17O", "129Xe"}
    assert all(0 < ratio <= 1 for ratio in XI.values())


def test_proton_is_the_free_proton_of_codata():
    # SciPy carries one adjustment or another by its version; 2018 and 2022 differ by 1.3e-9.
    assert GAMMA["1H"] == pytest.approx(scipy.constants.value("proton gyromag. ratio"), rel=2e-9)
    assert GAMMA["1H"] == 2.6752218708e8
    assert GAMMA_BAR["1H"] == pytest.approx(42.577478461e6, rel=2e-11)


def test_gamma_bar_is_gamma_over_two_pi():
    for nucleus, gamma in GAMMA.items():
        assert 2 * math.pi * GAMMA_BAR[nucleus] == pytest.approx(gamma, rel=1e-15)


def test_deuteron_and_helion_agree_with_codata():
    """Two nuclei whose moments CODATA adjusts independently of the IUPAC table."""
    magneton = scipy.constants.value("nuclear magneton") / scipy.constants.hbar
    for nucleus, name in {"2H": "deuteron", "3He": "helion"}.items():
        expected = scipy.constants.value(f"{name} g factor") * magneton
        assert GAMMA[nucleus] == pytest.approx(expected, rel=5e-7)


@pytest.mark.parametrize("nucleus", GAMMA)
def test_gamma_agrees_with_the_tabulated_moment(nucleus):
    spin = SPINS[nucleus]
    moment = IUPAC_MOMENTS[nucleus] * scipy.constants.value("nuclear magneton")
    expected = moment / (scipy.constants.hbar * math.sqrt(spin * (spin + 1)))
    digits = 3e-6 if nucleus in ("17O", "31P") else 5e-7  # printed with six digits; the others with seven or more
    assert GAMMA[nucleus] == pytest.approx(expected, rel=digits)


@pytest.mark.parametrize("nucleus", GAMMA)
def test_gamma_and_frequency_ratio_differ_by_the_shielding(nucleus):
    excess = abs(GAMMA[nucleus] / GAMMA["1H"]) / XI[nucleus] - 1
    assert excess / units.ppm == pytest.approx(SHIELDING[nucleus], abs=2e-3)


def test_examples_run():
    results = doctest.testmod(units)
    assert results.attempted > 0
    assert results.failed == 0
