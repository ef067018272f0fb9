"""An object that moves during an acquisition, against the sum of exponentials that its places give."""

import numpy as np
import pytest
from pixels import blob, image_of, line_time

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import deg, mm, ms

FOV, MATRIX = (160 * mm, 120 * mm), (16, 12)
NX, NY = MATRIX
TR, DWELL = 100 * ms, 4e-6
SHIFT = np.array([7.0, -11.0]) * mm
MOVED = 7
"""The first line after the motion."""


def single_lines():
    """A line after each excitation, long after the one before has decayed."""
    return imaging.gre_epi(FOV, MATRIX, 90 * deg, tr=TR, n_shots=NY)


def while_nothing_is_transverse(**motion):
    """A motion straight before line `MOVED`, when the shot before has decayed."""
    times = np.array([-12, -11]) * ms + MOVED * TR
    still = np.zeros(3)
    return mr.motion.RigidMotion(times, **{name: np.stack([still, value]) for name, value in motion.items()})


def grid_of_k():
    kx, ky = ((np.arange(n) - n // 2) / length for n, length in zip(MATRIX, FOV, strict=True))
    return kx[:, None], ky[None]


def kspace_of(sequence, tissue, motion=None):
    signal = mr.acquire(sequence, tissue, engine=mr.Isochromats(motion=motion))
    return np.asarray(imaging.cartesian_kspace(signal, sequence, MATRIX))


def object_at_rest():
    return blob(FOV, MATRIX, (1, 2), 1.4, n_spins=2, t1=1e-3, t2=2e-3)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:When samples are taken")  # nothing is left of what is wound
def test_a_shift_between_lines_ghosts_as_its_closed_form():
    sequence, still = single_lines(), object_at_rest()
    moved = kspace_of(sequence, still, while_nothing_is_transverse(translation=[*SHIFT, 0.0]))
    kx, ky = grid_of_k()
    after = np.arange(NY) >= MOVED
    before = kspace_of(sequence, still)
    expected = before * np.where(after, np.exp(-2j * np.pi * (kx * SHIFT[0] + ky * SHIFT[1])), 1.0)
    np.testing.assert_allclose(moved, expected, atol=1e-5 * np.abs(expected).max())
    ghost, clean = (np.abs(image_of(k)) for k in (expected, before))
    assert np.abs(ghost - clean).max() > 0.1 * clean.max()


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:When samples are taken")
def test_a_rotation_between_lines_turns_the_rest_of_k_space():
    sequence, still, angle = single_lines(), object_at_rest(), 0.3
    moved = kspace_of(sequence, still, while_nothing_is_transverse(rotation=[0.0, 0.0, angle]))
    x, y = np.broadcast_arrays(still.x, still.y)
    turned = mr.Tissue(
        still.t1, still.t2, still.m0, x=np.cos(angle) * x - np.sin(angle) * y, y=np.sin(angle) * x + np.cos(angle) * y
    )
    before, after = kspace_of(sequence, still), kspace_of(sequence, turned)
    expected = np.where(np.arange(NY) >= MOVED, after, before)
    np.testing.assert_allclose(moved, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(after - before).max() > 0.01 * np.abs(before).max()


@pytest.mark.exhaustive
def test_a_shift_within_an_echo_planar_readout_turns_by_what_is_wound_from_there():
    """What was wound before the shift stays: later lines are turned by k as counted from where k was then."""
    sequence = imaging.gre_epi(FOV, MATRIX, 90 * deg, te=20 * ms)
    still = blob(FOV, MATRIX, (1, 2), 1.4, n_spins=2)
    # in the middle of a blip, where the blocks of two lines meet
    joint = mr.sequence.readout_table(sequence).start[MOVED] - (line_time(sequence) - NX * DWELL) / 2
    motion = mr.motion.RigidMotion(joint + np.array([-1e-9, 1e-9]), [[0.0, 0.0, 0.0], [0.0, SHIFT[1], 0.0]])
    ky = (np.arange(NY) - NY // 2 - (MOVED - 0.5 - NY // 2)) / FOV[1]
    before = kspace_of(sequence, still)
    expected = before * np.where(np.arange(NY) >= MOVED, np.exp(-2j * np.pi * ky * SHIFT[1]), 1.0)
    np.testing.assert_allclose(kspace_of(sequence, still, motion), expected, atol=1e-5 * np.abs(before).max())
