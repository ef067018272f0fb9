"""States that grow and shrink with what is wound: the same numbers, from fewer orders."""

import contextlib
import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.epg import stages
from mrjax.physics.epg.stages import LoopStage, WindingAround

TISSUE = mr.Tissue(jnp.array([0.4, 1.0, 2.0]), jnp.array([0.03, 0.1, 0.4]), b1=jnp.array([0.8, 1.0, 1.1]))


def fisp(n=24):
    return mr.protocols.mrf_fisp(jnp.linspace(0.2, 1.0, n), tr=12e-3, te=5e-3)


def two_trains():
    train = mr.Repeat(mr.Dephase(1), mr.Pulse(2.0), mr.Dephase(1), mr.Sample(), n_repetitions=9)
    return mr.Sequence(mr.Pulse(1.2), train, mr.Dephase(2), mr.Sequence(train), mr.Pulse(0.4), mr.Sample())


CALLS = {
    **{
        f"signal of {sequence.__name__}, n_states={n_states}": lambda sequence=sequence, n_states=n_states: mr.simulate(
            sequence(), TISSUE, mr.EPG(n_states)
        )
        for sequence in (fisp, two_trains)
        for n_states in (None, 7)
    },
    "kept state": lambda: mr.play(fisp(), TISSUE, mr.EPG()),
    "kept state, n_states=7": lambda: mr.play(fisp(), TISSUE, mr.EPG(7)),
}


@contextlib.contextmanager
def worth_stages(limit):
    """What is compiled knows nothing of the limit, so it is forgotten before and after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "WORTH_STAGES", limit)
        jax.clear_caches()
        yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def in_whole_loops():
    """What each call gives with the whole of every loop in one stage."""
    with worth_stages(2**62), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates")
        return {name: call() for name, call in CALLS.items()}


@pytest.fixture(scope="module")
def always_in_stages(in_whole_loops):
    with worth_stages(0):
        yield


def test_a_loop_from_equilibrium_is_cut_where_orders_fill_and_empty():
    loop = mr.Repeat(mr.Dephase(1), mr.Sample(), n_repetitions=30)
    start = WindingAround.start(mr.Sequence(loop), from_equilibrium=True, keeps_all=False)
    assert start.stages(loop, 10, 2**30) == (
        LoopStage(0, 3, 4),
        LoopStage(3, 6, 7),
        LoopStage(6, 9),
        LoopStage(9, 21),
        LoopStage(21, 24),
        LoopStage(24, 27, 7, emptying=True),
        LoopStage(27, 30, 4, emptying=True),
    )


def test_a_loop_is_whole_where_nothing_is_known_or_little_is_saved():
    loop = mr.Repeat(mr.Dephase(1), mr.Sample(), n_repetitions=30)
    kept = WindingAround.start(mr.Sequence(loop), from_equilibrium=False, keeps_all=True)
    start = WindingAround.start(mr.Sequence(loop), from_equilibrium=True, keeps_all=False)
    assert kept.stages(loop, 10, 2**30) == start.stages(loop, 10, 2) == (LoopStage(0, 30),)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:.*truncates")
def test_stages_change_no_bit(in_whole_loops, always_in_stages, name):
    for a, b in zip(jax.tree.leaves(CALLS[name]()), jax.tree.leaves(in_whole_loops[name]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.exhaustive
def test_stages_from_a_given_state(always_in_stages):
    """A sequence in two parts, the second of which begins with populated orders, is the sequence."""
    first, state = mr.play(fisp(), TISSUE)
    second, _ = mr.play(fisp(), TISSUE, state=state)
    whole = mr.simulate(mr.Sequence(fisp(), fisp()), TISSUE)
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=-1), whole, rtol=1e-12, atol=1e-14)


@pytest.mark.exhaustive
def test_what_cannot_return_is_no_truncation(always_in_stages):
    """Emptying stages drop orders on purpose; no energy is counted for them."""
    engine = mr.EPG().plan(fisp(), TISSUE, None, keeps_state=False).engine
    before = engine.init(fisp(), TISSUE.flattened())
    lost = dataclasses.replace(mr.EPG(1).init(fisp(), TISSUE.flattened()), truncation_error=jnp.ones(3))
    left = stages.left_behind(lost, before, LoopStage(0, 3, 1, emptying=True), len(before.z))
    assert left.z.shape == before.z.shape
    np.testing.assert_array_equal(left.truncation_error, before.truncation_error)


@pytest.mark.slow
def test_gradients_through_stages(always_in_stages):
    loss = lambda t2: jnp.sum(jnp.abs(mr.simulate(fisp(), mr.Tissue(1.0, t2))) ** 2)
    value_and_grad, step = compiled_quickly(jax.value_and_grad(loss)), 1e-6
    numeric = (value_and_grad(0.1 + step)[0] - value_and_grad(0.1 - step)[0]) / (2 * step)
    np.testing.assert_allclose(value_and_grad(0.1)[1], numeric, rtol=1e-7)
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(loss))(0.1), numeric, rtol=1e-7)


@pytest.mark.parametrize("off_resonance", [0.0, jnp.array([3.0, 5.0])])
def test_the_memory_of_a_voxel_is_that_of_its_state(off_resonance):
    tissue = mr.Tissue(jnp.ones(2), 0.1, off_resonance=off_resonance)
    train = mr.protocols.mrf_fisp(jnp.ones(20), tr=10e-3, te=5e-3)
    engine = mr.EPG(n_states=9).plan(train, tissue, None, False).engine
    assert engine.bytes_per_voxel(train, tissue) == AbstractEngine.bytes_per_voxel(engine, train, tissue)
