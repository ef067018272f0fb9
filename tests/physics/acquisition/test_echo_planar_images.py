"""Echo-planar images against closed forms: where they are displaced, stretched and blurred, and what is left out of them."""

import dataclasses

import jax
import numpy as np
import pytest
from pixels import blob, cartesian_image, line_time, middle_of, places

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import deg, mm, ms

FOV, MATRIX = (160 * mm, 192 * mm), (16, 32)
NX, NY = MATRIX
SEQUENCES = {
    "gradient echo": lambda **options: imaging.gre_epi(FOV, MATRIX, 90 * deg, te=20 * ms, **options),
    "spin echo": lambda **options: imaging.se_epi(FOV, MATRIX, te=40 * ms, **options),
}


def mirrored(sequence):
    """Phase encoding played the other way round."""
    is_gradient = lambda event: isinstance(event, mr.Gradient)

    def turned(event):
        along_y = is_gradient(event) and event.axis == "y"
        return dataclasses.replace(event, waveform=-event.waveform) if along_y else event

    return jax.tree.map(turned, sequence, is_leaf=is_gradient)


def mirrored_back(image):
    """Pixel -j of n in the place of pixel j, counted from the middle."""
    return np.roll(image[:, ::-1], 1 - image.shape[1] % 2, axis=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "gradient echo" else pytest.mark.slow) for name in SEQUENCES]
)
def test_displacement_is_off_resonance_times_the_time_of_a_line(name):
    sequence = SEQUENCES[name]()
    # Four spins in a pixel would not do: the crushers wind four cycles across it, by which four spins see no winding, and
    # off resonance the refocusing pulse, which lasts, leaves some magnetisation to them that is not refocused.
    tissue = lambda f: blob(FOV, MATRIX, (2, -5), 1.5, n_spins=6, off_resonance=f)
    found = lambda f: middle_of(cartesian_image(sequence, tissue(f), MATRIX))
    np.testing.assert_allclose(found(0.0), [2, -5], atol=1e-5)
    for off_resonance in (7.0, -7.0, 30.0, -30.0, 80.0, -80.0):
        # exp(2 pi i f t) is what a place lower by this share of the field of view adds to lines that come later
        pixels = -off_resonance * line_time(sequence) * NY
        np.testing.assert_allclose(found(off_resonance), [2, -5 + pixels], atol=1e-5)
        assert abs(pixels) > 0.1


@pytest.mark.exhaustive
def test_phase_encoding_the_other_way_round_displaces_the_other_way_round():
    sequence = SEQUENCES["gradient echo"]()
    other = mirrored(sequence)
    tissue = blob(FOV, MATRIX, (2, -5), 1.5, off_resonance=30.0)
    pixels = -30.0 * line_time(sequence) * NY
    np.testing.assert_allclose(middle_of(cartesian_image(sequence, tissue, MATRIX)), [2, -5 + pixels], atol=1e-5)
    image = mirrored_back(cartesian_image(other, tissue, MATRIX))
    np.testing.assert_allclose(middle_of(image), [2, -5 - pixels], atol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("turned", [False, True])
def test_a_field_that_rises_along_the_lines_compresses_or_stretches(turned):
    """A blob stays one: y goes to y - f(y) T L, its width is multiplied by 1 - f' T L, and its height divided by that."""
    sequence = SEQUENCES["gradient echo"]()
    slope = 25.0 / (100 * mm)
    y = places(NY, FOV[1], 4)[None]
    tissue = blob(FOV, MATRIX, (0, 0), 2.0, off_resonance=slope * y)
    sequence, back = (mirrored(sequence), mirrored_back) if turned else (sequence, np.asarray)
    factor = 1 - (-1 if turned else 1) * slope * line_time(sequence) * FOV[1]
    image = np.abs(back(cartesian_image(sequence, tissue, MATRIX)))
    pixel = np.arange(NX)[:, None] - NX // 2, np.arange(NY)[None] - NY // 2
    expected = np.exp(-((pixel[0] / 2.0) ** 2 + (pixel[1] / 2.0 / factor) ** 2) / 2) / factor
    assert abs(factor - 1) > 0.02
    np.testing.assert_allclose(image, expected, atol=2e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("reversible", [False, True])
def test_decay_blurs_a_point_as_the_transform_of_its_exponential(reversible):
    sequence, rate = SEQUENCES["gradient echo"](), 1 / (12 * ms)
    decay = {"t2": 60 * ms, "t2_prime": 15 * ms} if reversible else {"t2": 12 * ms}
    tissue = mr.Tissue(t1=np.inf, **decay, x=np.array([0.0]), y=np.array([FOV[1] / NY * 3]))
    engine = mr.Isochromats(n=8000) if reversible else mr.Isochromats()
    image = cartesian_image(sequence, tissue, MATRIX, engine=engine)
    at_middle = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, axes=0), axis=0), axes=0)[NX // 2]
    times = np.asarray(sequence.timeline().since_excitation()).reshape(NY, NX)
    times = np.where(np.arange(NY) % 2, times[:, ::-1][:, NX // 2], times[:, NX // 2])
    lines = np.arange(NY) - NY // 2
    expected = np.abs(np.exp(-times * rate) @ np.exp(2j * np.pi * np.outer(lines, lines - 3) / NY)) / NY
    # spins of a Lorentzian that is cut off begin to dephase more slowly
    np.testing.assert_allclose(np.abs(at_middle), expected, atol=(6e-3 if reversible else 1e-3) * expected.max())
    assert expected[NY // 2 + 4] > 0.2 * expected.max()


@pytest.mark.slow
def test_gradient_echoes_decay_by_t2_and_spin_echoes_refocus_t2_prime():
    middle = lambda sequence: NX * (NY // 2) + NX // 2
    tissue = mr.Tissue(t1=np.inf, t2=60 * ms, t2_prime=15 * ms, x=np.array([0.0]), y=np.array([0.0]))
    engine = mr.Isochromats(n=4000)
    of = lambda make, te: abs(mr.acquire(make(te), tissue, engine=engine)[middle(None)])
    gradient_echo = lambda te: imaging.gre_epi(FOV, MATRIX, 90 * deg, te=te)
    spin_echo = lambda te: imaging.se_epi(FOV, MATRIX, te=te)
    decayed = lambda make, first, last: float(of(make, last) / of(make, first))
    star = np.exp(-20 / 60 - 20 / 15)
    assert decayed(gradient_echo, 20 * ms, 40 * ms) == pytest.approx(star, rel=1e-3)
    assert decayed(spin_echo, 40 * ms, 60 * ms) == pytest.approx(np.exp(-20 / 60), rel=1e-3)


@pytest.mark.exhaustive
def test_partial_fourier_leaves_out_the_first_lines_and_their_time():
    share, left_out = 0.75, NY // 4
    whole, part = (SEQUENCES["gradient echo"](partial_fourier=p) for p in (1.0, share))
    tissue = blob(FOV, MATRIX, (2, -5), 1.5, t2=0.05, off_resonance=20.0)
    of = lambda sequence: np.asarray(imaging.cartesian_kspace(mr.acquire(sequence, tissue), sequence, MATRIX))
    complete, partial = of(whole), of(part)
    assert not partial[:, :left_out].any()
    np.testing.assert_allclose(partial[:, left_out:], complete[:, left_out:], atol=2e-5 * np.abs(complete).max())
    shortest = [
        np.asarray(imaging.gre_epi(FOV, MATRIX, 90 * deg, partial_fourier=p).timeline().since_excitation())[-1]
        for p in (1.0, share)
    ]
    np.testing.assert_allclose(shortest[0] - shortest[1], left_out * line_time(whole), atol=1e-4)
