"""What pulses leave in an image: echo trains as phase graphs have them, and slices as their profiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pixels import places

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import GAMMA_BAR, deg, mm, ms

FOV, MATRIX = (160 * mm, 64 * mm), (16, 8)
NX, NY = MATRIX
ANGLES = np.array([150, 120, 120, 130, 140, 120, 120, 120]) * deg
SPACING, PARTS = 10 * ms, 8
TISSUES = {"t1": np.array([0.3, 0.8, 1.4, 4.0]), "t2": np.array([0.03, 0.08, 0.05, 1.5])}


def echo_train():
    """The pulses of `fse` as long as they are, in parts between which they relax, and whole cycles for its gradients."""
    hard = lambda angle, phase, lasting: (
        [mr.ContinuousWave(angle / (2 * np.pi * GAMMA_BAR["1H"] * lasting), lasting / PARTS, phase=phase)] * PARTS
    )
    half = mr.Delay(SPACING / 2 - 0.5 * ms)
    first = mr.Delay(SPACING / 2 - 0.75 * ms)
    refocusing = hard(ANGLES, np.pi / 2, 1 * ms)
    train = mr.Repeat(*refocusing, mr.Dephase(1), half, mr.Sample(), half, mr.Dephase(1), n_repetitions=ANGLES.size)
    return mr.Sequence(*hard(90 * deg, 0.0, 0.5 * ms), first, mr.Dephase(1), train)


def echoes(n_spins, b1=1.0):
    """The middle of each echo of a line along x, one coil for each tissue: `(tissue, echo)`."""
    sequence = imaging.fse(FOV, MATRIX, SPACING, NY, refocusing_angle=ANGLES)
    x = places(NX, FOV[0], n_spins)[None]
    tissue = mr.Tissue(**{name: t[:, None] for name, t in TISSUES.items()}, m0=1 / x.size, x=x, b1=b1)
    coils = np.eye(4)[:, :, None]
    signal = mr.acquire(sequence, tissue, coils=coils, tolerance=1e-9)
    return np.asarray(signal).reshape(4, NY, NX)[:, :, NX // 2]


@pytest.mark.exhaustive
@pytest.mark.parametrize("b1", [1.0, pytest.param(0.8, marks=pytest.mark.slow)])
def test_fast_spin_echoes_have_the_contrast_of_phase_graphs(b1):
    expected = mr.simulate(echo_train(), mr.Tissue(**TISSUES, b1=b1), mr.EPG())
    found = echoes(32, b1)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.ptp(np.abs(expected[:, 4])) > 0.3


@pytest.mark.exhaustive
def test_few_spins_in_a_pixel_do_not_crush():
    expected = mr.simulate(echo_train(), mr.Tissue(**TISSUES), mr.EPG())
    with pytest.warns(UserWarning, match="from one spin to the next along x"):
        found = echoes(1)
    assert np.abs(found - expected).max() > 0.005


THICKNESS = 5 * mm
Z = np.linspace(-1.5, 1.5, 61) * THICKNESS


def selective(sequence):
    """The first slice-selective pulse of each use, with its gradient."""
    is_block = lambda event: isinstance(event, mr.Together)
    blocks = [block for block in jax.tree.leaves(sequence, is_leaf=is_block) if is_block(block)]
    found = {}
    for block in blocks:
        for event in (event for track in block.tracks for event in track):
            if isinstance(event, mr.ShapedPulse):
                found.setdefault(event.use, block)
    return found


def along_z(sequence):
    """The middle of k-space of the spins at each z, one coil for each; m0 fades along x, so that crushers leave nothing."""
    n = 256
    m0 = (1 - np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)) / n
    tissue = mr.Tissue(t1=np.inf, t2=np.inf, m0=m0, x=(np.arange(n) + 0.5 - n / 2) / n * FOV[0], z=Z[:, None])
    signal = np.asarray(mr.acquire(sequence, tissue, coils=np.eye(Z.size)[:, :, None]))
    return signal.reshape(Z.size, NY, NX)[:, NY // 2, NX // 2]


@pytest.mark.exhaustive
def test_excited_slices_have_their_profile():
    sequence = imaging.gre_epi(FOV, MATRIX, 60 * deg, te=15 * ms, slice_thickness=THICKNESS)
    profile = mr.slice_profile(selective(sequence)["excitation"], Z, thickness=THICKNESS)
    rephased = profile.excited * jnp.exp(-1j * profile.wound[1])
    found = along_z(sequence)
    np.testing.assert_allclose(found, rephased, atol=1e-4)
    assert 0.8 < np.abs(found).max() < 0.9
    assert np.abs(found[[0, -1]]).max() < 0.02
    # phase graphs take the turned axis of each position as that of an instantaneous pulse, which is nearly so
    whole = mr.acquire(sequence, mr.Tissue(t1=np.inf, t2=np.inf, m0=profile.weights, z=Z))
    instant = mr.Sequence(mr.Pulse(60 * deg), mr.Sample())
    integral = mr.simulate(instant, mr.Tissue(t1=np.inf, t2=np.inf), mr.EPG(slice_profile=profile))
    middle = np.asarray(whole).reshape(NY, NX)[NY // 2, NX // 2]
    np.testing.assert_allclose(middle, jnp.sum(profile.weights * rephased), atol=1e-4)
    np.testing.assert_allclose(middle, integral[0], atol=3e-3)


@pytest.mark.exhaustive
def test_refocused_slices_have_the_product_of_their_profiles():
    sequence = imaging.se_epi(FOV, MATRIX, te=30 * ms, slice_thickness=THICKNESS)
    excitation, refocusing = (
        mr.slice_profile(selective(sequence)[use], Z, thickness=THICKNESS) for use in ("excitation", "refocusing")
    )
    rephased = excitation.excited * jnp.exp(-1j * excitation.wound[1])
    # what the gradient winds more before the refocusing pulse than after it, a lobe takes back
    before, after = refocusing.wound
    echo = -refocusing.refocused * jnp.conj(rephased) * jnp.exp(1j * (before - after))
    found = along_z(sequence)
    np.testing.assert_allclose(found, echo, atol=1e-4)
