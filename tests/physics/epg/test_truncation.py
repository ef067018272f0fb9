"""The estimate of the truncation error against the truth: all orders."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def trains() -> dict[str, mr.Sequence]:
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    return {
        "fisp": mr.protocols.mrf_fisp(flip_angle, tr, te=2e-3),
        "spgr": mr.protocols.spgr(np.deg2rad(15), tr=6e-3, te=3e-3, n_repetitions=400),
        "cpmg": mr.protocols.cpmg(np.full(64, np.pi / 3), echo_spacing=10e-3),
    }


def tissue() -> mr.Tissue:
    rng = np.random.default_rng(5)
    t1 = np.exp(rng.uniform(np.log(0.1), np.log(4), 100))
    t2 = np.minimum(t1, np.exp(rng.uniform(np.log(0.01), np.log(2), 100)))
    return mr.Tissue(t1, t2)


@functools.cache
def with_all_orders(name):
    return np.asarray(mr.simulate(trains()[name], tissue()))


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_states", [8, 20, 32])
@pytest.mark.parametrize("name", trains())
def test_estimate_is_near_the_true_error_of_the_worst_voxel(name, n_states):
    truncated, state = mr.play(trains()[name], tissue(), mr.EPG(n_states))
    error = np.abs(truncated - with_all_orders(name)).max(axis=-1)
    worst = np.argmax(error)
    assert error[worst] > 1e-3
    assert 0.9 < state.truncation_error[worst] / error[worst] < 20


def test_simulate_says_so_when_it_truncates():
    with pytest.warns(UserWarning, match=r"EPG\(n_states=4\) truncates: samples of the worst voxel are off by about"):
        mr.simulate(trains()["fisp"], tissue(), mr.EPG(4))


@pytest.mark.exhaustive
def test_the_error_is_an_output_where_nothing_can_warn():
    """Under `jit`, `vmap` and `grad` it is the one that `simulate` warns of."""
    train = mr.protocols.spgr(0.2, tr=6e-3, te=3e-3, n_repetitions=60)
    t2 = jnp.array([0.05, 0.1])

    def error(t2):
        return mr.play(train, mr.Tissue(1.0, t2), mr.EPG(4))[1].truncation_error

    known = error(t2)
    assert np.max(known) > 1e-2
    np.testing.assert_allclose(jax.jit(error)(t2), known, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(error))(t2), known, rtol=1e-12)
    value, slope = jax.jit(jax.value_and_grad(lambda t2: jnp.max(error(t2))))(t2)
    np.testing.assert_allclose(value, np.max(known), rtol=1e-12)
    assert np.all(np.isfinite(slope))


@pytest.mark.exhaustive
def test_silent_where_nothing_that_matters_is_truncated():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mr.simulate(trains()["cpmg"], tissue(), mr.EPG(65))
        mr.simulate(trains()["fisp"], mr.Tissue(t1=1.0, t2=0.05), mr.EPG(20))


def test_default_keeps_exactly_the_orders_that_reach_a_sample():
    """Half of all winding takes an order away, the other half back: one state less is not exact."""
    train = mr.protocols.cpmg(np.linspace(1.0, 2.0, 5), echo_spacing=5e-3)
    every = mr.simulate(train, mr.Tissue(1.0, 0.3), mr.EPG(11))
    np.testing.assert_allclose(mr.simulate(train, mr.Tissue(1.0, 0.3)), every, atol=1e-16)
    one_less = mr.play(train, mr.Tissue(1.0, 0.3), mr.EPG(5))[0]
    assert np.abs(one_less - every).max() > 1e-4


def test_isochromats_say_so_when_they_alias():
    with pytest.warns(UserWarning, match=r"Isochromats\(n=10\) is too few: the sequence winds up to 128 cycles"):
        mr.simulate(trains()["cpmg"], mr.Tissue(1.0, 0.1), mr.Isochromats(10))


def test_isochromats_say_so_when_a_later_part_winds_too_far():
    """The default number of spins suits the first part; later parts count what was wound before."""
    part = mr.protocols.spgr(0.5, tr=5e-3, te=2e-3, n_repetitions=4)
    _, state = mr.play(part, mr.Tissue(1.0, 0.1), mr.Isochromats())
    with pytest.warns(UserWarning, match=r"Isochromats\(n=5\) is too few: the sequence winds up to 8 cycles"):
        mr.play(part, mr.Tissue(1.0, 0.1), mr.Isochromats(), state=state)


def test_no_state_is_dropped_by_unwinding():
    """Winding and unwinding again needs no more states than the highest order in between."""
    sequence = mr.Sequence(mr.Pulse(1.0), mr.Repeat(mr.Dephase(), mr.Dephase(-1), mr.Sample(), n_repetitions=50))
    _, state = mr.play(sequence, mr.Tissue(jnp.inf, jnp.inf), mr.EPG(2))
    assert float(state.truncation_error) == 0.0
