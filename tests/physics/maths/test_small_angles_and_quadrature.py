"""Quotients that are smooth at zero, and integrals of polynomials between times."""

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.physics.maths.quadrature import integrals_until, points_between, weights_between
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.maths.trigonometry import cosine_and_sinc, sinc_and_versine


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_keep_their_digits_at_every_angle(dtype):
    """On both sides of the limit of 0.01 rad, below which series take over."""
    square = jnp.asarray(np.concatenate([[0.0], np.logspace(-14, 2, 400)]), dtype)
    t = np.sqrt(np.asarray(square).astype(np.longdouble))
    exact_sinc, half = np.sinc(t / np.pi), np.sinc(t / 2 / np.pi)
    (cosine, sinc), (again, versine) = cosine_and_sinc(square), sinc_and_versine(square)
    for found, exact in ((cosine, np.cos(t)), (sinc, exact_sinc), (again, exact_sinc), (versine, half**2 / 2)):
        assert found.dtype == dtype
        np.testing.assert_allclose(np.asarray(found).astype(np.longdouble), exact, atol=8 * np.finfo(dtype).eps, rtol=0)


def test_three_points_integrate_the_fifth_degree():
    edges = jnp.array([0.0, 0.5, 0.5, 2.0])
    points = points_between(edges)
    np.testing.assert_allclose(integrals_until(edges, points**5), edges**6 / 6, rtol=1e-14)
    np.testing.assert_allclose(jnp.sum(weights_between(edges) * points**5, axis=1), jnp.diff(edges**6) / 6, rtol=1e-13)


def test_the_sum_of_what_is_given():
    one = jnp.ones(2)
    np.testing.assert_array_equal(sum_of_given(None, one, None, 2 * one), [3, 3])
    assert sum_of_given(None, None) is None
