"""Gradients that wind nothing in all, and voxel sizes at which gradients fit the orders of configuration states."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence import moments
from mrjax.units import GAMMA_BAR, ms, mT

TISSUE = mr.Tissue(0.8, jnp.array([0.04, 0.1]))


def lobe(height, axis="x", flat=2 * ms):
    return mr.Gradient.trapezoid(height, rise=0.3 * ms, flat=flat, axis=axis)


BIPOLAR = mr.Gradient(np.array([0, 7, 7, -7, -7, 0]) * mT, np.array([0, 0.2, 1.2, 1.6, 2.6, 2.8]) * ms, "y")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "balanced",
    [
        (BIPOLAR,),
        (lobe(5 * mT), lobe(-5 * mT)),
        (lobe(5 * mT), mr.Delay(1 * ms), lobe(-5 * mT), BIPOLAR),
        (mr.Together(lobe(5 * mT), mr.Sequence(mr.Delay(2.6 * ms), lobe(-5 * mT)), BIPOLAR),),
    ],
    ids=["bipolar", "one after the other", "along two axes", "together"],
)
def test_balanced_gradients_play_without_a_voxel_size(balanced):
    duration = float(mr.Sequence(*balanced).duration)
    around = lambda *events: mr.Sequence(mr.Pulse(0.9), *events, mr.Pulse(2.0, 0.4), mr.Delay(duration), mr.Sample())
    expected = mr.simulate(around(mr.Delay(duration)), TISSUE)
    np.testing.assert_allclose(mr.simulate(around(*balanced), TISSUE), expected, atol=1e-12)
    assert np.abs(expected).min() > 0.1


def test_what_is_not_balanced_between_pulses_still_needs_one():
    parted = (lobe(5 * mT), mr.Pulse(0.3), lobe(-5 * mT))
    read = (mr.Together(BIPOLAR, mr.Readout(4, 0.5 * ms)),)
    for events in (parted, read):
        with pytest.raises(ValueError, match="pass `voxel_size`"):
            mr.simulate(mr.Sequence(mr.Pulse(0.9), *events, mr.Sample()), TISSUE)


@pytest.mark.exhaustive
def test_lobes_in_a_row_attenuate_by_all_that_is_wound_meanwhile():
    """Two lobes wind whole cycles together, each by itself not."""
    lobes = lobe(40 * mT, flat=10 * ms), lobe(15 * mT, flat=10 * ms)
    size = 2 / (GAMMA_BAR["1H"] * float(lobes[0].area + lobes[1].area))
    weighting = (lobes[0], mr.Delay(3 * ms), lobes[1])
    echo = mr.Sequence(mr.Pulse(np.pi / 2), *weighting, mr.Pulse(np.pi, np.pi / 2), *weighting, mr.Sample())
    d = 1.4e-9
    signal = mr.simulate(echo, mr.Tissue(np.inf, np.inf, diffusion=jnp.array([0.0, d])), mr.EPG(voxel_size=size))
    expected = np.exp(-float(moments.b_value(echo.timeline())[0]) * d)
    np.testing.assert_allclose(np.abs(signal[1, 0] / signal[0, 0]), expected, rtol=1e-6)
    assert 0.2 < expected < 0.95


@pytest.mark.exhaustive
@pytest.mark.parametrize("heights", [(40,), (40, 20), (40, 30, -10)])
def test_the_error_says_which_voxel_size_would_do(heights):
    events = [event for height in heights for event in (lobe(height * mT, "z", 12 * ms), mr.Pulse(1.0))]
    sequence = mr.Sequence(mr.Pulse(1.0), *events, mr.Sample())
    tissue = mr.Tissue(0.8, 0.05, diffusion=1e-9)
    with pytest.raises(ValueError, match="nearest `voxel_size`") as error:
        mr.simulate(sequence, tissue, mr.EPG(voxel_size=1.0123e-3))
    (size,) = re.findall(r"sequence do is (\S+) m\.", str(error.value))
    assert abs(float(size) / 1.0123e-3 - 1) < 0.1
    assert np.isfinite(mr.simulate(sequence, tissue, mr.EPG(voxel_size=float(size)))).all()
