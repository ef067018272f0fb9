"""Endless batches."""

import itertools

import equinox as eqx
import jax
import numpy as np
import pytest

from mrjax.synthesis import LogUniform, Stream


def make(key, n):
    first, second = jax.random.split(key)
    return {"x": jax.random.normal(first, (n, 3)), "y": (jax.random.uniform(second, (n,)),)}


STREAM = Stream(make, batch_size=4, seed=7)


def equal(one, other):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), one, other))


@pytest.mark.exhaustive
def test_a_batch_is_made_from_seed_and_step():
    expected = jax.jit(make, static_argnums=1)(jax.random.fold_in(jax.random.key(7), 12), 4)
    assert equal(STREAM.batch(12), expected)


def test_batches_do_not_depend_on_order_and_all_differ():
    forward = [STREAM.batch(step) for step in range(5)]
    backward = [Stream(make, batch_size=4, seed=7).batch(step) for step in reversed(range(5))][::-1]
    assert all(map(equal, forward, backward))
    assert not any(equal(one, other) for one, other in itertools.combinations(forward, 2))
    assert not equal(forward[0], Stream(make, batch_size=4, seed=8).batch(0))


def test_resuming_at_a_step_gives_the_same_batches():
    steps, batches = zip(*itertools.islice(STREAM.from_step(0), 6), strict=True)
    resumed = list(itertools.islice(STREAM.from_step(3), 3))
    assert steps == tuple(range(6))
    assert [step for step, _ in resumed] == [3, 4, 5]
    assert all(equal(batch, before) for (_, batch), before in zip(resumed, batches[3:], strict=True))


def test_make_is_compiled_once():
    stream = Stream(eqx.debug.assert_max_traces(make, max_traces=1), batch_size=4, seed=7)
    for _ in zip(range(3), stream.from_step(0), strict=False):
        pass
    assert equal(stream.batch(np.int64(2)), STREAM.batch(2))


def test_a_prior_makes_batches_and_a_step_may_be_traced():
    stream = Stream(LogUniform({"t2": (0.01, 1.0)}).sample, batch_size=8, seed=0)
    inside = jax.lax.map(lambda step: stream.batch(step)["t2"], np.arange(3))
    np.testing.assert_allclose(inside[2], stream.batch(2)["t2"], rtol=1e-14)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda: Stream(make, 0, 7), "`batch_size` must be an integer of at least 1, but got 0"),
        (lambda: Stream(make, 4, -1), "`seed` must be an integer from 0 to 4294967295, but got -1"),
        (lambda: STREAM.batch(-1), "`step` must be an integer from 0 to 4294967295, but got -1"),
        (lambda: STREAM.batch(2**32), "`step` must be an integer from 0 to 4294967295, but got 4294967296"),
        (lambda: STREAM.batch(1.0), "`step` must be an integer from 0 to 4294967295, but got 1.0"),
        (lambda: STREAM.from_step(-2), "`step` must be an integer from 0 to 4294967295, but got -2"),
    ],
)
def test_bad_arguments_are_named(use, sentence):
    with pytest.raises(ValueError, match=sentence):
        use()


def shared(key, n):
    return {"te": np.array([0.01, 0.02]), "t2": jax.random.uniform(key, (n,)), "maps": jax.random.uniform(key, (3, n))}


def test_the_axis_of_the_samples_is_named_for_each_array():
    stream = Stream(shared, 2, 0, batch_axes={"te": None, "t2": 0, "maps": -1})
    assert {name: x.shape for name, x in stream.batch(0).items()} == {"te": (2,), "t2": (2,), "maps": (3, 2)}


@pytest.mark.parametrize(
    ("batch_axes", "sentence"),
    [
        (0, r"same number of samples on its batch axis, but got `maps` of shape \(3, 2\) with axis 0, `t2` of shape"),
        ({"te": 0, "t2": 0, "maps": 2}, r"`maps` of shape \(3, 2\) with axis 2"),
        (
            {"te": 0, "t2": 0},
            r"`batch_axes` must be an integer, None, or a tree of them like the batch, .*but got \{.*'te': 0",
        ),
        ("first", "`batch_axes` must be an integer, None, or a tree of them like the batch"),
        ({"te": None, "t2": None, "maps": 0}, "`make` must return 2 samples, its `batch_size`, but returned 3"),
    ],
)
def test_arrays_that_do_not_hold_the_samples_are_named(batch_axes, sentence):
    """`te` has as many entries as there are samples, which says nothing."""
    with pytest.raises(ValueError, match=sentence):
        Stream(shared, 2, 0, batch_axes=batch_axes).batch(0)
