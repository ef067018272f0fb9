"""Derivatives of a fit are those of the minimum, in both modes: against differences of minima that Newton steps find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import FitStatus, least_squares, likelihoods
from mrjax.signals.models import VariableFlipAngle

FLIP_ANGLE = jnp.radians(jnp.array([3.0, 6.0, 12.0, 20.0]))
TR = 5e-3
B1 = jnp.array([0.9, 1.0, 1.15])


def signal(x, flip_angle, b1):
    """Of parameters `(m0, t1)` of one voxel, in plain formulas."""
    angle, e1 = flip_angle * b1, jnp.exp(-TR / x[1])
    return x[0] * jnp.sin(angle) * (1 - e1) / (1 - e1 * jnp.cos(angle))


def noisy(rng, scale=0.01):
    clean = jax.vmap(lambda t1, b1: signal(jnp.array([1.0, t1]), FLIP_ANGLE, b1))(jnp.array([0.6, 1.0, 1.4]), B1)
    return jnp.abs(clean + scale * clean.max() * rng.standard_normal(clean.shape))


COSTS = {
    "squared": lambda s, d, sigma: jnp.sum(((d - s) / sigma) ** 2),
    "cauchy": lambda s, d, sigma: jnp.sum(jnp.log1p(((d - s) / sigma) ** 2)),
    "rician": lambda s, d, sigma: jnp.sum(
        (d**2 + s**2) / sigma**2 - 2 * d * s / sigma**2 - 2 * jnp.log(jax.scipy.special.i0e(d * s / sigma**2))
    ),
}


def minimum(cost):
    """The parameters `(voxel, 2)` at the minimum of a cost near some, by Newton steps in each voxel."""

    def of_one(x, data, flip_angle, b1, sigma):
        total = lambda x: cost(signal(x, flip_angle, b1), data, sigma)
        for _ in range(4):
            x = x - jnp.linalg.solve(jax.hessian(total)(x), jax.grad(total)(x))
        return x

    return jax.jit(jax.vmap(of_one, (0, 0, None, 0, None)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("squared", {}),
        pytest.param("cauchy", {"loss": "cauchy"}, marks=pytest.mark.slow),
        pytest.param("rician", {"likelihood": "rician"}, marks=pytest.mark.slow),
    ],
)
def test_both_modes_give_the_change_of_the_minimum(kind, options, rng):
    """In the data, in settings and maps that the model holds, and in the noise of each sample."""
    data, sigma = noisy(rng), jnp.array([0.7, 1.0, 1.3, 1.0]) * 0.002

    def fitted(data, flip_angle, b1, sigma):
        found = least_squares(VariableFlipAngle(flip_angle, TR, b1), data, noise_std=sigma, **options)
        return jnp.stack([found.parameters["m0"], found.parameters["t1"]], axis=-1)

    given = (data, FLIP_ANGLE, B1, sigma)
    directions = tuple(jnp.asarray(rng.standard_normal(x.shape)) * x for x in given)
    weights = jnp.asarray(rng.standard_normal((3, 2)))
    both = jax.jit(lambda *given: (jax.jvp(fitted, given, directions), jax.vjp(fitted, *given)[1](weights)))
    (x, forward), reverse = both(*given)
    newton = minimum(COSTS[kind])
    at = lambda step: newton(x, *(value + step * way for value, way in zip(given, directions, strict=True)))
    expected = (at(1e-5) - at(-1e-5)) / 2e-5
    np.testing.assert_allclose(forward, expected, rtol=1e-5)
    for i, (value, way) in enumerate(zip(given, directions, strict=True)):
        moved = lambda step, i=i, value=value, way=way: newton(x, *given[:i], value + step * way, *given[i + 1 :])
        change = jnp.sum(weights * (moved(1e-5) - moved(-1e-5))) / 2e-5
        np.testing.assert_allclose(jnp.sum(reverse[i] * way), change, rtol=1e-5)


def decay(te, p):
    return p["m0"][..., None] * jnp.exp(-jnp.expand_dims(te, range(p["t2"].ndim)) / p["t2"][..., None])


TE = jnp.linspace(0.01, 0.12, 8)


def of_decays(rng, t2=(0.05, 0.08), noise=0.02):
    t2 = jnp.asarray(t2)
    return decay(TE, {"m0": jnp.ones_like(t2), "t2": t2}) + noise * rng.standard_normal((*t2.shape, 8))


@pytest.mark.slow
def test_the_way_to_the_minimum_does_not_matter(rng):
    """Nor do batch axes of `vmap`, and a function may close over what is differentiated."""

    def loss(te, data, start):
        fit = least_squares(lambda p: decay(te, p), data, {"m0": 1.0, "t2": start})
        return jnp.sum(fit.parameters["t2"]), fit.iterations

    starts, data = jnp.array([[0.06, 0.06], [0.3, 0.02]]), of_decays(rng)
    slopes, iterations = jax.jit(jax.vmap(jax.grad(loss, argnums=(0, 1, 2), has_aux=True), (None, None, 0)))(
        TE, data, starts
    )
    assert np.all(iterations[0] != iterations[1])
    for each in slopes[:2]:
        np.testing.assert_allclose(each[0], each[1], rtol=1e-6, atol=1e-8 * np.abs(each).max())
        assert np.abs(each).max() > 0
    np.testing.assert_array_equal(slopes[2], 0.0)


def test_a_parameter_on_a_bound_moves_with_the_bound_alone(rng):
    data = of_decays(rng, (0.03, 0.08))  # the first is held at 0.06, the second is free

    def fitted(data, lower):
        fit = least_squares(lambda p: decay(TE, p), data, {"m0": 1.0, "t2": 0.07}, ({"m0": 0.0, "t2": lower}, 10.0))
        return fit.parameters

    changes = jax.jit(jax.jacrev(fitted, argnums=(0, 1)))(data, jnp.asarray(0.06))
    in_data, in_bound = ({name: both[i] for name, both in changes.items()} for i in range(2))
    np.testing.assert_array_equal(in_data["t2"][0], 0.0)
    assert np.all(in_data["t2"][1, 1] != 0)
    np.testing.assert_array_equal(in_bound["t2"], [1.0, 0.0])
    # with T2 held, M0 is that of linear least squares
    shape = np.exp(-np.asarray(TE) / 0.06)
    np.testing.assert_allclose(in_data["m0"][0, 0], shape / np.sum(shape**2), rtol=1e-10)
    m0 = lambda t2: (
        np.sum(np.exp(-np.asarray(TE) / t2) * np.asarray(data[0])) / np.sum(np.exp(-np.asarray(TE) / t2) ** 2)
    )
    np.testing.assert_allclose(in_bound["m0"][0], (m0(0.06 + 1e-6) - m0(0.06 - 1e-6)) / 2e-6, rtol=1e-6)


@pytest.mark.slow
def test_what_has_not_converged_has_no_derivative_and_spoils_no_other(rng):
    data = of_decays(rng, (0.05, 0.08, 0.05)).at[2, 1].set(jnp.nan)
    start = {"m0": 1.0, "t2": jnp.array([5.0, 0.08, 0.05])}

    def fitted(data, sigma):
        return least_squares(lambda p: decay(TE, p), data, start, noise_std=sigma, max_iterations=4)

    def total(data, sigma, keep):
        fit = fitted(data, sigma)
        return jnp.sum(jnp.where(keep, fit.parameters["t2"], 0.0)), fit.status

    sigma = jnp.linspace(0.01, 0.02, 8)
    good = jnp.array([False, True, False])
    slope = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
    (in_data, in_sigma), status = slope(data, sigma, good)
    np.testing.assert_array_equal(status, [FitStatus.MAX_ITERATIONS, FitStatus.CONVERGED, FitStatus.NOT_FINITE])
    assert np.all(np.isfinite(in_sigma))
    np.testing.assert_array_equal(in_data[np.array([0, 2])], 0.0)
    assert np.all(in_data[1] != 0)
    (in_data, _), _ = slope(data, sigma, ~good)
    assert np.all(np.isnan(in_data[0]))
    forward = jax.jvp(lambda data: fitted(data, sigma).parameters["t2"], (data,), (jnp.ones_like(data),))[1]
    np.testing.assert_array_equal(np.isnan(forward), [True, False, True])


@pytest.mark.exhaustive
def test_second_derivatives_are_those_of_first_ones(rng):
    data = of_decays(rng, (0.05,), 0.01)
    found = lambda data: least_squares(lambda p: decay(TE, p), data, {"m0": 1.0, "t2": 0.06}).parameters["t2"][0]
    way = jnp.asarray(rng.standard_normal(data.shape))
    slope = jax.jit(jax.grad(found))
    second = jax.jit(lambda data: jax.jvp(jax.grad(found), (data,), (way,))[1])(data)
    expected = (slope(data + 1e-3 * way) - slope(data - 1e-3 * way)) / 2e-3
    np.testing.assert_allclose(second, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_error_bars_have_derivatives(rng):
    """Twice the noise makes twice the error bar."""
    data = of_decays(rng)
    spread = lambda sigma: least_squares(lambda p: decay(TE, p), data, {"m0": 1.0, "t2": 0.06}, noise_std=sigma)
    fit, change = jax.jvp(spread, (jnp.asarray(0.02),), (jnp.asarray(0.02),))
    np.testing.assert_allclose(change.standard_deviation["t2"], fit.standard_deviation["t2"], rtol=1e-6)
    np.testing.assert_allclose(change.covariance, 2 * fit.covariance, rtol=1e-6)
    np.testing.assert_allclose(change.residual, 0.0, atol=1e-6)
    information = likelihoods.products(jnp.stack(jax.tree.leaves(jacobian(fit.parameters)), axis=-1)) / 0.02**2
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(information), rtol=1e-8)


def jacobian(p):
    """In closed form, sorted by name."""
    shape = jnp.exp(-TE[None] / p["t2"][:, None])
    return {"m0": shape, "t2": p["m0"][:, None] * shape * TE[None] / p["t2"][:, None] ** 2}
