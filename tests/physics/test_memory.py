"""What is remembered of an object dies with it, and never changes an answer."""

import gc
import weakref

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import mrjax as mr
from mrjax._memory import remembered

FID = mr.Sequence(mr.Pulse(1.0), mr.Delay(5e-3), mr.Sample())


def test_an_object_is_looked_at_once_and_let_go():
    calls = []
    check = remembered(lambda tissue: calls.append(tissue.t1) or tissue.checked())
    tissue = mr.Tissue(1.0, 0.1)
    first = check(tissue)
    assert check(tissue) is first
    assert len(calls) == 1
    check(mr.Tissue(1.0, 0.1))
    assert len(calls) == 2
    alive = weakref.ref(tissue)
    del tissue
    gc.collect()
    assert alive() is None


def test_an_object_that_is_its_own_result_is_let_go_too():
    check = remembered(lambda tissue: tissue)
    tissue = mr.Tissue(1.0, 0.1)
    assert check(tissue) is tissue
    assert check(tissue) is tissue
    alive = weakref.ref(tissue)
    del tissue
    gc.collect()
    assert alive() is None


def test_a_changed_copy_is_checked_again():
    tissue = mr.Tissue(1.0, 0.1)
    mr.simulate(FID, tissue)
    wrong = eqx.tree_at(lambda t: t.t2, tissue, jnp.array(-0.1))
    with pytest.raises(ValueError, match="`t2` must be positive"):
        mr.simulate(FID, wrong)


def test_traced_objects_are_not_kept():
    seen = []
    check = remembered(lambda tissue: seen.append(tissue.t1) or tissue)

    @jax.jit
    def twice(t1):
        tissue = mr.Tissue(t1, 0.1)
        check(tissue)
        return check(tissue).t1

    twice(1.0)
    assert len(seen) == 2
