"""New numbers of voxels and repetitions cost no compilation, and change no number."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compilations

import mrjax as mr
from mrjax.physics.execution import dispatch, sizes

ANGLES = np.linspace(0.1, 1.0, 200)
ENGINES = {
    "epg": mr.EPG(),
    "few_states": mr.EPG(6),
    "isochromats": mr.Isochromats(16),
    "pools": mr.BlochMcConnell(b0=3.0),
}


def fisp(n):
    return mr.protocols.mrf_fisp(ANGLES[:n], 12e-3, te=5e-3)


def saturation(n):
    pulse = mr.Pulse(ANGLES[:n])
    return mr.Sequence(
        mr.Pulse(0.3), mr.Repeat(pulse, mr.Delay(4e-3), mr.Sample(), mr.Spoil()), mr.Pulse(1.0), mr.Sample()
    )


def tissue(n, dtype=np.float64):
    return mr.Tissue(np.linspace(0.5, 2.0, n, dtype=dtype), np.linspace(0.05, 0.2, n, dtype=dtype), b1=dtype(0.9))


def exact(run, *arguments, **options):
    """With `batch_size`, which adds neither voxels nor repetitions."""
    return run(*arguments, batch_size=4096, **options)


@pytest.mark.parametrize("per_octave", [sizes.COARSE, sizes.FINE])
def test_little_is_added(per_octave):
    n = np.arange(1, 20_000)
    size = np.array([sizes.rounded_up(int(one), per_octave) for one in n])
    added = size / n - 1
    assert np.all(size >= n)
    assert np.all(np.diff(size) >= 0)
    assert added[n >= 8].max() < 0.25
    if per_octave == sizes.FINE:
        assert added[n >= 1000].max() < 0.032


@pytest.mark.parametrize("per_octave", [sizes.COARSE, sizes.FINE])
@pytest.mark.parametrize("n", [2, 10, 16, 32, 64, 100, 128, 1000, 1024, 10_000])
def test_one_more_than_a_round_number_has_its_size(n, per_octave):
    assert sizes.rounded_up(n, per_octave) == sizes.rounded_up(n + 1, per_octave)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_voxel_more_compiles_nothing(engine):
    sequence = saturation(20)
    neighbours = tissue(11), mr.Tissue(np.full((2, 5), 0.8), np.full((2, 5), 0.1), b1=np.float64(0.9))
    mr.simulate(sequence, tissue(10), engine)
    with compilations() as found:
        for neighbour in neighbours:
            mr.simulate(sequence, neighbour, engine)
    assert found == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [ENGINES["epg"], ENGINES["few_states"], ENGINES["isochromats"]], ids=str)
def test_a_repetition_more_or_less_compiles_nothing(engine):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates|.*too few")
        neighbours = fisp(99), fisp(101)
        mr.simulate(fisp(100), tissue(10), engine)
        with compilations() as found:
            for neighbour in neighbours:
                mr.simulate(neighbour, tissue(10), engine)
    assert found == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("n", [39, 40])
@pytest.mark.parametrize("sequence", [fisp, saturation], ids=["fisp", "saturation"])
def test_values_and_states_are_those_of_exact_sizes(engine, n, sequence):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates|.*too few")
        signal, state = mr.play(sequence(n), tissue(10), engine)
        due, due_state = exact(mr.play, sequence(n), tissue(10), engine)
        of_simulate = mr.simulate(sequence(n), tissue(10), engine)
    np.testing.assert_allclose(signal, due, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(of_simulate, due, rtol=1e-12, atol=1e-14)
    assert jax.tree.structure(state) == jax.tree.structure(due_state)
    for leaf, due_leaf in zip(jax.tree.leaves(state), jax.tree.leaves(due_state), strict=True):
        np.testing.assert_allclose(leaf, due_leaf, rtol=1e-12, atol=1e-14)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n", [97, 100])
def test_stages_with_counted_repetitions_are_those_of_exact_lengths(n, monkeypatch):
    monkeypatch.setattr("mrjax.physics.epg.stages.WORTH_STAGES", 1)
    with jax.enable_x64(True):
        sequence, voxels = fisp(n), tissue(5)
        with compilations() as found:
            signal = mr.simulate(sequence, voxels)
            mr.simulate(fisp(n - 1), voxels)
        assert found.count("jit(_program)") == 1
        np.testing.assert_allclose(signal, exact(mr.simulate, sequence, voxels), rtol=0, atol=1e-14)


def test_loops_within_loops_and_leaves_of_the_outer_one(rng):
    inner = mr.Repeat(
        mr.Pulse(rng.uniform(0.1, 1, (18, 3))), mr.Delay(rng.uniform(0, 0.01, (18, 1))), mr.Sample(), mr.Dephase()
    )
    nested = mr.Sequence(
        mr.Repeat(mr.Pulse(rng.uniform(0, 1, 18)), inner, mr.Spoil()), mr.Repeat(mr.Sample(), n_repetitions=2)
    )
    np.testing.assert_allclose(
        mr.simulate(nested, tissue(3)), exact(mr.simulate, nested, tissue(3)), rtol=1e-12, atol=1e-14
    )


def test_a_state_that_is_given_has_the_true_size():
    _, state = mr.play(fisp(20), tissue(10), mr.EPG(6))
    assert state.z.shape == (6, 10)
    onward = mr.play(fisp(20), tissue(10), mr.EPG(6), state=state)[0]
    np.testing.assert_allclose(onward, exact(mr.play, fisp(20), tissue(10), mr.EPG(6), state=state)[0], rtol=1e-12)
    with compilations() as found:
        mr.play(fisp(20), tissue(11), mr.EPG(6), state=mr.play(fisp(20), tissue(11), mr.EPG(6))[1])
    assert found == []


def test_single_precision_stays_single():
    with jax.enable_x64(False):
        signal = mr.simulate(fisp(20), tissue(10, np.float32))
        assert signal.dtype == jnp.complex64
        np.testing.assert_allclose(signal, exact(mr.simulate, fisp(20), tissue(10, np.float32)), rtol=2e-5, atol=1e-7)


@pytest.mark.exhaustive
def test_warnings_see_nothing_that_was_added():
    # exact for 40 repetitions, not for those that they share a program with
    n = mr.play(fisp(40), tissue(2))[1].z.shape[0] // 2 + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mr.simulate(fisp(40), mr.Tissue(30.0, np.full(2, 30.0)), mr.EPG(n))
        mr.simulate(fisp(40), tissue(2), mr.Isochromats(41))
    with pytest.warns(UserWarning, match="21 are exact"):
        mr.simulate(fisp(40), mr.Tissue(30.0, np.full(2, 30.0)), mr.EPG(5))


@pytest.mark.exhaustive
def test_derivatives_and_vmap_are_as_before():
    params = jnp.linspace(0.05, 0.2, 10)
    signal = lambda t2: mr.simulate(fisp(20), mr.Tissue(1.0, t2))
    np.testing.assert_allclose(jax.jit(signal)(params), signal(params), rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(signal)(params), signal(params), rtol=1e-12)
    loss = lambda t2: jnp.sum(jnp.abs(signal(t2)) ** 2)
    step = 1e-6
    slope = (loss(params + step) - loss(params - step)) / (2 * step)
    np.testing.assert_allclose(jnp.sum(jax.grad(loss)(params)), slope, rtol=1e-6)


def test_the_same_call_is_prepared_once(monkeypatch):
    planned = []
    plan = mr.EPG.plan
    monkeypatch.setattr(mr.EPG, "plan", lambda self, *rest: planned.append(self) or plan(self, *rest))
    sequence, voxels = fisp(20), tissue(3)
    first = mr.simulate(sequence, voxels, mr.EPG(12))
    n_plans = len(planned)
    np.testing.assert_array_equal(mr.simulate(sequence, voxels, mr.EPG(12)), first)
    assert len(planned) == n_plans
    mr.simulate(sequence, voxels, mr.EPG(13))
    assert len(planned) > n_plans


@pytest.mark.exhaustive
@pytest.mark.parametrize("slices", [1, 3])
def test_voxels_that_differ_in_m0_alone_are_one(slices, rng):
    t1, t2 = np.linspace(0.5, 2.0, slices)[:, None, None], np.full((1, 1, 1), 0.1)
    m0 = rng.normal(size=(slices, 4, 5)) + 1j * rng.normal(size=(slices, 4, 5))
    apart = mr.Tissue(t1, t2, m0)
    full = mr.Tissue(np.broadcast_to(t1, m0.shape), np.broadcast_to(t2, m0.shape), m0)
    np.testing.assert_allclose(mr.simulate(fisp(20), apart), mr.simulate(fisp(20), full), rtol=1e-12)
    signal, state = mr.play(fisp(20), apart)
    np.testing.assert_allclose(signal, mr.simulate(fisp(20), full), rtol=1e-12)
    np.testing.assert_allclose(state.z, mr.play(fisp(20), full)[1].z, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(jax.jit(lambda t: mr.simulate(fisp(20), t))(apart), signal, rtol=1e-12)


@pytest.mark.exhaustive
def test_what_differs_in_m0_alone_costs_one_voxel_under_jit(monkeypatch):
    played, of = [], dispatch.played_in_chunks
    spied = lambda simulation, tissue, *rest: played.append(tissue.voxel_shape) or of(simulation, tissue, *rest)
    monkeypatch.setattr(dispatch, "played_in_chunks", spied)
    jax.clear_caches()  # what another test has traced would not be traced again
    jax.eval_shape(lambda m0: mr.simulate(fisp(20), mr.Tissue(1.0, 0.1, m0)), jnp.ones(1000))
    assert set(played) == {(1,)}
    loss = lambda m0, t2: jnp.sum(jnp.abs(mr.simulate(fisp(20), mr.Tissue(1.0, t2, m0))) ** 2)
    by_m0, by_t2 = jax.grad(loss, (0, 1))(jnp.ones(5), 0.1)
    assert by_m0.shape == (5,)
    np.testing.assert_allclose(by_t2, 5 * jax.grad(lambda t2: loss(jnp.ones(()), t2))(0.1), rtol=1e-12)


def test_known_numbers_stay_known_inside_of_jit():
    sequence, voxels = fisp(20), tissue(10)
    inside = jax.jit(lambda scale: scale * mr.simulate(sequence, voxels))(1.0)
    np.testing.assert_allclose(inside, mr.simulate(sequence, voxels), rtol=1e-12, atol=1e-15)
    scaled = lambda m0: mr.simulate(sequence, mr.Tissue(voxels.t1[:1], voxels.t2[:1], m0))
    np.testing.assert_allclose(jax.jit(scaled)(jnp.full(4, 2.0))[3], 2 * scaled(jnp.ones(1))[0], rtol=1e-12)
