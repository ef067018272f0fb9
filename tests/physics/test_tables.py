"""Many different events, played row by row from a table: what the same events give, written out one after the other."""

import dataclasses
from collections import Counter

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly
from experiments import VOXEL_SIZE, tissue

import mrjax as mr
from mrjax.physics import AbstractEngine, AbstractOperator
from mrjax.physics.execution.phrases import in_phrases
from mrjax.physics.execution.table import MOST_WRITTEN_OUT, Tabled, in_tables

ROOM = np.random.default_rng(5).uniform(0.2, 1.0, size=400)


class EPGWrittenOut(mr.EPG):
    def plan(self, sequence, tissue, state, keeps_state):
        return dataclasses.replace(super().plan(sequence, tissue, state, keeps_state), in_tables=False)


class PoolsWrittenOut(mr.BlochMcConnell):
    def plan(self, sequence, tissue, state, keeps_state):
        return dataclasses.replace(super().plan(sequence, tissue, state, keeps_state), in_tables=False)


def echoes(scale=1.0, n=4) -> mr.Sequence:
    """No two echoes are alike; loops among them, samples with and without phase, and a loop that is long."""
    numbers = iter(ROOM)
    some = lambda shape=(): np.array([next(numbers) for _ in range(int(np.prod(shape)))]).reshape(shape)
    events = [mr.Pulse(jnp.pi / 2 * scale, phase=0.4), mr.Dephase(1)]
    for number in range(n):
        pulse = mr.Pulse(3 * some() * scale, phase=some()) if number % 2 else mr.Pulse(2 * some() * scale)
        events += [mr.Delay(20e-3 * some()), pulse, mr.Dephase(1, duration=1e-3 * some()), mr.Delay(20e-3 * some())]
        events += [mr.Sample(phase=some()) if number % 3 else mr.Sample()]
    loop = mr.Repeat(
        mr.Delay(10e-3 * some((2,))),
        mr.Repeat(mr.Pulse(some((2, 3)), phase=some((3,))), mr.Dephase(1), mr.Sample(), n_repetitions=3),
        mr.Spoil(),
    )
    steady = mr.Repeat(mr.Pulse(0.3), mr.Delay(1e-2 * scale), mr.Sample(), n_repetitions=80)
    return mr.Sequence(*events, loop, mr.Sequence(mr.Reset(0.3), mr.SampleLongitudinal()), steady, mr.Sample())


def saturations(n=4) -> mr.Sequence:
    """Measurements of which each saturates in another way."""
    numbers = iter(ROOM)
    events = []
    for number in range(n):
        b1, duration, offset = (next(numbers) for _ in range(3))
        lock = mr.ContinuousWave(3e-6 * b1, 20e-3 * duration, 300 * offset if number else 0.0, phase=0.2 * number)
        events += [mr.Delay(0.5 * duration), mr.Repeat(lock, mr.Delay(2e-3 * b1), n_repetitions=2 + number)]
        events += [mr.Spoil(), mr.SampleLongitudinal(), mr.Pulse(0.1 + offset), mr.Sample(), mr.Reset(0.5 + 0.1 * b1)]
    return mr.Sequence(*events, mr.Dephase(1, duration=1e-3), mr.SampleLongitudinal())


def with_pools() -> mr.Tissue:
    amide = mr.Pool(fraction=2e-3, exchange_rate=80.0, t1=1.0, t2=0.1, shift_ppm=3.5)
    solid = mr.Pool(fraction=0.1, exchange_rate=30.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
    return mr.Tissue(jnp.array([0.9, 1.4]), 0.08, b1=jnp.array([0.9, 1.1]), pools=(amide, solid))


class Growing(AbstractOperator):
    """Leaves another form of state than it takes, as no loop could carry it."""

    factor: jax.Array

    def __call__(self, state):
        return (*state, state[-1] * self.factor), None


class Summing(AbstractOperator):
    def __call__(self, state):
        return state, sum(state) + 0j


class Remembering(AbstractEngine):
    """Holds on to all states that there were."""

    def init(self, sequence, tissue):
        return (jnp.ones(tissue.voxel_shape),)

    def prepare(self, event, tissue):
        return Summing() if isinstance(event, mr.Sample) else Growing(jnp.exp(-event.duration / tissue.t1))


CASES = {
    "EPG": (echoes(), tissue(), mr.EPG(voxel_size=VOXEL_SIZE), EPGWrittenOut(voxel_size=VOXEL_SIZE)),
    "EPG, few states": (echoes(), tissue(), mr.EPG(4, voxel_size=VOXEL_SIZE), EPGWrittenOut(4, voxel_size=VOXEL_SIZE)),
    "pools": (saturations(), with_pools(), mr.BlochMcConnell(3.0), PoolsWrittenOut(3.0)),
    "pools, orders": (
        echoes(),
        mr.Tissue(1.0, jnp.array([0.05, 0.1]), pools=with_pools().pools[:1]),
        mr.BlochMcConnell(3.0, n_states=3),
        PoolsWrittenOut(3.0, n_states=3),
    ),
}


def uses_table(sequence, tissue, engine) -> bool:
    planned = in_tables(engine.plan(sequence, tissue, None, False).sequence)
    return any(isinstance(entry, Tabled) for entry in planned.events)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:EPG.n_states", "ignore:BlochMcConnell.n_states")
@pytest.mark.parametrize("name", CASES)
def test_table_gives_what_events_written_out_give(name):
    sequence, voxels, engine, written_out = CASES[name]
    assert uses_table(sequence, voxels, engine)
    expected, ended = mr.play(sequence, voxels, written_out)
    signal, state = mr.play(sequence, voxels, engine)
    assert signal.shape[-1] == sequence.n_samples
    np.testing.assert_allclose(signal, expected, rtol=1e-12, atol=1e-14)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), state, ended)


def test_what_a_loop_cannot_carry_is_written_out():
    times = jnp.array(ROOM[:30])
    sequence = mr.Sequence(*(event for time in times for event in (mr.Delay(time), mr.Sample())))
    signal = mr.simulate(sequence, mr.Tissue(jnp.array([1.0, 2.0]), 0.1), Remembering())
    states = np.exp(-np.cumsum(times)[None] / np.array([[1.0], [2.0]]))
    np.testing.assert_allclose(signal, 1 + np.cumsum(states, axis=-1), rtol=1e-12)


def loss(engine, parts):
    """Of numbers in the sequence and in the tissue."""
    scale, t2 = parts
    return jnp.sum(jnp.abs(mr.simulate(echoes(scale), tissue(t2=t2), engine)) ** 2)


@pytest.fixture(scope="module")
def at():
    return (1.0, jnp.array([0.05, 0.1, 0.2]))


@pytest.mark.exhaustive
@pytest.mark.parametrize("gradient", [mr.gradient.Checkpoints(), mr.gradient.Direct()])
def test_reverse_mode_is_that_of_differences_and_of_forward_mode(at, gradient):
    engine = mr.EPG(voxel_size=VOXEL_SIZE)
    way = (0.3, jnp.array([0.01, -0.03, 0.02]))

    def of_step(step):
        scale, t2 = jax.tree.map(lambda x, dx: x + step * dx, at, way)
        signal = mr.simulate(echoes(scale), tissue(t2=t2), engine, gradient=gradient)
        return jnp.sum(jnp.abs(signal) ** 2)

    reverse, forward = compiled_quickly(jax.grad(of_step))(0.0), compiled_quickly(jax.jacfwd(of_step))(0.0)
    values = compiled_quickly(of_step)
    differences = (values(1e-5) - values(-1e-5)) / 2e-5
    np.testing.assert_allclose(reverse, forward, rtol=1e-10)
    np.testing.assert_allclose(reverse, differences, rtol=1e-6)


@pytest.mark.exhaustive
def test_gradient_of_pools_is_that_of_differences():
    def signal(rate):
        voxels = eqx.tree_at(lambda voxels: voxels.pools[0].exchange_rate, with_pools(), rate)
        return jnp.sum(jnp.abs(mr.simulate(saturations(), voxels, mr.BlochMcConnell(3.0))))

    value = compiled_quickly(signal)
    differences = (value(jnp.array(80.01)) - value(jnp.array(79.99))) / 0.02
    np.testing.assert_allclose(compiled_quickly(jax.grad(signal))(jnp.array(80.0)), differences, rtol=1e-6)


@pytest.mark.exhaustive
def test_sequences_are_mapped(at):
    engine = mr.EPG(voxel_size=VOXEL_SIZE)
    scales = jnp.array([0.7, 1.0])
    play = lambda scale: mr.simulate(echoes(scale), tissue(), engine)
    together = jax.vmap(play)(scales)
    np.testing.assert_allclose(together[0], play(0.7), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(together[1], play(1.0), rtol=1e-12, atol=1e-14)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("make", "voxels", "engine"), [
    (lambda n: echoes(n=n), tissue(), mr.EPG(8, voxel_size=VOXEL_SIZE)),
    (lambda n: saturations(n), with_pools(), mr.BlochMcConnell(3.0)),
])  # fmt: skip
def test_program_grows_with_the_kinds_of_events_alone(make, voxels, engine):
    def operations(n):
        """But for those that give the numbers of all events one shape and dtype."""
        sequence = make(n)
        jaxpr = jax.make_jaxpr(lambda voxels: mr.simulate(sequence, voxels, engine))(voxels)
        names = Counter(eqn.primitive.name for eqn in all_steps(jaxpr.jaxpr))
        return {
            name: n for name, n in names.items() if name not in ("reshape", "broadcast_in_dim", "convert_element_type")
        }

    assert operations(24) == operations(12)


def all_steps(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for param in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            inner = getattr(param, "jaxpr", param)
            if hasattr(inner, "eqns"):
                yield from all_steps(inner)


def test_long_loops_and_few_events_stay_as_they_are():
    few = mr.Sequence(*(mr.Delay(time) for time in ROOM[:MOST_WRITTEN_OUT]))
    assert in_tables(few).events == few.events
    train = mr.Repeat(mr.Pulse(0.1), mr.Sample(), n_repetitions=1000)
    many = mr.Sequence(few, mr.Sequence(mr.Delay(1.0), train), mr.Delay(1.0))
    table, kept, last = in_tables(many).events
    assert isinstance(table, Tabled)
    assert len(table.events) == MOST_WRITTEN_OUT + 1
    assert eqx.tree_equal(kept, train)
    assert isinstance(last, mr.Delay)


def test_what_often_follows_each_other_is_one_phrase():
    kinds = np.array([3, *[0, 1, 0, 2] * 40, 1, *[0, 1, 0, 2] * 30])
    written = in_phrases(kinds)
    assert (0, 1, 0, 2) in written.phrases
    assert len(written.row) < len(kinds) / 3
    assert np.concatenate([written.phrases[row] for row in written.row]).tolist() == kinds.tolist()
    lengths = [len(written.phrases[row]) for row in written.row]
    assert written.start.tolist() == [0, *np.cumsum(lengths)[:-1]]


def test_phrases_that_save_little_are_not_made():
    assert set(in_phrases(np.random.default_rng(0).integers(0, 9, size=70)).phrases) == {(kind,) for kind in range(9)}
