"""Scores of susceptibility maps: those of QSM-CI, what they ignore, their derivatives, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

from mrjax.encoding import Dipole
from mrjax.inverse import qsm

SHAPE = (12, 10, 9)
DEEP_GREY_MATTER = (1, 2, 3, 4, 5, 6)
SCORES = (qsm.nrmse, qsm.hfen, qsm.xsim)


@pytest.fixture
def maps(rng):
    mask = np.zeros(SHAPE, bool)
    mask[2:10, 1:9, 2:8] = True
    truth = 0.05 * rng.normal(size=SHAPE)
    return truth + 0.01 * rng.normal(size=SHAPE), truth, mask


@pytest.mark.exhaustive
def test_scores_are_those_of_the_leaderboard(reference_data):
    """What `score_arrays` of the package qsm-ci 0.6.2 (PyPI) answers for this map; both are zero outside of the mask."""
    phantom = np.load(reference_data("qsm_phantom/brain_2mm.npz"))
    names = ("mask", "chi_ppm", "field_ppm", "seg")
    mask, truth, field, labels = (phantom[name][24:72, 30:90, 24:72] for name in names)
    truth, field = truth * mask.astype(float), field * mask.astype(float)
    dipole = Dipole(mask.shape, 2e-3, phantom["b0_dir"].astype(float), padding=1)
    found = qsm.tkd(field, dipole, 0.15) * mask
    np.testing.assert_allclose(qsm.nrmse(found, truth, mask), 50.89755250048246, rtol=1e-6)
    np.testing.assert_allclose(qsm.hfen(found, truth, mask), 43.347982471289235, rtol=1e-6)
    np.testing.assert_allclose(qsm.xsim(found, truth, mask), 0.6592343446249374, rtol=1e-6)
    off_one = 0.008095255560683356  # which has lost its sign
    np.testing.assert_allclose(abs(1 - qsm.slope(found, truth, labels, DEEP_GREY_MATTER)), off_one, rtol=1e-6)


@pytest.mark.exhaustive
def test_equal_maps_score_best(maps):
    _, truth, mask = maps
    assert qsm.nrmse(truth, truth, mask) == 0
    assert qsm.hfen(truth, truth, mask) == 0
    np.testing.assert_allclose(qsm.xsim(truth, truth, mask), 1, rtol=1e-12)


def test_what_lies_outside_of_the_mask_does_not_matter(maps):
    found, truth, mask = maps
    for score in SCORES:
        expected = score(found, truth, mask)
        np.testing.assert_allclose(score(np.where(mask, found, 7.0), np.where(mask, truth, np.nan), mask), expected)


def test_the_mean_matters_to_structural_similarity_alone(maps):
    found, truth, mask = maps
    np.testing.assert_allclose(qsm.nrmse(found + 0.1, truth, mask), qsm.nrmse(found, truth, mask), rtol=1e-9)
    assert qsm.xsim(found + 0.1, truth, mask) < 0.9 * qsm.xsim(found, truth, mask)


def test_single_precision_is_enough(maps):
    single = [values.astype(np.float32) for values in maps[:2]]
    mask = maps[2]
    for score in SCORES:
        found = score(single[0], single[1], mask)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, score(maps[0], maps[1], mask), rtol=2e-5)


@pytest.mark.parametrize("score", SCORES)
def test_derivatives_are_those_of_differences(maps, score, rng):
    found, truth, mask = maps
    toward, h = rng.normal(size=SHAPE), 1e-7
    slope = jnp.vdot(compiled_quickly(jax.grad(lambda found: score(found, truth, mask)))(found), toward)
    difference = (score(found + h * toward, truth, mask) - score(found - h * toward, truth, mask)) / (2 * h)
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, t, m: qsm.nrmse(x[1:], t, m), "Maps must have one shape"),
        (lambda x, t, m: qsm.hfen(x, t, m[1:]), "`mask` must have the shape"),
        (lambda x, t, m: qsm.xsim(x, t, 0 * m), "`mask` must hold at least one voxel"),
        (lambda x, t, m: qsm.xsim(x[0], t[0], m[0]), "`truth` must be a volume"),
        (lambda x, t, m: qsm.slope(x, t, m, (1,)), "`regions` must name at least two"),
        (lambda x, t, m: qsm.slope(x, t, m, (0, 5)), "`regions` must all be in `labels`"),
        (lambda x, t, m: qsm.slope(x, t, m[1:], (0, 1)), "Maps must have one shape"),
    ],
)
def test_mistakes_are_named(maps, call, message):
    found, truth, mask = maps
    with pytest.raises(ValueError, match=message):
        call(found, truth, mask.astype(int))
