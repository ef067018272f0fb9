"""Signed or magnitude: what images of an inversion recovery are taken for."""

import numpy as np
import pytest

from mrjax.cli import polarity
from mrjax.signals import relaxation

TIME = np.array([0.05, 0.3, 0.8, 2.5])


@pytest.fixture
def signed(rng):
    return np.asarray(relaxation.inversion_recovery(TIME, rng.uniform(0.2, 2.5, 500), m0=800.0))


def test_one_negative_sample_does_not_make_images_signed(signed):
    magnitude = np.abs(signed)
    magnitude[7, 1] = -0.01
    assert polarity.guess(magnitude) == ("magnitude", "0 of 500 voxels have a clearly negative sample")
    magnitude[:20, 1] = -300.0
    assert polarity.guess(magnitude)[0] == "magnitude"


def test_ringing_does_not_make_images_signed(signed, rng):
    assert polarity.guess(np.abs(signed) - rng.uniform(0, 20, signed.shape))[0] == "magnitude"


def test_images_with_signs_are_signed(signed, rng):
    assert polarity.guess(signed + 5 * rng.standard_normal(signed.shape)) == (
        "signed",
        "500 of 500 voxels have a clearly negative sample",
    )
    assert polarity.guess(signed[:1])[0] == "signed"


def test_phases_give_the_signs_back(signed, rng):
    phase = rng.uniform(-np.pi, np.pi, (len(signed), 1))
    np.testing.assert_allclose(polarity.restored(signed * np.exp(1j * phase), TIME), signed, atol=1e-9)
    order = [2, 0, 3, 1]
    found = polarity.restored((signed * np.exp(1j * phase))[:, order], TIME[order])
    np.testing.assert_allclose(found, signed[:, order], atol=1e-9)
    early = TIME < 0.1
    assert (signed[:, early] < 0).all()


def test_phases_give_the_signs_of_times_before_every_null(rng):
    """No sample has passed the null: the voxel is negative throughout."""
    signed = np.asarray(relaxation.inversion_recovery(TIME / 10, rng.uniform(1.0, 2.5, 20)))
    assert (signed < 0).all()
    np.testing.assert_allclose(polarity.restored(signed * 1j, TIME / 10), signed, atol=1e-9)
    np.testing.assert_array_equal(polarity.restored(np.zeros((2, 4), complex), TIME), np.zeros((2, 4)))
