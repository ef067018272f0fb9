"""Fits from several starts: the lowest minimum is kept, where one start finds another."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from mrjax.inverse import FitStatus, first_guess, least_squares
from mrjax.signals.models import Decay, Parameter, SignalModel
from mrjax.signals.models.signal_model import amplitude

TIME = jnp.linspace(0.0, 0.1, 24)


class Oscillation(SignalModel):
    """A cosine of unknown frequency, whose cost has many minima."""

    equation: ClassVar[str] = r"S = M_0 \cos(2 \pi f t)"
    source: ClassVar[str] = "none"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return Parameter("f", "Hz", "frequency", 0.0, 110.0, tuple(np.arange(2.0, 100.0, 4.0).tolist())), amplitude()

    @property
    def n_samples(self) -> int:
        return 24

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        time = jnp.expand_dims(TIME, range(parameters["f"].ndim))
        return parameters["m0"][..., None] * jnp.cos(2 * jnp.pi * parameters["f"][..., None] * time)


MODEL = Oscillation()
TRUTH = {"f": jnp.array([31.0, 67.0, 84.0]), "m0": jnp.array([1.0, 2.0, 1.0])}
LIMITS = ({"f": 0.0, "m0": 0.0}, {"f": 110.0, "m0": 9.0})


@pytest.mark.exhaustive
def test_the_best_of_given_starts_is_kept():
    data = MODEL(TRUTH)
    starts = {"f": np.array([[30.0, 12.0, 50.0], [12.0, 65.0, 50.0], [50.0, 12.0, 85.0]]), "m0": 1.5}
    fit = least_squares(MODEL, data, starts, LIMITS, starts=3)
    np.testing.assert_allclose(fit.parameters["f"], TRUTH["f"], rtol=1e-8)
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    alone = least_squares(MODEL, data, {"f": starts["f"][0], "m0": 1.5}, LIMITS)
    np.testing.assert_array_equal(np.abs(alone.parameters["f"] - TRUTH["f"]) < 1e-3, [True, False, False])


@pytest.mark.exhaustive
def test_a_model_starts_at_trials_that_are_better_than_those_beside_them():
    """In noise, where the best trial is not always the one of the lowest minimum."""
    rng = np.random.default_rng(0)
    data = MODEL(TRUTH) + 0.3 * rng.standard_normal((3, 24))
    guess = first_guess(MODEL, data, n_best=4)
    best = first_guess(MODEL, data)
    np.testing.assert_array_equal(guess["f"][0], best["f"])
    np.testing.assert_array_equal(guess["m0"][0], best["m0"])
    assert guess["f"].shape == (4, 3)
    for voxel in range(3):
        apart = np.abs(np.subtract.outer(guess["f"][:, voxel], guess["f"][:, voxel]))[np.triu_indices(4, 1)]
        assert apart.min() > 4.5  # no neighbours on the grid
    one, four = (least_squares(MODEL, data, starts=n) for n in (1, 4))
    cost = lambda fit: np.sum(np.asarray(fit.residual) ** 2, axis=-1)
    assert np.all(cost(four) <= cost(one) * (1 + 1e-9))


def test_with_one_peak_the_next_best_trials_follow():
    model = Decay(np.linspace(0.01, 0.2, 12))
    trials = np.array(model.parameters[0].trials)
    guess = first_guess(model, model({"t2": jnp.asarray(trials[[30]]), "m0": jnp.ones(1)}), n_best=3)
    found = np.sort(np.searchsorted(trials, np.asarray(guess["t2"][:, 0]) * (1 - 1e-9)))
    np.testing.assert_allclose(guess["t2"][0], trials[30], rtol=1e-12)
    np.testing.assert_array_equal(found, [29, 30, 31])


def test_starts_that_do_not_fit_are_told():
    data = MODEL(TRUTH)
    with pytest.raises(ValueError, match=r"`init\['f'\]` must have the 2 `starts` on its first axis, but got \(3,\)"):
        least_squares(MODEL, data, {"f": np.ones(3), "m0": 1.0}, LIMITS, starts=2)
    with pytest.raises(ValueError, match="`starts` must be an integer of at least 1, but got 0"):
        least_squares(MODEL, data, starts=0)
    with pytest.raises(ValueError, match="`n_best` must not exceed the 25 combinations of the trials, but got 26"):
        first_guess(MODEL, data, n_best=26)
