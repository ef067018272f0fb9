"""The optimiser of designs: known optima, bounds, constraints, and what goes wrong, each with its sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mrjax as mr
from mrjax.units import ms

CONSTRAINED = mr.design.Constrained("SLSQP", tolerance=1e-12)


def designed(objective, start, free=lambda x: x, **options):
    return mr.design.optimise(objective, start, free=free, progress=False, **options)


def square(x):
    return jnp.sum((x - jnp.array([2.0, 0.5])) ** 2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimiser", [None, CONSTRAINED])
def test_a_minimum_beyond_a_bound_is_found_on_it(optimiser):
    result = designed(square, jnp.array([1.0, 0.0]), bounds=(0.0, 1.0), optimiser=optimiser)
    np.testing.assert_allclose(result.best[0], 1.0, atol=1e-14)  # where it began, too
    np.testing.assert_allclose(result.best[1], 0.5, atol=2e-4)
    np.testing.assert_allclose(result.objective, 1.0, atol=1e-6)
    assert result.history.lines[0]["objective"] == 1.25
    assert result.factor == pytest.approx(1.25, abs=1e-5)


def test_the_slope_on_a_bound_is_whole():
    result = designed(jnp.sum, jnp.array([1.0]), bounds=(0.0, 1.0), optimiser=optax.sgd(0.25), steps=1)
    np.testing.assert_allclose(result.best, [0.75])


def test_steps_are_relative_to_bounds_and_to_the_size_of_the_objective():
    """A tenth of the slope, in units of both."""
    objective = lambda x: 1e-9 * jnp.sum(x)
    result = designed(objective, jnp.array([5e-3]), bounds=(0.0, 10e-3), optimiser=optax.sgd(0.1), steps=1)
    np.testing.assert_allclose(result.best, [5e-3 - 10e-3 * 0.1 * 2])  # the slope is 2 in the middle of the width


@pytest.mark.parametrize(
    ("method", "error"), [("SLSQP", 1e-6), pytest.param("trust-constr", 1e-4, marks=pytest.mark.slow)]
)
def test_constraints_are_kept(method, error):
    """The nearest point to (2, 0.5) on the line x + y = 1 within |x - y| <= 1; a barrier keeps a little off such corners."""
    constraints = [mr.design.Constraint(jnp.sum, 1.0, 1.0), mr.design.Constraint(jnp.diff, -1.0, 1.0)]
    optimiser = mr.design.Constrained(method, tolerance=1e-10)
    result = designed(square, jnp.array([0.5, 0.2]), constraints=constraints, optimiser=optimiser)
    np.testing.assert_allclose(result.best, [1.0, 0.0], atol=error)
    assert result.history.lines[-1]["breach"] < 1e-6
    assert result.history.lines[0]["breach"] == pytest.approx(0.3)
    assert result.reason.startswith(f"{method}: ")


def test_a_start_that_breaks_a_constraint_is_not_the_best_however_good():
    result = designed(
        square, jnp.array([2.0, 0.4]), constraints=[mr.design.Constraint(jnp.sum, upper=1.0)], optimiser=CONSTRAINED
    )
    np.testing.assert_allclose(jnp.sum(result.best), 1.0, atol=1e-6)


@pytest.mark.exhaustive
def test_leaves_of_a_sequence_are_free():
    """The flip angle of most signal in the steady state is that of Ernst."""
    start = mr.protocols.spgr(0.3, tr=50 * ms, te=0.0, n_repetitions=40, phase_increment=None)
    tissue = mr.Tissue(t1=0.2, t2=0.05)
    objective = lambda sequence: -jnp.abs(mr.simulate(sequence, tissue)[-1])
    angle = lambda sequence: sequence.events[0].events[0].flip_angle
    result = designed(objective, start, free=angle, bounds=(0.01, 1.5), optimiser=CONSTRAINED)
    exact = float(mr.signals.relaxation.ernst_angle(50 * ms, 0.2)[0])
    np.testing.assert_allclose(angle(result.best), exact, rtol=1e-4)
    assert list(result.free) == [".events[0].events[0].flip_angle"]
    assert isinstance(result.best, mr.Sequence)


@pytest.mark.exhaustive
def test_leaves_keep_their_precision_and_others_their_value():
    start = {"tr": jnp.float32(0.5), "te": 3, "flip_angle": jnp.ones(2, jnp.float32)}
    objective = lambda p: (p["tr"] - 0.25) ** 2 * p["te"] + jnp.sum(p["flip_angle"] ** 2)
    result = designed(
        objective,
        start,
        free=lambda p: [p["tr"], p["flip_angle"]],
        bounds=[(0.0, 1.0), (jnp.array([-1.0, 0.5]), None)],
    )
    assert result.best["te"] == 3
    assert {result.best["tr"].dtype, result.best["flip_angle"].dtype} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(result.best["tr"], 0.25, atol=1e-3)
    np.testing.assert_allclose(result.best["flip_angle"], [0.0, 0.5], atol=1e-3)


def test_terms_are_in_the_history_and_the_text():
    objective = mr.design.weighted_sum({"energy": (1.0, mr.design.energy), "roughness": (3.0, mr.design.roughness)})
    result = designed(objective, jnp.array([1.0, 3.0]), steps=5)
    assert len(result.history.column("energy")[1]) == 6
    line = result.history.lines[2]
    assert line["objective"] == pytest.approx(line["energy"] + 3 * line["roughness"])
    assert str(result).startswith("Design: objective 17 to ")
    assert "All 5 steps were taken." in str(result)


def test_a_search_that_leaves_where_the_objective_is_defined_ends_with_the_best():
    result = designed(lambda x: jnp.sum(jnp.log(x)), jnp.array([0.6]), optimiser=optax.sgd(0.5), steps=20)
    assert "were not finite after" in result.reason
    assert 0 < float(result.best[0]) < 0.6


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("objective", "start", "options", "sentence"),
    [
        (lambda x: x, jnp.ones(2), {}, r"`objective` must be a real scalar, but got float64 of shape \(2,\); sum"),
        (lambda x: jnp.sum(x) * 1j, jnp.ones(2), {}, "`objective` must be a real scalar, but got complex128"),
        (lambda x: (jnp.sum(x), [1]), jnp.ones(2), {}, "The terms of `objective` must be a dictionary, but got list"),
        (lambda x: (jnp.sum(x), {"a": x}), jnp.ones(2), {}, "`a` must be a real scalar"),
        (lambda x: jnp.sum(jnp.log(x)), -jnp.ones(2), {}, "`objective` must be finite at the start, but is nan"),
        (lambda x: jnp.sum(jnp.sqrt(x)), jnp.zeros(2), {}, "The derivative of `objective` in the start is not finite"),
        (
            lambda p: p["tr"] ** 2,
            {"tr": 1.0, "te": 0.1},
            {"free": lambda p: [p["tr"], p["te"]]},
            r"`objective` does not depend on \['te'\] at the start",
        ),
        (
            jnp.sum,
            jnp.array([2.0, 0.0]),
            {"bounds": (0.0, 1.0)},
            r"starts outside its bounds: 2 is not between 0 and 1",
        ),
        (jnp.sum, jnp.ones(2), {"bounds": (2.0, 1.0)}, "lower bound of the start must not be above the upper one"),
        (jnp.sum, jnp.ones(2), {"bounds": (jnp.zeros(3), 1.0)}, r"must be numbers or have its shape \(2,\)"),
        (jnp.sum, jnp.ones(2), {"bounds": [0.0]}, r"`bounds` must have the form of what `free` returns"),
        (jnp.sum, jnp.ones(2), {"free": lambda x: x[:1]}, "`free` must take a design and return some of its leaves"),
        (jnp.sum, jnp.ones(2), {"free": lambda x: 1.0}, "`free` must return leaves of the start.*got float"),
        (jnp.sum, jnp.ones(2), {"free": lambda x: [x, x]}, "`free` must return each leaf once"),
        (jnp.sum, jnp.ones(2) * 1j, {}, "must be real, but got complex128"),
        (jnp.sum, jnp.array([1.0, jnp.nan]), {}, "must be finite"),
        (jnp.sum, jnp.ones(2), {"optimiser": "adam"}, r"`optimiser` must be of optax, `mr.design.Constrained\(\)` or"),
        (jnp.sum, jnp.ones(2), {"steps": 0}, "`steps` must be an integer of at least 1"),
        (
            jnp.sum,
            jnp.ones(2),
            {"constraints": [mr.design.Constraint(jnp.sum, upper=1.0)]},
            "`constraints` need `optimiser=mr.design.Constrained",
        ),
    ],
)
def test_what_cannot_be_designed_is_refused_with_the_reason(objective, start, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        designed(objective, start, **options)


def test_constraints_and_methods_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="`lower` must not be above `upper`"):
        mr.design.Constraint(jnp.sum, 2.0, 1.0)
    with pytest.raises(ValueError, match="`method` must be one of SLSQP, trust-constr"):
        mr.design.Constrained("Newton")
    with pytest.raises(ValueError, match="`tolerance` must be positive"):
        mr.design.Constrained(tolerance=0.0)


def test_single_precision_designs_too():
    with jax.enable_x64(False):
        result = designed(square, jnp.array([1.0, 0.0]), bounds=(0.0, 1.0), optimiser=mr.design.Constrained())
        assert result.best.dtype == jnp.float32
    np.testing.assert_allclose(result.best, [1.0, 0.5], atol=1e-3)
