"""B-splines and the terms of objectives, against SciPy and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import interpolate

import mrjax as mr


def test_a_curve_is_that_of_scipy(rng):
    coefficients = rng.standard_normal(7)
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, 5), np.ones(3)])
    exact = interpolate.BSpline(knots, coefficients, 3)(np.linspace(0, 1, 40))
    np.testing.assert_allclose(mr.design.BSpline(7, 40)(jnp.asarray(coefficients)), exact, atol=1e-13)


def test_degree_zero_is_piecewise_constant_and_degree_one_piecewise_linear():
    steps = mr.design.BSpline(3, 6, degree=0)(jnp.array([1.0, 2.0, 5.0]))
    np.testing.assert_array_equal(steps, [1, 1, 2, 2, 5, 5])
    lines = mr.design.BSpline(3, 9, degree=1)(jnp.array([0.0, 4.0, 0.0]))
    np.testing.assert_allclose(lines, [0, 1, 2, 3, 4, 3, 2, 1, 0], atol=1e-14)


def test_bounds_of_coefficients_are_bounds_of_the_curve():
    basis = mr.design.BSpline(9, 100).basis
    assert basis.min() >= 0
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-14)


def test_the_nearest_curve_to_a_curve_is_itself(rng):
    curve, coefficients = mr.design.BSpline(6, 50), rng.standard_normal(6)
    np.testing.assert_allclose(curve.nearest(np.asarray(curve(jnp.asarray(coefficients)))), coefficients, atol=1e-12)


def test_coefficients_keep_their_precision_and_leading_axes():
    curve = mr.design.BSpline(4, 10)(jnp.ones((2, 4), jnp.float32))
    assert (curve.shape, curve.dtype) == ((2, 10), jnp.float32)


def test_terms_by_hand():
    assert float(mr.design.roughness([1.0, 3.0, 3.0])) == 2.0
    assert float(mr.design.energy([3.0, 1.0])) == 5.0
    np.testing.assert_allclose(mr.design.limit_energy(jnp.array([3.0, 1.0]), 1.25), [1.5, 0.5])
    np.testing.assert_array_equal(mr.design.limit_energy(jnp.array([3.0, 1.0]), 6.0), [3.0, 1.0])


def test_a_sum_of_terms_tells_them_and_has_their_derivatives():
    objective = mr.design.weighted_sum({"energy": (2.0, mr.design.energy), "roughness": (0.5, mr.design.roughness)})
    value, terms = objective(jnp.array([3.0, 1.0]))
    assert (float(value), {name: float(term) for name, term in terms.items()}) == (12.0, {"energy": 5, "roughness": 4})
    limited = lambda x: objective(mr.design.limit_energy(x, 1.25))[0]
    check_grads(
        jax.jit(limited), (jnp.array([3.0, 1.0, 2.0]),), order=1, modes=("fwd", "rev"), eps=1e-6, atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: mr.design.BSpline(3, 10, degree=3), "`degree` must be an integer from 0 to `n_coefficients` - 1 = 2"),
        (lambda: mr.design.BSpline(3, 1, degree=0), "`n_samples` must be at least 2, but got 1"),
        (lambda: mr.design.BSpline(4, 10)(jnp.ones(3)), r"`coefficients` must have shape \(..., 4\), but got \(3,\)"),
        (lambda: mr.design.BSpline(4, 10).nearest(np.ones(3)), r"`values` must have shape \(10,\), but got \(3,\)"),
        (lambda: mr.design.roughness([1.0]), r"`values` must have shape \(n,\) with n of at least 2"),
        (lambda: mr.design.limit_energy([1.0], 0.0), "`most` must be positive"),
        (lambda: mr.design.weighted_sum({}), "`terms` must hold at least one term"),
    ],
)
def test_what_makes_no_curve_or_term_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
