"""The steady state by a linear solve against long trains, closed forms and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.protocols.cest import pulse_shapes, quantitative_mt_spgr
from mrjax.signals import relaxation
from mrjax.units import deg, ms

ENGINE = mr.BlochMcConnell(b0=3.0)
AMIDE = mr.Pool(fraction=5e-3, exchange_rate=120.0, t1=0.3, t2=0.05, shift_ppm=3.5)
SEMISOLID = mr.Pool(0.12, 25.0, t1=0.4, t2=12e-6, shift_ppm=-2.0, lineshape=mr.lineshapes.Lorentzian())
T1, T2 = jnp.array([0.2, 0.3]), jnp.array([[0.03], [0.06], [0.1]])
OFF_RESONANCE = jnp.array([[-30.0], [4.0], [70.0]])


steady_state = eqx.filter_jit(mr.steady_state)  # one program compiles faster than its steps one by one


@eqx.filter_jit
def steady_signal(repetition, tissue, engine=ENGINE):
    return mr.play(repetition, tissue, engine, state=mr.steady_state(repetition, tissue, engine))[0]


def assert_same_state(one, other, tolerance):
    leaves = zip(*map(jax.tree.leaves, (one, other)), strict=True)
    for found, expected in leaves:
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.exhaustive
def test_it_is_what_two_thousand_repetitions_come_to():
    events = (
        mr.ShapedPulse(4e-6 * jnp.hanning(9)[1:-1], 5e-4, 300.0, 0.3),
        mr.Delay(2 * ms),
        mr.Pulse(0.4, 0.7),
        mr.Sample(),
        mr.Delay(1 * ms),
    )
    tissue = mr.Tissue(T1, T2, off_resonance=OFF_RESONANCE, b1=0.9, pools=(SEMISOLID, AMIDE))
    state = steady_state(mr.Sequence(*events), tissue, ENGINE)
    train = mr.Sequence(mr.Repeat(*events, n_repetitions=2000))
    signal, played = mr.play(train, tissue, ENGINE)
    assert_same_state(state, played, 1e-12)
    assert abs(signal[..., 10] - signal[..., -1]).min() > 1e-3
    assert np.ptp(np.abs(state.z)) > 0.1


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [ENGINE, mr.Isochromats(), mr.EPG()], ids=["BlochMcConnell", "Isochromats", "EPG"])
def test_of_balanced_repetitions_it_is_the_closed_form(engine):
    tissue = mr.Tissue(T1, T2, m0=2.0, off_resonance=OFF_RESONANCE, b1=jnp.array([0.8, 1.1]))
    period = mr.protocols.bssfp(40 * deg, 8 * ms, n_repetitions=2)
    closed = relaxation.bssfp(40 * deg, 8 * ms, T1, T2, off_resonance=OFF_RESONANCE, m0=2.0, b1=tissue.b1)
    np.testing.assert_allclose(steady_signal(period, tissue, engine), jnp.repeat(closed, 2, axis=-1), atol=1e-12)
    assert abs(closed).min() > 0.02


def test_every_isochromat_has_its_own():
    """Under reversible dephasing balanced echoes come from spins of all off-resonances, some of them between the bands."""
    tissue = mr.Tissue(0.2, T2[:, 0], t2_prime=0.02)
    engine = mr.Isochromats(n=64)
    _, played = mr.play(mr.protocols.bssfp(40 * deg, 8 * ms, n_repetitions=600), tissue, engine)
    state = steady_state(mr.protocols.bssfp(40 * deg, 8 * ms, n_repetitions=2), tissue, engine)
    assert_same_state(state, played, 1e-8)
    assert np.ptp(np.asarray(state.z), axis=0).min() > 0.05


def qmt(n_repetitions=1, offset=2000.0):
    return quantitative_mt_spgr(
        10 * deg, 25 * ms, 3 * ms, pulse_shapes.gaussian(12), 400 * deg, 10 * ms, offset, n_repetitions
    )


@pytest.mark.exhaustive
def test_of_a_repetition_with_magnetisation_transfer_it_is_the_end_of_the_train():
    tissue = mr.Tissue(0.3, T2[:, 0], pools=(SEMISOLID,))
    train = mr.simulate(qmt(300), tissue, ENGINE)
    np.testing.assert_allclose(steady_signal(qmt(), tissue), train[:, -1:], atol=1e-12)
    assert abs(train[:, 0] - train[:, -1]).min() > 0.01


def test_many_offsets_at_once():
    tissue = mr.Tissue(0.3, T2[:, 0], pools=(SEMISOLID,))
    offsets = jnp.array([1e3, 2e3, 20e3])
    together = jax.jit(jax.vmap(lambda offset: steady_signal(qmt(offset=offset), tissue)))(offsets)
    np.testing.assert_allclose(together[1], steady_signal(qmt(), tissue), atol=1e-13)
    assert np.all(np.diff(abs(together[:, 0, 0])) > 1e-3)


def test_after_a_reset_it_is_what_one_playing_gives():
    sequence = mr.Sequence(mr.Reset(0.3), mr.Pulse(0.5), mr.Delay(5 * ms))
    tissue = mr.Tissue(0.3, T2[:, 0], pools=(AMIDE,))
    assert_same_state(steady_state(sequence, tissue, ENGINE), mr.play(sequence, tissue, ENGINE)[1], 1e-15)


@pytest.mark.exhaustive
def test_derivatives_in_tissue_and_sequence():
    names = ("t1", "t2", "b1", "fraction", "exchange_rate", "flip_angle", "wait", "rf_amplitude")
    usual = jnp.array([0.3, 0.05, 0.9, 0.12, 25.0, 0.3, 0.02, 4e-6])

    def signal(relative):
        p = dict(zip(names, relative * usual, strict=True))
        pool = mr.Pool(p["fraction"], p["exchange_rate"], 0.4, 12e-6, -2.0, SEMISOLID.lineshape)
        tissue = mr.Tissue(p["t1"], p["t2"], b1=p["b1"], pools=(pool,))
        wave, pulse = mr.ContinuousWave(p["rf_amplitude"], 5 * ms, 300.0), mr.Pulse(p["flip_angle"])
        return jnp.abs(steady_signal(mr.Sequence(wave, pulse, mr.Sample(), mr.Delay(p["wait"])), tissue))[0]

    at, reverse = np.ones(len(names)), compiled_quickly(jax.value_and_grad(signal))
    differences = [(reverse(at + step)[0] - reverse(at - step)[0]) / 2e-5 for step in 1e-5 * np.eye(len(names))]
    assert np.abs(differences).min() > 1e-4
    np.testing.assert_allclose(reverse(at)[1], differences, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(signal))(at), differences, rtol=1e-6, atol=1e-8)


def test_rounding_in_float32_is_that_of_the_number_of_repetitions_it_stands_for():
    with jax.enable_x64(False):
        tissue = mr.Tissue(1.0, jnp.array([0.03, 0.06, 0.1]))
        repetition = mr.Sequence(mr.Pulse(1 * deg), mr.Sample(), mr.Spoil(), mr.Delay(5 * ms))
        state = steady_state(repetition, tissue, mr.BlochMcConnell(b0=3.0))
        assert state.z.dtype == jnp.float32
    # before the pulse, so that all of z is seen
    expected = relaxation.spgr(1 * deg, 5 * ms, 1.0)[0] / np.sin(1 * deg)
    np.testing.assert_allclose(state.z[0, 0], np.broadcast_to(expected, 3), atol=1e-7 * 200)


@pytest.fixture
def _as_users_see_it():
    """The run-time type checks of the tests would answer first; users do not have them."""
    disabled = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", disabled)


@pytest.mark.usefixtures("_as_users_see_it")
def test_sequences_and_engines_without_one_are_refused():
    tissue = mr.Tissue(1.0, 0.1)
    with pytest.raises(ValueError, match=r"`engine` must be BlochMcConnell\(n_states=...\) .* or play `Spoil`"):
        mr.steady_state(mr.protocols.spgr(0.3, 10 * ms, 0.0, 1), tissue, ENGINE)
    balanced = mr.protocols.bssfp(0.3, 10 * ms, 2)
    with pytest.raises(ValueError, match=r"but got the class Isochromats\."):
        mr.steady_state(balanced, tissue, mr.Isochromats)
    with pytest.raises(ValueError, match="`sequence` must be a Sequence, but got tuple"):
        mr.steady_state((mr.Pulse(0.3),), tissue, ENGINE)
