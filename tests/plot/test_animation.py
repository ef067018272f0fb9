"""Spins in motion: that they are where closed forms and engines have them, and that a file is written."""

import dataclasses

import matplotlib
import numpy as np
import pytest
from PIL import Image

import mrjax as mr
from mrjax.plot import magnetisation
from mrjax.plot._followed import followed
from mrjax.units import deg, mm, ms, mT

ECHO = mr.Sequence(mr.Pulse(90 * deg), mr.Delay(5 * ms), mr.Pulse(180 * deg, phase=90 * deg), mr.Delay(6 * ms))
SPINS = mr.Tissue(t1=1.0, t2=0.1, off_resonance=np.linspace(-60.0, 60.0, 5))


def test_an_echo_is_that_of_its_closed_form():
    times = np.array([0.0, 2 * ms, 4.999 * ms, 7 * ms, 10 * ms])
    path = followed(ECHO, SPINS, times)
    f = np.linspace(-60.0, 60.0, 5)[None]
    t = times[1:, None]
    turned = np.where(t < 5 * ms, t, t - 10 * ms)
    expected = -1j * np.exp(-t / 0.1 + 2j * np.pi * f * turned)
    np.testing.assert_array_equal(path[0], np.broadcast_to([0, 0, 1], (5, 3)))
    np.testing.assert_allclose(path[1:, :, 0] + 1j * path[1:, :, 1], expected, atol=1e-5)
    # the longitudinal part recovers, and is inverted by the second pulse
    recovered = 1 - np.exp(-times[1:3] / 1.0)
    np.testing.assert_allclose(path[1:3, :, 2], np.broadcast_to(recovered[:, None], (2, 5)), atol=1e-5)


def test_a_gradient_winds_as_the_trajectory_says():
    sequence = mr.Sequence(mr.Pulse(90 * deg), mr.Gradient.trapezoid(5 * mT, rise=0.1 * ms, flat=0.3 * ms, axis="y"))
    x = np.linspace(-3, 3, 5) * mm
    times = np.array([0.05, 0.2, 0.5]) * ms
    path = followed(sequence, mr.Tissue(np.inf, np.inf, x=x, y=2 * x), times)
    k = np.asarray(sequence.timeline().trajectory(times))[:, 1, None]
    np.testing.assert_allclose(path[..., 0] + 1j * path[..., 1], -1j * np.exp(-2j * np.pi * k * 2 * x[None]), atol=1e-4)


@pytest.mark.exhaustive
def test_waveforms_end_where_isochromats_do():
    """A selective pulse of another frequency, its rephaser and a wait."""
    pulse = mr.sequence.pulses.sinc(70 * deg, 2 * ms, time_bandwidth_product=4, n_samples=50)
    pulse = dataclasses.replace(pulse, offset=700.0, phase=0.4)
    sequence = mr.Sequence(
        mr.Together(
            mr.Sequence(mr.Delay(0.1 * ms), pulse),
            mr.Gradient.trapezoid(8 * mT, rise=0.1 * ms, flat=2 * ms, axis="z"),
        ),
        mr.Gradient.trapezoid(-8 * mT, rise=0.1 * ms, flat=1 * ms, axis="z"),
        mr.Delay(1 * ms),
    )
    tissue = mr.Tissue(t1=1.0, t2=0.08, z=np.linspace(-8, 8, 9) * mm, b1=0.9)
    end = float(sequence.timeline().edges[-1])
    path = followed(sequence, tissue, np.array([end / 2, end]))[1]
    _, state = mr.play(sequence, tissue, mr.Isochromats())
    np.testing.assert_allclose(path.T, np.stack([state.x[0], state.y[0], state.z[0]]), atol=2e-3)


def test_the_picture_follows_the_spins(tmp_path):
    animation = magnetisation(ECHO, SPINS, n_frames=6)
    times = np.linspace(0, 11 * ms, 6)
    path = followed(ECHO, SPINS, times)
    artists = animation._func(3)
    np.testing.assert_allclose(artists[1].get_offsets(), path[3, :, :2])
    np.testing.assert_allclose(artists[3].get_offsets(), np.stack([np.linspace(-60, 60, 5), path[3, :, 2]], -1))
    np.testing.assert_allclose(artists[2].get_xydata()[1], path[3].mean(0)[:2])
    np.testing.assert_allclose(artists[5].get_xdata(), 6.6)
    axes = animation._fig.axes
    assert axes[1].get_xlabel() == "off-resonance (Hz)"
    assert axes[2].get_xlim()[1] > 11
    animation.save(tmp_path / "echo.gif", writer="pillow", dpi=30)
    with Image.open(tmp_path / "echo.gif") as file:
        assert file.n_frames == 6
    animation._fig.savefig(tmp_path / "last.png", dpi=30)
    assert np.ptp(matplotlib.image.imread(tmp_path / "last.png")[..., :3]) > 0.5


@pytest.mark.parametrize(
    ("tissue", "name"),
    [
        (mr.Tissue(1.0, 0.1, x=np.array([0.0, 1.0]) * mm), "x (mm)"),
        (mr.Tissue(np.ones(3), 0.1), "spin"),
    ],
)
def test_spins_are_told_apart_by_what_differs(tissue, name):
    animation = magnetisation(ECHO, tissue, n_frames=2, time_range=(1 * ms, 2 * ms))
    animation._draw_was_started = True  # it is not to be shown
    assert animation._fig.axes[1].get_xlabel() == name


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"tissue": mr.Tissue(np.ones(201), 0.1)},
            "`tissue` must have at most 200 spins to be told apart, but has 201",
        ),
        ({"n_frames": 1}, "`n_frames` must be an integer of at least 2, but got 1"),
        ({"time_range": (2.0, 1.0)}, "`time_range` must be a start and a later end in s, but is 2 s to 1 s"),
        (
            {"sequence": mr.Sequence(mr.Pulse(1.0), mr.Dephase(), mr.Delay(0.01))},
            "`sequence` must hold what single spins can be followed through, but holds a Dephase; play a Gradient instead",
        ),
        ({"sequence": mr.Sequence(mr.Pulse(1.0), mr.Spoil(), mr.Delay(0.01))}, "but holds a Spoil"),
        ({"sequence": mr.Sequence(mr.Pulse(1.0), mr.Delay(np.inf))}, "`time_range` must be a start and a later end"),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        magnetisation(**{"sequence": ECHO, "tissue": SPINS, **arguments})
