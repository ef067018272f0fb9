"""Least squares: recovered parameters, calibrated error bars, bounds, and what becomes of hopeless voxels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import FitStatus, least_squares, per_voxel_jacobian
from mrjax.jax_rules import PLAIN_JAX
from mrjax.signals import relaxation

TE = jnp.linspace(0.01, 0.15, 12)


def decay(params):
    return relaxation.t2_decay(TE, params["t2"], params["m0"])


def truth(n, rng):
    return {"m0": jnp.asarray(rng.uniform(0.5, 2.0, n)), "t2": jnp.asarray(rng.uniform(0.03, 0.15, n))}


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 1e-12), (jnp.float32, 2e-6)])
def test_noise_free_parameters_are_recovered(rng, dtype, tolerance):
    params = truth(500, rng)
    # the precision is that of the model as well, so its constants must be narrow too
    model = lambda p: relaxation.t2_decay(TE.astype(dtype), p["t2"], p["m0"])
    data = decay(params).astype(dtype)
    fit = least_squares(model, data, {"m0": 1.0, "t2": 0.07}, bounds=(0.0, 10.0))
    assert fit.parameters["t2"].dtype == dtype
    for name, value in params.items():
        np.testing.assert_allclose(fit.parameters[name], value, rtol=tolerance)
    assert np.all(fit.status == FitStatus.CONVERGED)
    assert fit.iterations.max() < 15
    np.testing.assert_allclose(fit.residual, 0, atol=10 * tolerance)


@pytest.mark.exhaustive
def test_voxel_shapes_of_any_rank(rng):
    params = {name: value.reshape(2, 3, 4) for name, value in truth(24, rng).items()}
    fit = least_squares(decay, decay(params), {"m0": 1.0, "t2": jnp.full((3, 4), 0.07)})
    assert fit.parameters["t2"].shape == fit.status.shape == (2, 3, 4)
    np.testing.assert_allclose(fit.parameters["t2"], params["t2"], rtol=1e-9)
    one = least_squares(decay, decay(params)[0, 0, 0], {"m0": 1.0, "t2": 0.07})
    np.testing.assert_allclose(one.parameters["t2"], params["t2"][0, 0, 0], rtol=1e-9)


@pytest.mark.exhaustive
def test_error_bars_are_calibrated_when_the_noise_is_known(rng):
    params, noise_std = truth(10_000, rng), 0.01
    data = decay(params) + noise_std * rng.standard_normal((10_000, TE.size))
    fit = least_squares(decay, data, {"m0": 1.0, "t2": 0.07}, bounds=(0.0, 10.0), noise_std=noise_std)
    assert np.mean(fit.status == FitStatus.CONVERGED) > 0.999
    for name, value in params.items():
        z = (fit.parameters[name] - value) / fit.standard_deviation[name]
        assert 0.93 < np.mean(np.abs(z) < 1.96) < 0.97
        assert 0.66 < np.mean(np.abs(z) < 1.0) < 0.71


@pytest.mark.exhaustive
def test_error_bars_follow_students_t_when_the_noise_is_estimated(rng):
    params, noise_std = truth(10_000, rng), 0.01
    data = decay(params) + noise_std * rng.standard_normal((10_000, TE.size))
    fit = least_squares(decay, data, {"m0": 1.0, "t2": 0.07}, bounds=(0.0, 10.0))
    for name, value in params.items():
        z = np.abs(fit.parameters[name] - value) / fit.standard_deviation[name]
        assert 0.93 < np.mean(z < 2.228) < 0.97  # 95 % of Student's t with 10 degrees of freedom


@pytest.mark.exhaustive
def test_error_bars_of_a_complex_simulation(rng):
    """A model that is a simulation: T1, T2 and complex M0 from a short fingerprint."""
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = mr.protocols.mrf_fisp(flip_angle[:150], tr[:150], te=2e-3, inversion_time=0.02)
    noise_std, n = 0.003, 500

    def model(p):
        m0 = p["m0_real"] + 1j * p["m0_imaginary"]
        return m0[:, None] * mr.play(sequence, mr.Tissue(p["t1"], p["t2"]), mr.EPG(10))[0]

    true = {"m0_real": 0.8, "m0_imaginary": -0.4, "t1": 1.1, "t2": 0.09}
    params = {name: jnp.full(n, value) for name, value in true.items()}
    noise = rng.standard_normal((n, 150)) + 1j * rng.standard_normal((n, 150))
    init = {"m0_real": 1.0, "m0_imaginary": 0.0, "t1": 0.8, "t2": 0.06}
    fit = least_squares(model, model(params) + noise_std * noise, init, noise_std=noise_std)
    z = (fit.parameters["t1"] - 1.1) / fit.standard_deviation["t1"]
    assert 0.91 < np.mean(np.abs(z) < 1.96) < 0.98
    assert abs(np.mean(z)) < 0.2


@pytest.mark.slow
def test_standard_deviation_is_that_of_the_jacobian(rng):
    params = truth(3, rng)
    fit = least_squares(decay, decay(params), params, noise_std=0.02)
    jacobian = per_voxel_jacobian(decay, params)
    for voxel in range(3):
        columns = np.stack([jacobian["m0"][voxel], jacobian["t2"][voxel]], axis=-1)
        expected = 0.02 * np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)))
        got = [fit.standard_deviation["m0"][voxel], fit.standard_deviation["t2"][voxel]]
        np.testing.assert_allclose(got, expected, rtol=1e-8)


@pytest.mark.exhaustive
def test_noise_of_each_sample_weights_it(rng):
    params = truth(20, rng)
    data = decay(params).at[:, 3].add(5.0)  # an outlier that is known to be one
    noise_std = jnp.full(TE.size, 0.01).at[3].set(1e6)
    fit = least_squares(decay, data, {"m0": 1.0, "t2": 0.07}, noise_std=noise_std)
    np.testing.assert_allclose(fit.parameters["t2"], params["t2"], rtol=1e-6)


def test_bounds_hold_and_the_others_still_get_error_bars(rng):
    params = {"m0": jnp.ones(4), "t2": jnp.array([0.02, 0.05, 0.1, 0.3])}
    limits = ({"m0": 0.0, "t2": 0.04}, {"m0": 5.0, "t2": 0.2})
    fit = least_squares(decay, decay(params), {"m0": 1.0, "t2": 0.07}, bounds=limits, noise_std=0.01)
    np.testing.assert_allclose(fit.parameters["t2"], [0.04, 0.05, 0.1, 0.2], rtol=1e-9)
    expected = [FitStatus.AT_BOUND, FitStatus.CONVERGED, FitStatus.CONVERGED, FitStatus.AT_BOUND]
    np.testing.assert_array_equal(fit.status, expected)
    np.testing.assert_array_equal(np.isnan(fit.standard_deviation["t2"]), [True, False, False, True])
    assert np.all(np.isfinite(fit.standard_deviation["m0"]))


def test_hopeless_voxels_are_told_and_leave_the_others_alone(rng):
    params = truth(4, rng)
    data = decay(params).at[1].set(0.0).at[2, 5].set(jnp.nan)
    fit = least_squares(decay, data, {"m0": 1.0, "t2": 0.07}, bounds=(1e-3, 10.0))
    good = np.array([0, 3])
    np.testing.assert_allclose(fit.parameters["t2"][good], params["t2"][good], rtol=1e-9)
    assert fit.status[2] == FitStatus.NOT_FINITE
    assert np.isnan(fit.standard_deviation["t2"][2])
    assert fit.status[1] == FitStatus.AT_BOUND  # no signal: M0 goes to its lower bound


@pytest.mark.exhaustive
def test_a_parameter_nothing_depends_on_is_unidentifiable(rng):
    model = lambda p: decay(p) + 0.0 * p["idle"][..., None]
    params = truth(3, rng)
    fit = least_squares(model, decay(params), {"m0": 1.0, "t2": 0.07, "idle": 1.0}, noise_std=0.01)
    assert np.all(fit.status == FitStatus.UNIDENTIFIABLE)
    assert np.all(np.isinf(fit.standard_deviation["idle"]))
    np.testing.assert_allclose(fit.parameters["t2"], params["t2"], rtol=1e-9)


@pytest.mark.exhaustive
def test_stops_after_the_given_iterations(rng):
    fit = least_squares(decay, decay(truth(5, rng)), {"m0": 1.0, "t2": 0.5}, max_iterations=2)
    assert np.all(fit.iterations == 2)
    assert np.all(fit.status == FitStatus.MAX_ITERATIONS)


def test_works_inside_jit(rng):
    params = truth(5, rng)
    t2 = jax.jit(lambda data: least_squares(decay, data, {"m0": 1.0, "t2": 0.07}).parameters["t2"])
    np.testing.assert_allclose(t2(decay(params)), params["t2"], rtol=1e-9)


@pytest.mark.slow
def test_forward_mode_gives_the_derivative_of_the_solution():
    """Scaling noise-free data scales M0 and leaves T2 alone."""
    data = decay({"m0": jnp.array([1.3]), "t2": jnp.array([0.08])})
    fitted = lambda scale: least_squares(decay, scale * data, {"m0": 1.0, "t2": 0.07}).parameters
    _, slope = jax.jvp(fitted, (1.0,), (1.0,))
    np.testing.assert_allclose(slope["m0"], 1.3, rtol=1e-6)
    np.testing.assert_allclose(slope["t2"], 0.0, atol=1e-8)


@pytest.mark.exhaustive
@pytest.mark.parametrize("wrap", [lambda model: model, jax.jit])
def test_steps_to_impossible_values_are_taken_back(wrap):
    train = mr.protocols.cpmg(jnp.full(8, jnp.pi), 0.01)
    model = wrap(lambda p: p["m0"][:, None] * mr.simulate(train, mr.Tissue(1.0, p["t2"])).real)
    data = model({"m0": jnp.ones(2), "t2": jnp.array([0.02, 0.1])})
    fit = least_squares(model, data, {"m0": 1.0, "t2": 1.0})
    np.testing.assert_allclose(fit.parameters["t2"], [0.02, 0.1], rtol=1e-8)


@pytest.mark.skipif(PLAIN_JAX, reason="nan, not an error, in plain JAX")
def test_traced_bounds_that_cross_are_refused():
    fit = jax.jit(lambda low: least_squares(decay, jnp.ones((1, 12)), {"m0": 1.0, "t2": 0.07}, bounds=(low, 0.01)))
    with pytest.raises(Exception, match="must be below the upper ones"):
        jax.block_until_ready(fit(1.0))


def test_jacobian_is_that_of_finite_differences(rng):
    params = {name: value.reshape(2, 3) for name, value in truth(6, rng).items()}
    jacobian = per_voxel_jacobian(decay, params)
    for name in params:
        step = 1e-6 * params[name]
        above, below = ({**params, name: params[name] + sign * step} for sign in (1, -1))
        expected = (decay(above) - decay(below)) / (2 * step[..., None])
        np.testing.assert_allclose(jacobian[name], expected, rtol=1e-7, atol=1e-8)


@pytest.mark.exhaustive
def test_jacobian_of_a_simulation_equals_reverse_mode():
    train = mr.protocols.cpmg(jnp.full(6, 2.2), 0.01)
    model = lambda p: mr.simulate(train, mr.Tissue(p["t1"], p["t2"])).real
    params = {"t1": jnp.array([0.8, 1.5]), "t2": jnp.array([0.07, 0.2])}
    jacobian = per_voxel_jacobian(model, params)
    full = jax.jit(jax.jacrev(model))(params)
    for name in params:
        expected = np.einsum("vnv->vn", np.asarray(full[name]))
        np.testing.assert_allclose(jacobian[name], expected, rtol=1e-10, atol=1e-14)


def test_the_search_holds_its_model_once():
    """Large models are what takes long to compile: once for all steps with the first, and once for the residual."""
    model = lambda p: jax.scipy.special.erf(p["t1"][..., None] * jnp.array([[0.5, 1.0, 2.0]]))
    fit = lambda data: least_squares(model, data, {"t1": 1.0}).parameters
    assert str(jax.make_jaxpr(fit)(jnp.full((2, 3), 0.5))).count(" erf ") == 2
