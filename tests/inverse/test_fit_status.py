"""What a fit says of itself: a minimum is told from a stall, what was not fitted is nan, and decorators are kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import FitStatus, least_squares, per_voxel_jacobian
from mrjax.signals import relaxation

TE = np.linspace(0.01, 0.15, 12)
START = {"m0": 1.0, "t2": 0.0625}
PRECISIONS = pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])


def decay(params):
    return relaxation.t2_decay(jnp.asarray(TE, params["t2"].dtype), params["t2"], params["m0"])


def measured(dtype, t2=(0.05, 0.09)):
    t2 = jnp.asarray(t2, dtype)
    return decay({"m0": jnp.full(t2.shape, 1.3, dtype), "t2": t2})


def only_where(holds):
    """The decay where `holds(t2)`, elsewhere nan."""
    return lambda params: jnp.where(holds(params["t2"])[..., None], decay(params), jnp.nan)


def test_statuses_are_distinct():
    assert len({int(status) for status in FitStatus}) == 8


@pytest.mark.exhaustive
@PRECISIONS
def test_a_model_that_is_nan_everywhere_but_at_the_start_stalls(dtype):
    fit = least_squares(only_where(lambda t2: t2 == START["t2"]), measured(dtype), START)
    np.testing.assert_array_equal(fit.status, FitStatus.STALLED)
    assert all(np.isnan(deviation).all() for deviation in fit.standard_deviation.values())
    assert fit.iterations.max() < 40


@pytest.mark.exhaustive
@PRECISIONS
def test_what_is_nan_at_once_has_no_parameters(dtype):
    fit = least_squares(only_where(lambda t2: t2 > 1.0), measured(dtype), START)
    np.testing.assert_array_equal(fit.status, FitStatus.NOT_FINITE)
    for values in (*fit.parameters.values(), *fit.standard_deviation.values(), fit.residual):
        assert np.isnan(values).all()


def test_a_voxel_whose_minimum_lies_where_the_model_is_not_defined_stalls():
    fit = least_squares(only_where(lambda t2: t2 > 0.06), measured(jnp.float64), START, max_iterations=1000)
    np.testing.assert_array_equal(fit.status, [FitStatus.STALLED, FitStatus.CONVERGED])
    assert abs(fit.parameters["t2"][0] - 0.06) < 1e-3  # where the search stopped, the lowest cost found
    assert np.isnan(fit.standard_deviation["t2"][0])
    np.testing.assert_allclose(fit.parameters["t2"][1], 0.09, rtol=1e-5)


def test_a_kink_that_holds_the_search_is_no_convergence():
    """The cost of |p - 1| + 1 against 0 is lowest at the kink, where its gradient does not vanish."""
    model = lambda params: jnp.abs(params["p"] - 1.0)[:, None] + jnp.ones((1, 2))
    fit = least_squares(model, jnp.zeros((1, 2)), {"p": 3.3})
    assert fit.status[0] == FitStatus.STALLED
    assert abs(fit.parameters["p"][0] - 1.0) < 1e-3


@pytest.mark.exhaustive
@PRECISIONS
def test_converged_means_that_the_undamped_step_is_far_below_the_error_bar(dtype, rng):
    noise = 0.02 * rng.standard_normal((300, TE.size))
    data = (measured(jnp.float64, rng.uniform(0.03, 0.15, 300)) + noise).astype(dtype)
    fit = least_squares(decay, data, START, bounds=(1e-3, 10.0))
    assert np.all(fit.status == FitStatus.CONVERGED)
    exact = {name: np.asarray(value, float) for name, value in fit.parameters.items()}
    jacobian = np.stack([np.asarray(column) for column in per_voxel_jacobian(decay, exact).values()], axis=-1)
    residual = np.asarray(data, float) - np.asarray(decay({name: jnp.asarray(value) for name, value in exact.items()}))
    step = np.stack([np.linalg.lstsq(j, r, rcond=None)[0] for j, r in zip(jacobian, residual, strict=True)])
    deviation = np.stack([np.asarray(value) for value in fit.standard_deviation.values()], axis=-1)
    assert np.max(np.abs(step) / deviation) < 5e-3


def five_times(model):
    @functools.wraps(model)
    def scaled(params):
        return 5 * model(params)

    return scaled


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("model", "factor"),
    [
        (five_times(decay), 5),
        (jax.jit(five_times(decay)), 5),
        (five_times(jax.jit(five_times(decay))), 25),
    ],
    ids=["decorated", "decorated and jitted", "decorated, jitted and decorated"],
)
def test_what_a_decorator_does_is_part_of_the_model(model, factor):
    fit = least_squares(model, measured(jnp.float64), START)
    np.testing.assert_allclose(fit.parameters["m0"], 1.3 / factor, rtol=1e-9)
    assert np.all(fit.status == FitStatus.CONVERGED)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-9)


@pytest.mark.exhaustive
def test_offset_of_a_decay_is_fitted():
    truth = {"m0": jnp.array([1.0, 2.0]), "t2": jnp.array([0.03, 0.06]), "offset": jnp.array([0.05, -0.02])}
    model = lambda p: relaxation.t2_decay(TE, p["t2"], p["m0"], offset=p["offset"])
    fit = least_squares(model, model(truth), {"m0": 1.5, "t2": 0.05, "offset": 0.0}, noise_std=0.01)
    for name, value in truth.items():
        np.testing.assert_allclose(fit.parameters[name], value, rtol=1e-8)
