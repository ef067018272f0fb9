"""Objectives over distributions: a new batch in each step, the best by samples that stay the same."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mrjax as mr
from mrjax.units import deg, ms

OFFSETS = mr.synthesis.Uniform({"offset": (0.0, 1.0)})


def drawn(n, seed=0):
    return mr.synthesis.Stream(OFFSETS.sample, batch_size=n, seed=seed).batch


def distance(x, batch):
    """Of least expectation, 1/12, in the middle of the distribution."""
    return jnp.mean((x - batch["offset"]) ** 2)


BATCHES = mr.design.Batches(drawn(4), validation=drawn(500, seed=1)(0), validate_every=3)


def designed(steps=20, batches=BATCHES, **options):
    return mr.design.optimise(
        distance,
        jnp.array(2.0),
        free=lambda x: x,
        optimiser=optax.sgd(0.05),
        steps=steps,
        batches=batches,
        progress=False,
        **options,
    )


def test_each_step_descends_on_its_own_batch():
    """Steps of the descent, which is in units of the start's size and value, by hand."""
    result = designed()
    batch = drawn(4)
    point, size = 2.0, float(distance(2.0, batch(0)))
    for step, line in enumerate(result.history.lines):
        offsets = batch(step)["offset"]
        np.testing.assert_allclose(line["objective"], np.mean((point - offsets) ** 2), rtol=1e-12)
        assert line["step"] == step
        point -= 0.05 * 2.0**2 * 2 * float(point - np.mean(offsets)) / size


def test_the_best_is_that_of_the_validation_whatever_the_luck_of_batches():
    """The first batches lead away from the validation samples, and come close to zero."""
    lucky = lambda step: {"offset": jnp.full(4, 3.0 if step < 5 else 0.0)}
    batches = mr.design.Batches(lucky, validation={"offset": jnp.full(3, 1.0)}, validate_every=1)
    result = designed(batches=batches)
    judged = result.history.column("validation")[1]
    assert result.history.column("objective")[1].argmin() != judged.argmin()
    assert result.objective == judged.min() == distance(result.best, batches.validation)
    assert result.factor == judged[0] / judged.min()


def test_a_validation_is_every_so_many_steps_and_at_the_end():
    result = designed(steps=20)
    steps, values = result.history.column("validation")
    assert list(steps) == [0, 3, 6, 9, 12, 15, 18, 20]
    assert result.objective == values.min()


def test_the_middle_of_a_distribution_is_found():
    result = designed(steps=300)
    offsets = BATCHES.validation["offset"]
    np.testing.assert_allclose(result.objective, np.var(offsets), atol=1e-3)
    np.testing.assert_allclose(result.best, np.mean(offsets), atol=0.03)


def test_a_search_in_parts_is_that_in_one(tmp_path):
    whole = designed()
    designed(steps=7, folder=tmp_path, checkpoint_every=5)
    found = designed(folder=tmp_path, checkpoint_every=5)
    assert (found.best, found.objective, found.history.lines) == (whole.best, whole.objective, whole.history.lines)


def test_a_bound_is_of_tissues_that_are_drawn():
    of_angles = lambda angles: mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=5 * ms)
    tissues = lambda n: mr.synthesis.Stream(
        mr.synthesis.Uniform({"t1": (0.5, 1.5), "m0": (0.5, 1.0)}).sample, batch_size=n, seed=0
    )
    bound = lambda angles, drawn: mr.design.crlb(of_angles, drawn, noise_std=1e-3, weights={"t1": 1.0})(angles)
    batches = mr.design.Batches(tissues(8).batch, tissues(100).batch(0))
    start = jnp.array([4.0, 10.0]) * deg
    result = mr.design.optimise(
        bound, start, free=lambda x: x, bounds=(1 * deg, 90 * deg), batches=batches, steps=50, progress=False
    )
    fixed = mr.design.crlb(of_angles, batches.validation, noise_std=1e-3, weights={"t1": 1.0})
    np.testing.assert_allclose(result.history.lines[0]["validation"], fixed(start), rtol=1e-12)
    np.testing.assert_allclose(result.objective, fixed(result.best), rtol=1e-12)
    best = mr.design.optimise(fixed, start, free=lambda x: x, bounds=(1 * deg, 90 * deg), steps=50, progress=False)
    assert best.objective <= result.objective < 1.01 * best.objective


@pytest.mark.parametrize("optimiser", [mr.design.Constrained(), mr.design.GradientFree()])
def test_searches_that_compare_values_refuse_batches(optimiser):
    with pytest.raises(
        ValueError, match=r"`batches` need an optimiser of optax: .* compares values, which must be of the"
    ):
        mr.design.optimise(
            distance, jnp.array(2.0), free=lambda x: x, batches=BATCHES, optimiser=optimiser, progress=False
        )


def test_a_count_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`validate_every` must be an integer of at least 1"):
        mr.design.Batches(drawn(4), validation=drawn(4)(0), validate_every=0)
