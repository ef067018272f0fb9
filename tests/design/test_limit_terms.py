"""Limits of a scanner as terms and constraints of a design: zero within, and where they lead."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import ms, mT, uT

SCANNER = mr.Scanner(max_gradient=20 * mT, max_slew=60.0)
TIMES = 0.1 * ms * np.arange(9)


def waveform_of(design):
    """Gradients at inner points, from zero to zero."""
    return mr.Sequence(mr.Gradient(jnp.pad(design, 1), TIMES, "x"))


def test_terms_are_the_squares_of_what_is_in_excess():
    design = jnp.array([5.0, 10.0, 22.0, 20.0, 20.0, 13.0, 6.0]) * mT
    terms = mr.design.limit_terms(SCANNER, 3.0, sequence_of=waveform_of, kinds=("gradient", "slew"))
    value, each = mr.design.weighted_sum(terms)(design)
    np.testing.assert_allclose(each["gradient"], 2 * 0.1**2, rtol=1e-9)  # it ends one piece and begins the next
    slew = np.array([50.0, 50.0, 120.0, 20.0, 0.0, 70.0, 70.0, 60.0]) / 60
    np.testing.assert_allclose(each["slew"], np.sum(np.maximum(slew - 1, 0) ** 2), rtol=1e-9)
    np.testing.assert_allclose(value, 3 * (each["gradient"] + each["slew"]), rtol=1e-12)
    within = mr.design.weighted_sum(terms)(design / 2.5)[0]
    assert float(within) == 0.0
    near = mr.design.limit_terms(SCANNER, sequence_of=waveform_of, kinds=("gradient",), margin=0.2)
    np.testing.assert_allclose(near["gradient"][1](jnp.array([0, 0, 18 * mT, 0, 0, 0, 0])), 2 * 0.1**2, rtol=1e-9)


@pytest.mark.exhaustive
def test_the_largest_lobe_under_constraints_is_the_trapezoid():
    """Of eight pieces of 6 mT/m each the area is largest where gradients rise as fast as they may and stay at the limit."""
    area = lambda design: -jnp.sum(design) / (100 * mT)
    scanner = mr.Scanner(max_gradient=15 * mT, max_slew=60.0)
    result = mr.design.optimise(
        area,
        jnp.full(7, 1 * mT),
        free=lambda design: design,
        constraints=mr.design.limit_constraints(scanner, sequence_of=waveform_of, kinds=("gradient", "slew")),
        optimiser=mr.design.Constrained(tolerance=1e-10),
        progress=False,
    )
    np.testing.assert_allclose(result.best, np.array([6.0, 12.0, 15.0, 15.0, 15.0, 12.0, 6.0]) * mT, atol=1e-4 * mT)
    assert scanner.breaches(waveform_of(result.best)) == []


@pytest.mark.exhaustive
def test_a_penalty_brings_a_waveform_within_the_limits():
    terms = mr.design.limit_terms(SCANNER, sequence_of=waveform_of, kinds=("gradient", "slew"), margin=0.01)
    start = jnp.array([5.0, 10.0, 25.0, 25.0, 20.0, 14.0, 5.0]) * mT
    assert SCANNER.breaches(waveform_of(start))
    result = mr.design.optimise(mr.design.weighted_sum(terms), start, free=lambda x: x, steps=150, progress=False)
    assert SCANNER.breaches(waveform_of(result.best)) == []
    assert float(jnp.max(result.best)) > 12 * mT


def test_power_and_sound_are_those_of_closed_forms():
    wave = lambda b1, rest: mr.Sequence(mr.ContinuousWave(b1, 2 * ms), mr.Delay(rest))
    np.testing.assert_allclose(mr.design.relative_power(wave(3 * uT, 8 * ms), wave(6 * uT, 18 * ms)), 0.5, rtol=1e-9)
    np.testing.assert_allclose(mr.design.acoustic_energy(waveform_of(jnp.full(7, 6 * mT))), 2 * 60.0**2 / 8, rtol=1e-9)


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="`kinds` names 'sar', which this scanner does not limit; it limits gradient"):
        mr.design.limit_terms(SCANNER, kinds=("sar",))
    with pytest.raises(ValueError, match="`margin` must be a number from 0 to below 1"):
        mr.design.limit_terms(SCANNER, margin=1)
    with pytest.raises(ValueError, match="`weight` must be a positive number"):
        mr.design.limit_terms(SCANNER, 0.0)


def test_limits_that_exclude_each_other_are_told():
    apart = [mr.design.Constraint(jnp.sum, upper=1.0), mr.design.Constraint(jnp.sum, lower=2.0)]
    result = mr.design.optimise(
        lambda x: jnp.sum(x**2),
        jnp.ones(2),
        free=lambda x: x,
        constraints=apart,
        optimiser=mr.design.Constrained(),
        progress=False,
    )
    assert "No design that keeps all constraints was found: the nearest breaks one by 1 of its limits" in result.reason
