"""Searches without derivatives: the optimum of all that there is, under constraints, with whole numbers."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import ms

SHOTS, ECHOES, SPACINGS = range(1, 17), range(1, 33), range(5, 21)
BOUNDS = {"n_shots": (1, 16), "n_echoes": (1, 32), "spacing_ms": (5, 20)}
START = {"n_shots": 16, "n_echoes": 32, "spacing_ms": 20}


def variance(design):
    """Of T2 from trains of echoes that are repeated, per unit of time; the number of echoes is a shape."""
    n, spacing = design["n_echoes"], design["spacing_ms"] * ms
    te = spacing * np.arange(1, n + 1)
    signal = np.exp(-te / 0.06)
    slopes = np.stack([signal, signal * te / 0.06**2])
    fisher = design["n_shots"] * slopes @ slopes.T + 1e-9 * np.eye(2)
    return np.linalg.inv(fisher)[1, 1]


def duration(design):
    return np.asarray(design["n_shots"] * (design["n_echoes"] * design["spacing_ms"] + 30.0))


def designed(steps=300, **options):
    return mr.design.optimise(
        variance,
        START,
        free=lambda design: design,
        bounds=BOUNDS,
        constraints=[mr.design.Constraint(duration, upper=600.0)],
        optimiser=mr.design.GradientFree(**options),
        steps=steps,
        progress=False,
    )


def test_the_best_of_all_whole_numbers_is_found():
    names = list(BOUNDS)
    every = [dict(zip(names, numbers, strict=True)) for numbers in itertools.product(SHOTS, ECHOES, SPACINGS)]
    best = min((one for one in every if duration(one) <= 600), key=variance)
    result = designed()
    assert result.best == best
    assert all(type(value) is int for value in result.best.values())
    assert result.objective == pytest.approx(variance(best), rel=1e-6)
    objective, breach = (result.history.column(name)[1] for name in ("objective", "breach"))
    assert breach[0] > 1  # of the start, which is far too long
    assert breach[-1] == 0
    kept = objective[breach == 0]
    np.testing.assert_array_equal(kept, np.minimum.accumulate(kept))
    assert "It ended by itself after" in result.reason


def test_the_same_seed_gives_the_same_search():
    one, other, third = (designed(steps=4, seed=seed) for seed in (3, 3, 4))
    assert one.history.lines == other.history.lines != third.history.lines


def test_real_numbers_are_found_as_closed_forms_have_them():
    """The Ernst angle, of a signal that is cut into steps so that derivatives are zero."""
    signal = lambda angle: -np.round(float(mr.signals.relaxation.spgr(angle, 10 * ms, 1.0)[0]), 7)
    result = mr.design.optimise(
        signal, 0.5, free=lambda x: x, bounds=(0.0, 1.0), optimiser=mr.design.GradientFree(), steps=40, progress=False
    )
    assert result.best == pytest.approx(float(mr.signals.relaxation.ernst_angle(10 * ms, 1.0)[0]), rel=1e-2)


def test_constraints_that_exclude_each_other_are_told():
    result = mr.design.optimise(
        lambda x: float(x),
        3,
        free=lambda x: x,
        bounds=(1, 9),
        constraints=[mr.design.Constraint(lambda x: x, lower=12.0)],
        optimiser=mr.design.GradientFree(),
        steps=5,
        progress=False,
    )
    assert "No design that keeps all constraints was found" in result.reason
    assert result.best == 9  # the nearest


def test_an_interrupt_gives_the_best_so_far():
    calls = itertools.count()

    def interrupted(design):
        if next(calls) == 200:
            raise KeyboardInterrupt
        return variance(design)

    optimiser = mr.design.GradientFree()
    result = mr.design.optimise(
        interrupted, START, free=lambda design: design, bounds=BOUNDS, optimiser=optimiser, progress=False
    )
    assert result.reason.startswith("Interrupted after")
    assert result.objective < variance({"n_shots": 8, "n_echoes": 10, "spacing_ms": 10})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bounds": None}, "`bounds` must have finite numbers for"),
        ({"bounds": (5, 9)}, "starts outside its bounds"),
        ({"objective": lambda x: np.nan}, "`objective` must be finite at the start"),
        ({"objective": lambda x: jnp.ones(2)}, "`objective` must be a real scalar"),
    ],
)
def test_mistakes_are_told(options, sentence):
    arguments = {"objective": float, "bounds": (1, 9), **options}
    with pytest.raises(ValueError, match=sentence):
        mr.design.optimise(
            arguments.pop("objective"),
            3,
            free=lambda x: x,
            optimiser=mr.design.GradientFree(),
            progress=False,
            **arguments,
        )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"population": 4}, "`population` must be at least 5"), ({"tolerance": 0.0}, "`tolerance` must be positive")],
)
def test_numbers_out_of_range_are_told(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        mr.design.GradientFree(**options)
