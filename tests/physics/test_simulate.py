"""The public entry: shapes, dtypes, compilation, chunks."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from experiments import VOXEL_SIZE, every_event, tissue

import mrjax as mr
from mrjax.jax_rules import PLAIN_JAX
from mrjax.physics.maths.loops import checkpointed_scan

FID = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Delay(10e-3), mr.Sample())


@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats(4)])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 4), (0,)])
def test_voxel_shapes(engine, shape):
    signal = mr.simulate(FID, mr.Tissue(t1=jnp.full(shape, 1.0), t2=0.1), engine)
    assert signal.shape == (*shape, 1)
    np.testing.assert_allclose(signal, -1j * np.exp(-0.1) * np.ones((*shape, 1)), atol=1e-14)


@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats(8), mr.BlochMcConnell(3.0)])
def test_no_voxels_at_all(engine):
    train = mr.protocols.cpmg(jnp.full(3, jnp.pi), 0.01)
    assert mr.simulate(train, mr.Tissue(t1=jnp.ones(0), t2=0.1), engine).shape == (0, 3)


def test_a_repeat_is_played_like_the_sequence_that_holds_it():
    train = mr.Repeat(mr.Pulse(jnp.linspace(0.2, 0.9, 5)), mr.Delay(5e-3), mr.Sample(), mr.Dephase())
    expected = mr.simulate(mr.Sequence(train), mr.Tissue(1.0, 0.1))
    np.testing.assert_array_equal(mr.simulate(train, mr.Tissue(1.0, 0.1)), expected)


def test_leaves_broadcast_to_one_voxel_shape():
    t2, b1 = jnp.array([0.05, 0.1, 0.2]), jnp.array([[0.8], [1.0]])
    signal = mr.simulate(FID, mr.Tissue(t1=1.0, t2=t2, b1=b1, m0=2.0))
    expected = -2j * np.sin(np.pi / 2 * b1) * np.exp(-10e-3 / t2)[None]
    np.testing.assert_allclose(signal[..., 0], expected, atol=1e-14)


def test_a_sequence_without_samples_plays_but_gives_no_signal():
    assert mr.play(mr.Sequence(mr.Pulse(1.0)), tissue(diffusion=0.0))[0].shape == (3, 0)


@functools.cache
def played_at_once(engine):
    t1 = jnp.linspace(0.5, 2.0, 21).reshape(3, 7)
    many = mr.Tissue(t1=t1, t2=0.1, m0=1 + t1, b1=jnp.linspace(0.9, 1.1, 7))
    return many, *mr.play(every_event(), many, engine, batch_size=21)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("engine", "batch_size"), [(mr.EPG(), 1), (mr.EPG(), 4), (mr.EPG(), 7), (mr.EPG(), 100), (mr.Isochromats(40), 4)]
)
def test_chunks_of_voxels_change_nothing(engine, batch_size):
    """Chunks that divide the voxels and do not, of one and of more than there are."""
    many, whole, state = played_at_once(engine)
    chunked, chunked_state = mr.play(every_event(), many, engine, batch_size=batch_size)
    np.testing.assert_allclose(chunked, whole, atol=1e-14)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), chunked_state, state)
    _, later = mr.play(FID, many, engine, state=state, batch_size=batch_size)
    assert later.z.shape[1:] == (3, 7)


@pytest.mark.exhaustive
@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("engine", [mr.EPG(16), mr.Isochromats(40)])
def test_dtype_follows_the_inputs(engine, x64):
    with jax.enable_x64(x64):
        wide = mr.Tissue(t1=np.array([0.5, 1.0]), t2=0.1)
        signal, state = mr.play(every_event(), wide, engine)
        real = jnp.float64 if x64 else jnp.float32
        assert signal.dtype == jnp.result_type(real, 1j)
        assert all(leaf.dtype in (real, signal.dtype, jnp.int32) for leaf in jax.tree.leaves(state))


def test_float32_stays_float32_beside_plain_numbers_in_x64():
    narrow = mr.Tissue(t1=np.ones(2, np.float32), t2=0.1)
    assert mr.simulate(FID, narrow).dtype == jnp.complex64


def test_float32_is_accurate():
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = lambda: mr.protocols.mrf_fisp(flip_angle[:300], tr[:300], 2e-3)
    sample = lambda: mr.Tissue(np.array([0.3, 1.0, 3.0]), np.array([0.03, 0.1, 1.0]), off_resonance=3.0, b1=0.9)
    expected = mr.simulate(sequence(), sample(), mr.EPG(30))
    with jax.enable_x64(False):
        signal = mr.simulate(sequence(), sample(), mr.EPG(30))
    np.testing.assert_allclose(signal, expected, atol=3e-6)


def test_jit_vmap_and_grad_compose():
    t2 = jnp.array([0.05, 0.1, 0.2])
    peak = lambda t2: jnp.abs(mr.simulate(FID, mr.Tissue(1.0, t2)))[0]
    expected = np.exp(-10e-3 / t2)
    np.testing.assert_allclose(jax.jit(jax.vmap(peak))(t2), expected, rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(jax.grad(peak))(t2), expected * 10e-3 / t2**2, rtol=1e-12)


def test_one_schedule_per_sample_of_a_batch():
    """vmap over sequences: each voxel with its own flip angles, as a decoder needs."""
    angles = jnp.linspace(0.2, 1.0, 12).reshape(3, 4)
    t1 = jnp.array([0.5, 1.0, 2.0])
    train = lambda flip_angle: mr.protocols.mrf_fisp(flip_angle, tr=0.01, te=2e-3)
    batched = jax.vmap(lambda a, t1: mr.simulate(train(a), mr.Tissue(t1, 0.1)))(angles, t1)
    for i in range(3):
        np.testing.assert_allclose(batched[i], mr.simulate(train(angles[i]), mr.Tissue(t1[i], 0.1)), atol=1e-15)


def test_new_values_do_not_recompile():
    traces = eqx.debug.assert_max_traces(lambda s, t: mr.simulate(s, t, mr.EPG(8)), max_traces=1)
    compiled = eqx.filter_jit(traces)
    for scale in (1.0, 1.1, 1.3):
        sequence = jax.tree.map(lambda x, scale=scale: x * scale if eqx.is_array(x) else x, every_event())
        compiled(sequence, tissue(diffusion=0.0, t1=jnp.array([0.3, 0.9, 2.5]) * scale))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 13, 36, 97, 100])
def test_checkpointed_scan_equals_a_plain_scan(length):
    body = lambda carry, x: (0.9 * carry + x, carry * x)
    inputs = jnp.sin(jnp.arange(length, dtype=float))
    run = lambda scan: lambda x: scan(body, 0.3, x, length=length)
    expected, got = run(jax.lax.scan)(inputs), run(checkpointed_scan)(inputs)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), got, expected)
    gradient = jax.grad(lambda x: run(checkpointed_scan)(x)[0])(inputs)
    np.testing.assert_allclose(gradient, 0.9 ** np.arange(length)[::-1], rtol=1e-14)


@pytest.mark.skipif(PLAIN_JAX, reason="nan, not an error, in plain JAX")
def test_values_traced_by_jit_are_checked_when_it_runs():
    compiled = eqx.filter_jit(lambda t2: mr.simulate(FID, mr.Tissue(1.0, t2)))
    np.testing.assert_allclose(np.abs(compiled(jnp.array([0.1]))), np.exp(-0.1), rtol=1e-12)
    with pytest.raises(Exception, match="`t2` must be positive"):
        compiled(jnp.array([-0.1])).block_until_ready()


def test_diffusion_at_voxel_size_zero_is_refused_by_name():
    with pytest.raises(ValueError, match="`voxel_size` must be positive"):
        mr.EPG(voxel_size=0.0)
    assert mr.EPG(voxel_size=VOXEL_SIZE).n_states is None
