"""What pulses are for decides k-space: files before version 1.5 do not say, so it is guessed in the open, or told."""

import math
import warnings

import numpy as np
import pytest
from test_imaging import from_text

from mrjax.pulseq import read, to_sequence


def echoes(folder, angles, minor=4, use="", ids="121212"):
    """Block pulses of 1 ms by angles in degrees, each with half a line along x after it, and a readout at its end."""
    columns = "1 0 2 0 0 0" if minor < 5 else "1 0 2 500 0 0 0 0 0"
    rf = "".join(
        f"{i} {angle / 360 * 1e3} {columns}{f' {letter}' if use else ''}\n"
        for i, (angle, letter) in enumerate(zip(angles, use or angles, strict=True), 1)
    )
    blocks = "".join(f"{2 * n + 1} 100 {i} 0 0 0 0 0\n{2 * n + 2} 100 0 1 0 0 1 0\n" for n, i in enumerate(ids))
    adc = "1 1 100000 850 0 0\n" if minor < 5 else "1 1 100000 850 0 0 0 0 0\n"
    shapes = "shape_id 1\nnum_samples 2\n1\n1\nshape_id 2\nnum_samples 2\n0\n1000\n"
    text = f"[BLOCKS]\n{blocks}[RF]\n{rf}[TRAP]\n1 1e5 100 800 100 0\n[ADC]\n{adc}[SHAPES]\n{shapes}"
    return from_text(folder, text, minor)


def k_of(file, **more):
    """Along x in 1/m, of each readout, as Pulseq counts."""
    return -np.asarray(to_sequence(file, **more).timeline().trajectory())[:, 0]


LINE = 90.0
"""What the gradient of one line winds in 1/m."""


@pytest.mark.exhaustive
def test_the_guess_is_by_angle_and_said_once(tmp_path):
    file = echoes(tmp_path, (90, 150))
    with pytest.warns(
        UserWarning, match=r"1 \(2\) turn by more than 120 degrees and count as refocusing, 1 \(1\) as excit"
    ) as said:
        found = k_of(file)
    assert len(said) == 1
    np.testing.assert_allclose(found, k_of(file, uses={1: "excitation", 2: "refocusing"}), rtol=1e-12)
    # excited, k is that of one line; refocused, what was wound counts backwards
    np.testing.assert_allclose(np.diff(found)[::2], -LINE, rtol=1e-9)
    np.testing.assert_allclose(found[::2], found[0], rtol=1e-9)


@pytest.mark.exhaustive
def test_what_is_told_is_taken_without_a_warning(tmp_path):
    refocused = k_of(echoes(tmp_path, (90, 60)), uses={1: "excitation", 2: "refocusing"})
    np.testing.assert_allclose(np.diff(refocused)[::2], -LINE, rtol=1e-9)
    excited = k_of(echoes(tmp_path, (90, 60)), uses={1: "excitation", 2: "excitation"})
    np.testing.assert_allclose(excited, excited[0], rtol=1e-9)
    stated = k_of(echoes(tmp_path, (90, 60), minor=5, use="er"))
    np.testing.assert_allclose(stated, refocused, rtol=1e-9)
    told = k_of(echoes(tmp_path, (90, 60), minor=5, use="ee"), uses={2: "refocusing"})
    np.testing.assert_allclose(told, refocused, rtol=1e-9)


@pytest.mark.parametrize(
    ("angles", "ids", "warns"),
    [
        ((30, 30), "1212", False),
        ((90, 90.5), "1212", False),
        ((30, 60), "1212", True),
        ((110, 110), "1212", True),
        ((180, 20), "1212", True),
        ((180, 20), "2222", False),
    ],
)
def test_pulses_of_one_small_angle_leave_no_doubt(tmp_path, angles, ids, warns):
    file = echoes(tmp_path, angles, ids=ids)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        to_sequence(file)
    assert len(said) == warns


def test_an_inversion_before_an_excitation_leaves_no_doubt(reference_data):
    # each of its excitations turns by 8 degrees, and no readout stands between inversion and excitation
    file = read(reference_data("pulseq/simple_mprage131.seq"))
    angle = 2 * math.pi * file.rf[1].amplitude * 10e-3
    np.testing.assert_allclose(angle, math.pi, rtol=1e-6)
    assert to_sequence(file).n_samples == 96 * 32


def test_uses_that_fit_no_pulse_are_refused(tmp_path):
    file = echoes(tmp_path, (90, 150))
    with pytest.raises(ValueError, match=r"`uses` must name RF events of .*file\.seq by id, but it has none of id 7\."):
        to_sequence(file, uses={7: "excitation"})
    with pytest.raises(
        ValueError, match=r"`uses` must be among excitation, refocusing, .*, but event 1 has 'spin echo'"
    ):
        to_sequence(file, uses={1: "spin echo"})
