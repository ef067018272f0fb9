"""How many spins an image needs, and the warning where they are too few."""

import warnings

import numpy as np
import pytest
from pixels import image_of, places
from scipy.special import erf

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import mm, ms

FOV = 220 * mm


def head(n, transmit, edge):
    """`n` x `n` spins of an object with soft edges, so that nothing but what is wound depends on their number."""
    inside = lambda distance: 0.5 - 0.5 * erf(distance / edge)
    r = places(n, FOV) + FOV / n / 2
    x, y = r[:, None], r[None]
    m0 = inside((np.hypot(x / 0.08, y / 0.095) - 1) * 0.085) * (1 - 0.5 * inside(np.hypot(x - 0.02, y + 0.03) - 0.02))
    t2 = 0.08 + 0.12 * inside(np.hypot(x + 0.02, y) - 0.025)
    b1 = {"b1": 0.85 + 0.3 * np.cos(np.pi * x / 0.2) * np.cos(np.pi * y / 0.25)} if transmit else {}
    return mr.Tissue(t1=2.0, t2=t2, m0=m0 / n**2, x=x, y=y, **b1)


def acquired(sequence, n, *of_head):
    """The signal, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal = np.asarray(mr.acquire(sequence, head(n, *of_head)))
    return signal, [str(warning.message) for warning in caught]


def check(sequence, matrix, transmit, counts):
    """Errors by numbers of spins to a pixel; a warning where they are more than a hundredth, and not where they are tiny."""
    signals = {count: acquired(sequence, matrix * count, transmit, 1.75 * FOV / matrix) for count in counts}
    truth, warned = signals[counts[-1]]
    assert not warned
    errors = {}
    for count, (signal, messages) in signals.items():
        errors[count] = np.linalg.norm(signal - truth) / np.linalg.norm(truth)
        assert messages or errors[count] < 1e-2, (count, errors[count])
        assert not messages or errors[count] > 1e-4, (count, errors[count])
        assert all("from one spin to the next" in message for message in messages)
    return errors, {
        count: np.abs(image_of(imaging.cartesian_kspace(s, sequence, matrix))) for count, (s, _) in signals.items()
    }


@pytest.mark.exhaustive
@pytest.mark.parametrize("transmit", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_warning_says_which_spins_alias(transmit):
    sequence = imaging.moled(FOV, 32, np.array([16, 22, 28, 34]) * ms)
    errors, _ = check(sequence, 32, transmit, (1, 2, 9))
    assert errors[1] > 0.1
    assert (errors[2] > 0.01) == transmit


@pytest.mark.exhaustive
@pytest.mark.parametrize(("transmit", "enough"), [(False, 2), (True, 5)])
def test_few_spins_corrupt_overlapping_echoes_and_more_of_them_cure_it(transmit, enough):
    """As in a published figure: 128 x 128 spins do not do for 128 x 128 pixels, by any field; 256 x 256 only by a perfect one.

    Excitations that a refocusing pulse of less than 180 degrees leaves are wound by seven turns across a pixel.
    """
    sequence = imaging.moled(FOV, 128, acceleration=2)
    errors, images = check(sequence, 128, transmit, (1, 2, 4, 5, 8))
    psnr = lambda count: 20 * np.log10(images[8].max() / np.sqrt(np.mean((images[count] - images[8]) ** 2)))
    assert psnr(1) < 32
    assert psnr(enough) > 80
    assert (psnr(4) > 80) == (not transmit)
    assert errors[1] > 0.1
