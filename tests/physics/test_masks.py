"""Voxels that hold nothing, or are outside of a mask, are not simulated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.physics.execution import known

TRAIN = mr.protocols.mrf_fisp(np.linspace(0.1, 1.0, 20), 12e-3, te=5e-3)
MASK = np.zeros((3, 4), bool)
MASK[0, 1:] = MASK[2, 2] = True
ENGINES = {"epg": mr.EPG(), "isochromats": mr.Isochromats(64), "pools": mr.BlochMcConnell(b0=3.0)}


def maps(rng):
    return {
        "t1": rng.uniform(0.5, 2, MASK.shape),
        "t2": rng.uniform(0.05, 0.2, MASK.shape),
        "m0": rng.uniform(1, 2, MASK.shape),
    }


def n_played(monkeypatch):
    """Collects the numbers of voxels of the calls that follow."""
    numbers, of = [], known.KnownCall.of
    counted = lambda simulation, tissue, *rest: numbers.append(tissue.voxel_shape) or of(simulation, tissue, *rest)
    monkeypatch.setattr(known.KnownCall, "of", counted)
    return numbers


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_outside_of_a_mask_is_zero_and_inside_is_as_without(engine, rng, monkeypatch):
    tissue = mr.Tissue(**maps(rng), b1=0.9)
    due, due_state = mr.play(TRAIN, tissue, engine)
    numbers = n_played(monkeypatch)
    signal, state = mr.play(TRAIN, tissue, engine, mask=MASK)
    assert numbers == [(4,)]
    np.testing.assert_allclose(signal, np.where(MASK[..., None], due, 0), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(mr.simulate(TRAIN, tissue, engine, mask=MASK), signal)
    for leaf, due_leaf in zip(jax.tree.leaves(state), jax.tree.leaves(due_state), strict=True):
        np.testing.assert_allclose(leaf, np.where(MASK, due_leaf, 0), rtol=1e-12, atol=1e-15)
    onward = mr.play(TRAIN, tissue, engine, state=state, mask=MASK)[0]
    due = mr.play(TRAIN, tissue, engine, state=due_state)[0]
    np.testing.assert_allclose(onward, np.where(MASK[..., None], due, 0), rtol=1e-12, atol=1e-15)


@pytest.mark.exhaustive
def test_a_mask_serves_under_jit_and_grad_where_all_else_is_nan(rng):
    given = maps(rng)
    background = {name: np.where(MASK, values, np.nan) for name, values in given.items()}
    signal = lambda maps: mr.simulate(TRAIN, mr.Tissue(**maps), mask=MASK)
    due = np.where(MASK[..., None], mr.simulate(TRAIN, mr.Tissue(**given)), 0)
    np.testing.assert_allclose(jax.jit(signal)(background), due, rtol=1e-12, atol=1e-15)
    loss = lambda maps: jnp.sum(jnp.abs(signal(maps)) ** 2)
    of_background, of_given = jax.grad(loss)(background), jax.grad(loss)(given)
    for name in given:
        assert np.all(of_background[name][~MASK] == 0)
        np.testing.assert_allclose(of_background[name], of_given[name], rtol=1e-12)
    jvp = jax.jvp(loss, (background,), (jax.tree.map(np.ones_like, background),))[1]
    np.testing.assert_allclose(jvp, sum(np.sum(leaf) for leaf in of_given.values()), rtol=1e-10)


def test_a_mask_over_voxels_that_differ_in_m0_alone(rng, monkeypatch):
    m0 = rng.uniform(1, 2, (3, 4))
    tissue = mr.Tissue(np.array([[0.5], [1.0], [2.0]]), 0.1, m0)
    numbers = n_played(monkeypatch)
    signal = mr.simulate(TRAIN, tissue, mask=MASK)
    assert numbers == [(2,)]
    np.testing.assert_allclose(signal, np.where(MASK[..., None], mr.simulate(TRAIN, tissue), 0), rtol=1e-12, atol=1e-15)


def test_air_is_left_out_by_itself_and_need_not_be_valid(rng, monkeypatch):
    given = maps(rng)
    background = {
        name: np.where(MASK, values, fill) for (name, values), fill in zip(given.items(), (np.nan, 0, 0), strict=True)
    }
    due = np.where(MASK[..., None], mr.simulate(TRAIN, mr.Tissue(**given)), 0)
    numbers = n_played(monkeypatch)
    signal = mr.simulate(TRAIN, mr.Tissue(**background))
    assert numbers == [(4,)]
    np.testing.assert_allclose(signal, due, rtol=1e-12, atol=1e-15)
    # the state of a voxel is relative to its `m0`, so that `play` leaves none out
    assert np.all(np.isfinite(mr.play(TRAIN, mr.Tissue(**background))[1].z))


def test_little_air_is_played_with_the_rest_and_gives_zero(rng):
    t2 = rng.uniform(0.05, 0.2, 30)
    m0 = np.ones(30)
    t2[7], m0[7] = np.nan, 0
    signal = mr.simulate(TRAIN, mr.Tissue(1.0, t2, m0))
    assert np.all(np.asarray(signal[7]) == 0)
    assert np.all(np.isfinite(signal))


def test_values_where_something_is_must_be_valid():
    with pytest.raises(ValueError, match=r"`t1` must be positive \(s\), but got -1"):
        mr.Tissue(np.array([np.nan, -1.0, 1.0]), 0.1, np.array([0.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="`t1` must be positive"):
        mr.Tissue(np.array([np.nan, np.nan]), 0.1, np.zeros(2))


def test_nothing_but_air_gives_zeros():
    assert np.all(np.asarray(mr.simulate(TRAIN, mr.Tissue(1.0, 0.1, np.zeros(3)))) == 0)


def test_masks_that_do_not_serve_are_refused():
    tissue = mr.Tissue(np.ones((3, 4)), 0.1)
    for mask, message in (
        (np.ones((3, 4)), "must hold booleans, but got float64"),
        (np.ones(5, bool), r"must have the voxel shape \(3, 4\) or broadcast to it, but got \(5,\)"),
        (np.zeros((3, 4), bool), "must be true in at least one voxel"),
    ):
        with pytest.raises(ValueError, match=f"`mask` {message}"):
            mr.simulate(TRAIN, tissue, mask=mask)
    with pytest.raises(ValueError, match="`mask` must be known before compiling"):
        jax.jit(lambda mask: mr.simulate(TRAIN, tissue, mask=mask))(MASK)


@pytest.mark.exhaustive
def test_a_mask_along_a_slice(rng):
    sinc = mr.ShapedPulse(5e-6 * jnp.sinc(jnp.linspace(-2, 2, 20)), dt=100e-6)
    engine = mr.EPG(8, slice_profile=mr.slice_profile(sinc, jnp.linspace(-0.01, 0.01, 5), gradient=10e-3))
    tissue = mr.Tissue(**maps(rng))
    due, due_state = mr.play(TRAIN, tissue, engine)
    signal, state = mr.play(TRAIN, tissue, engine, mask=MASK)
    np.testing.assert_allclose(signal, np.where(MASK[..., None], due, 0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(state.z, np.where(MASK[..., None], due_state.z, 0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        mr.simulate(TRAIN, mr.Tissue(1.0, 0.1, tissue.m0), engine)[1, 2] / tissue.m0[1, 2],
        mr.simulate(TRAIN, mr.Tissue(1.0, 0.1), engine),
        rtol=1e-10,
        atol=1e-14,
    )
