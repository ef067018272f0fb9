"""Images of spins under the imaging protocols: upright, in place, and of the contrast of theory."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.protocols import cpmg, imaging
from mrjax.units import deg, mm, ms, us

NX, NY, LX, LY = 16, 12, 160 * mm, 96 * mm
FOV, MATRIX = (LX, LY), (NX, NY)


def spins(m0, n=2, **tissue):
    """A tissue of `n` x `n` spins in each pixel."""
    place = lambda size, length: ((np.arange(size * n) + 0.5) / n - 0.5 - size // 2) * length / size
    values = np.kron(m0, np.ones((n, n))) / n**2
    x, y = np.meshgrid(place(NX, LX), place(NY, LY), indexing="ij")
    return mr.Tissue(**({"t1": 1.0, "t2": 0.2} | tissue), m0=jnp.asarray(values), x=jnp.asarray(x), y=jnp.asarray(y))


def image_of(kspace):
    """By the sum over k of exp(+2 pi i k r), index n // 2 of both sides in the middle."""
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace)))


def acquired(sequence, tissue):
    signal = mr.simulate(sequence, tissue, mr.Isochromats())
    return jnp.sum(signal, axis=(0, 1))


def dots(brightness=(1.0, 0.5, 0.25)):
    """Three pixels off the centre, no two of them mirror images."""
    m0 = np.zeros((NX, NY))
    m0[12, 4], m0[3, 9], m0[5, 2] = brightness
    return m0


UPRIGHT = {
    "flash": lambda: imaging.flash(FOV, MATRIX, 20 * deg, te=3 * ms, tr=40 * ms, n_dummies=80),
    "bssfp": lambda: imaging.bssfp(FOV, MATRIX, 40 * deg, n_dummies=400),
    "fse": lambda: imaging.fse(FOV, MATRIX, 8 * ms, 4, tr=8.0),
    "gre_epi": lambda: imaging.gre_epi(FOV, MATRIX, 90 * deg, te=15 * ms),
    "gre_epi in shots": lambda: imaging.gre_epi(FOV, MATRIX, 30 * deg, te=15 * ms, tr=8.0, n_shots=3),
    "se_epi": lambda: imaging.se_epi(FOV, MATRIX, te=30 * ms),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "gre_epi" else pytest.mark.slow) for name in UPRIGHT]
)
def test_an_object_off_the_centre_comes_out_upright(name):
    sequence, m0 = UPRIGHT[name](), dots()
    # two spins in a pixel are too few for spoilers: with FLASH T2 is short
    signal = acquired(sequence, spins(m0, t2=0.01 if name == "flash" else 0.2))
    image = np.abs(image_of(imaging.cartesian_kspace(signal, sequence, MATRIX)))
    found = [np.unravel_index(place, MATRIX) for place in np.argsort(image.ravel())[::-1][:3]]
    assert found == [(12, 4), (3, 9), (5, 2)]
    bright = image[12, 4]
    assert bright > 0.1 * (1 if name not in ("bssfp", "flash", "gre_epi in shots") else 0.5)
    np.testing.assert_allclose([image[3, 9] / bright, image[5, 2] / bright], [0.5, 0.25], atol=0.06)


@pytest.mark.exhaustive
def test_volumes_are_upright_along_z():
    sequence = imaging.mprage((LX, LY, 60 * mm), (8, 4, 6), 9 * deg, 0.3, 6 * ms, 8.0)
    at = lambda index, n, length: (index - n // 2) * length / n
    # a bright and a dark spin in the middles of voxels
    x, y, z = at(np.array([6, 2]), 8, LX), at(np.array([1, 3]), 4, LY), at(np.array([4, 1]), 6, 60 * mm)
    tissue = mr.Tissue(t1=1.0, t2=0.1, m0=np.array([1.0, 0.4]), x=x, y=y, z=z)
    signal = jnp.sum(mr.simulate(sequence, tissue, mr.Isochromats()), axis=0)
    kspace = imaging.cartesian_kspace(signal, sequence, (8, 4, 6))
    volume = np.abs(np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace))))
    assert np.unravel_index(np.argmax(volume), volume.shape) == (6, 1, 4)
    assert 0.35 < volume[2, 3, 1] / volume[6, 1, 4] < 0.45


def test_echo_planar_images_shift_by_off_resonance_times_the_time_of_a_line():
    sequence = imaging.gre_epi(FOV, MATRIX, 90 * deg, te=15 * ms)
    line_time = np.diff(mr.sequence.readout_table(sequence).start)[0]
    # exp(2 pi i f t) goes on by f * line_time from line to line, as exp(-2 pi i k y) does for y lower by that share of the image
    off_resonance = 2 / (NY * line_time)
    signal = acquired(sequence, spins(dots(), off_resonance=off_resonance))
    image = np.abs(image_of(imaging.cartesian_kspace(signal, sequence, MATRIX)))
    assert np.unravel_index(np.argmax(image), MATRIX) == (12, 4 - 2)


@pytest.mark.exhaustive
def test_fast_spin_echoes_have_the_contrast_of_phase_graphs():
    angles = np.array([150, 120, 120, 130, 140, 120, 120, 120]) * deg
    sequence = imaging.fse(160 * mm, (16, 8), 10 * ms, 8, refocusing_angle=angles, flip_angle=90 * deg)
    t1, t2, n = 0.8, 0.08, 240
    # spins across whole cycles of every gradient along x; at each echo's own line along y
    tissue = mr.Tissue(t1=t1, t2=t2, m0=1 / n, x=(np.arange(n) / n - 0.5) * 160 * mm / 16 * 16)
    signal = jnp.sum(mr.simulate(sequence, tissue, mr.Isochromats()), axis=0)
    echoes = np.abs(signal.reshape(8, 16)[:, 8])
    expected = np.abs(mr.simulate(cpmg(angles, 10 * ms), mr.Tissue(t1=t1, t2=t2)))
    # pulses of a millisecond, not of no time
    np.testing.assert_allclose(echoes, expected, atol=0.02)
    assert np.ptp(expected) > 0.1


@pytest.mark.exhaustive
@pytest.mark.parametrize("directions", ["x", "xy"])
def test_tags_have_their_spacing(directions):
    tagging = imaging.spamm(10 * mm, (45 * deg, 45 * deg), directions=directions)
    # averages over a millimetre, which the spoiler winds a cycle across
    x, y = np.meshgrid(np.arange(80) / 4 * mm, np.arange(40) / 4 * mm, indexing="ij")
    tissue = mr.Tissue(t1=np.inf, t2=np.inf, x=jnp.asarray(x), y=jnp.asarray(y))
    after = mr.simulate(tagging + mr.Sequence(mr.SampleLongitudinal()), tissue, mr.Isochromats())[..., 0].real
    averaged = lambda values: np.asarray(values).reshape(20, 4, 10, 4).mean(axis=(1, 3))
    stripes = lambda r: 0.5 - 0.5 * np.cos(2 * np.pi * r / (10 * mm))
    expected = stripes(x) * (stripes(y) if "y" in directions else 1.0)
    np.testing.assert_allclose(averaged(after), averaged(expected), atol=1e-9 if directions == "x" else 5e-3)
    if directions == "x":
        np.testing.assert_allclose(after, expected, atol=1e-9)
        assert np.argmax(np.abs(np.fft.rfft(after[:, 0] - after[:, 0].mean()))) == 2


@pytest.mark.exhaustive
def test_spatiotemporal_images_appear_in_the_time_domain():
    ny, length, n = 40, 120 * mm, 480
    sequence = imaging.spen((160 * mm, length), (4, ny), time_bandwidth_product=160.0, flip_angle=60 * deg)
    y = (np.arange(n) / n - 0.5) * length
    # a step and a bar, nothing symmetric
    m0 = np.where((y > -40 * mm) & (y < -5 * mm), 1.0, 0.0) + np.where((y > 20 * mm) & (y < 45 * mm), 0.5, 0.0)
    signal = jnp.sum(mr.simulate(sequence, mr.Tissue(t1=1.0, t2=1.0, m0=m0 / n, y=y), mr.Isochromats()), axis=0)
    lines = imaging.cartesian_kspace(signal, sequence, (4, ny))
    profile = np.abs(lines[2])
    places = (np.arange(ny) - ny // 2) * length / ny
    inside = lambda low, high: profile[(places > low * mm) & (places < high * mm)].mean()
    bright, half, dark = inside(-33, -12), inside(27, 38), max(inside(-60, -50), inside(5, 12), inside(53, 60))
    assert 0.4 < half / bright < 0.6
    assert dark < 0.15 * bright
    # no image without the sweep's phase: the Fourier transform along y is what an echo-planar image would be
    assert np.corrcoef(profile, np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(lines[2])))))[0, 1] < 0.5


@pytest.mark.exhaustive
def test_overlapping_echoes_lie_apart_in_k_space():
    te = np.array([20.0, 36.0]) * ms
    sequence = imaging.oled(160 * mm, 32, te=te, echo_shifts=(-8.0, 8.0), dwell_time=4 * us)
    n = 64
    x, y = np.meshgrid(*2 * [(np.arange(n) + 0.5 - n / 2) * 160 * mm / n], indexing="ij")
    m0 = np.where((np.abs(x) < 50 * mm) & (np.abs(y) < 40 * mm), 1.0, 0.0) / n**2
    tissue = mr.Tissue(t1=1.0, t2=0.05, m0=jnp.asarray(m0), x=jnp.asarray(x), y=jnp.asarray(y))
    kspace = np.abs(imaging.cartesian_kspace(acquired(sequence, tissue), sequence, 32))
    line_time = np.diff(mr.sequence.readout_table(sequence).start)[0]
    rows = np.round((te - te.mean()) / 2 / line_time).astype(int)
    peaks = [kspace[16 + shift, 16 + row] for shift, row in zip((-8, 8), rows, strict=True)]
    # each excitation leaves the cosine of its angle to the others, and echoes decay by T2
    first, second = np.sin(45 * deg) * np.cos(22.5 * deg) ** 2, np.cos(45 * deg) * np.sin(45 * deg)
    expected = [second * np.exp(-te[0] / 0.05), first * np.exp(-te[1] / 0.05)]
    assert kspace[:16, :].max() == pytest.approx(peaks[0], rel=0.1)
    assert kspace[16:, :].max() == pytest.approx(peaks[1], rel=0.1)
    assert peaks[1] / peaks[0] == pytest.approx(expected[1] / expected[0], rel=0.1)


def test_averages_and_missing_lines():
    sequence = imaging.gre_epi(FOV, MATRIX, 90 * deg, acceleration=3)
    twice = sequence + sequence
    once = np.arange(sequence.n_samples) * (1 + 1j)
    kspace = imaging.cartesian_kspace(np.concatenate([once, 3 * once]), twice, MATRIX)
    np.testing.assert_allclose(kspace, 2 * imaging.cartesian_kspace(once, sequence, MATRIX))
    assert sorted(set(np.nonzero(np.asarray(kspace).any(axis=0))[0])) == [0, 3, 6, 9]
    with pytest.raises(ValueError, match="`signal` must have the 64 samples"):
        imaging.cartesian_kspace(once[:-1], sequence, MATRIX)
    with pytest.raises(ValueError, match="`matrix` must begin with"):
        imaging.cartesian_kspace(once, sequence, (8, NY))
    with pytest.raises(ValueError, match="`matrix` must hold the labels LIN"):
        imaging.cartesian_kspace(once, sequence, (NX, 4))
