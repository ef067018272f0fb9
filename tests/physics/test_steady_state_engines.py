"""Steady states of every engine, against long trains; and events that configuration states play."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.physics.engine import AbstractEngine, AbstractOperator, cannot_play
from mrjax.units import ms

T1, T2 = jnp.array([0.05, 0.08]), jnp.array([0.03, 0.02])
EVENTS = (mr.Pulse(0.7, 0.3), mr.Delay(4 * ms), mr.Sample(), mr.Dephase(1, 2 * ms), mr.Delay(2 * ms))


def assert_reproduced(events, tissue, engine, n_repetitions=120, tolerance=1e-10):
    repetition = mr.Sequence(*events)
    steady = jax.jit(lambda: mr.steady_state(repetition, tissue, engine))()
    signal, again = mr.play(repetition, tissue, engine, state=steady)
    train = mr.simulate(mr.Repeat(*events, n_repetitions=n_repetitions), tissue, engine)
    np.testing.assert_allclose(signal[..., -1], train[..., -1], atol=tolerance)
    np.testing.assert_allclose(again.z, steady.z, atol=1e-12)
    assert np.abs(train[..., 0] - train[..., -1]).max() > 0.05
    return steady


@pytest.mark.exhaustive
@pytest.mark.parametrize("off_resonance", [{}, {"off_resonance": 13.0}], ids=["on resonance", "off resonance"])
def test_of_configuration_states_that_are_wound(off_resonance):
    pulse = EVENTS[0] if off_resonance else mr.Pulse(0.7)
    steady = assert_reproduced((pulse, *EVENTS[1:]), mr.Tissue(T1, T2, **off_resonance), mr.EPG(n_states=24))
    assert steady.z.shape == (24, 2)
    assert 0 < steady.truncation_error.max() < 1e-3


@pytest.mark.exhaustive
def test_of_configuration_states_that_diffuse_and_are_truncated():
    tissue = mr.Tissue(T1, T2, diffusion=2e-9)
    engine = mr.EPG(n_states=5, voxel_size=200e-6)
    steady = assert_reproduced(EVENTS, tissue, engine)
    (_, after) = mr.play(mr.Repeat(*EVENTS, n_repetitions=200), tissue, engine)
    np.testing.assert_allclose(steady.truncated_energy, after.truncated_energy, rtol=1e-6)
    assert np.all(steady.truncated_energy <= steady.truncation_error)
    assert np.all(steady.truncation_error <= after.truncation_error)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.*is too few")
def test_of_isochromats_that_are_wound_and_that_diffuse():
    assert_reproduced(EVENTS, mr.Tissue(T1, T2), mr.Isochromats(n=24))
    assert_reproduced(EVENTS, mr.Tissue(T1, T2, diffusion=2e-9), mr.Isochromats(n=12, voxel_size=200e-6))


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.*loses what gradients wind beyond")
def test_of_pools_whose_orders_are_wound():
    tissue = mr.Tissue(T1, T2, pools=(mr.Pool(0.1, 40.0, t1=0.06, t2=0.01, shift_ppm=0.3),))
    assert_reproduced(EVENTS, tissue, mr.BlochMcConnell(b0=3.0, n_states=10))


def test_where_a_number_of_states_is_missing_or_an_engine_is_not_known():
    for engine, name in ((mr.EPG(), "n_states"), (mr.Isochromats(), "n"), (mr.BlochMcConnell(b0=3.0), "n_states")):
        with pytest.raises(ValueError, match=rf"`engine` must be {type(engine).__name__}\({name}=...\)"):
            mr.steady_state(mr.Sequence(*EVENTS), mr.Tissue(1.0, 0.1), engine)
    with pytest.raises(ValueError, match=r"last axes are the voxels, \(2,\), but has one of int32 and shape \(2,\)"):
        mr.steady_state(mr.Sequence(mr.Delay(1.0)), mr.Tissue(T1, 0.1), Counting())
    with pytest.raises(ValueError, match=r"`engine` must be an engine such as .*, but got the class EPG"):
        mr.steady_state(mr.Sequence(*EVENTS), mr.Tissue(1.0, 0.1), mr.EPG)


class Recovering(AbstractOperator):
    """Relaxation along z; what else is in a state stays as it was."""

    kept: jax.Array

    def __call__(self, state):
        z, *others = state
        return (1 + self.kept * (z - 1), *others), None


class Longitudinal(AbstractEngine):
    """An engine of somebody else, which knows magnetisation along z alone and returns it as a tuple of one array."""

    def init(self, sequence, tissue):
        return (jnp.ones(tissue.voxel_shape),)

    def prepare(self, event, tissue):
        match event:
            case mr.Delay():
                return Recovering(jnp.exp(-event.duration / tissue.t1))
            case mr.Pulse():
                return Scaled(jnp.cos(event.flip_angle))
            case _:
                raise cannot_play(self, event)


class Scaled(AbstractOperator):
    """A pulse, of which the transverse magnetisation is spoiled."""

    cosine: jax.Array

    def __call__(self, state):
        return (self.cosine * state[0],), None


class Counting(Longitudinal):
    """With a number in its state that is no magnetisation."""

    def init(self, sequence, tissue):
        return *super().init(sequence, tissue), jnp.zeros(tissue.voxel_shape, jnp.int32)


def test_of_an_engine_of_somebody_else():
    (steady,) = mr.steady_state(mr.Sequence(mr.Pulse(0.6), mr.Delay(20 * ms)), mr.Tissue(T1, T2), Longitudinal())
    e1 = np.exp(-20 * ms / T1)
    np.testing.assert_allclose(steady, (1 - e1) / (1 - np.cos(0.6) * e1), rtol=1e-12)


def test_an_engine_is_not_asked_for_what_it_does_not_name():
    for effect in ({"b1": 0.9}, {"b1": 0.9j}, {"off_resonance": 1.0}, {"t2_prime": 0.1}, {"diffusion": 1e-9}):
        (name,) = effect
        with pytest.raises(ValueError, match=f"Longitudinal knows no `{name}`; use `engine=.*`, or leave it out"):
            mr.play(mr.Sequence(mr.Delay(1.0)), mr.Tissue(1.0, 0.1, **effect), Longitudinal())
    with pytest.raises(ValueError, match=r"RealField knows no complex `b1`; use `engine=EPG\(\)`"):
        mr.play(mr.Sequence(mr.Delay(1.0)), mr.Tissue(1.0, 0.1, b1=0.9j), RealField())
    with pytest.raises(ValueError, match="RealField cannot play Spoil events; use an engine that can"):
        mr.play(mr.Sequence(mr.Spoil()), mr.Tissue(1.0, 0.1, b1=0.9), RealField())


class RealField(Longitudinal):
    """Which knows a transmit field without phase."""

    effects = frozenset({"b1"})


def reset_and_read():
    angles = jnp.array([0.4, 1.2, 2.0])
    preparation = (mr.Pulse(1.1, 0.4), mr.Dephase(2), mr.Delay(5 * ms), mr.Pulse(angles, 0.9), mr.Dephase(-1, 3 * ms))
    inner = mr.Repeat(mr.Pulse(0.5), mr.Dephase(1), mr.Sample(0.3), n_repetitions=4)
    scan = mr.Repeat(
        *preparation, inner, mr.Sample(), mr.SampleLongitudinal(), mr.Reset(jnp.array([0.3, 1.0, -0.5])), mr.Delay(20 * ms),
        mr.SampleLongitudinal(), *preparation, mr.SampleLongitudinal(), mr.Sample(),
    )  # fmt: skip
    return mr.Sequence(scan, mr.Dephase(1), mr.SampleLongitudinal(), mr.Reset(), mr.SampleLongitudinal())


@pytest.mark.exhaustive
def test_resets_and_longitudinal_samples_of_configuration_states():
    tissue = mr.Tissue(jnp.array([0.3, 1.0]), 0.05, off_resonance=8.0, b1=0.9, m0=2.0)
    of_spins = mr.simulate(reset_and_read(), tissue, mr.Isochromats())
    np.testing.assert_allclose(mr.simulate(reset_and_read(), tissue, mr.EPG()), of_spins, atol=1e-12)
    assert np.ptp(np.abs(of_spins)) > 0.3


def test_resets_leave_stages_their_orders(monkeypatch):
    from mrjax.physics.epg import stages

    monkeypatch.setattr(stages, "WORTH_STAGES", 1)
    train = mr.Repeat(mr.Pulse(0.9), mr.Dephase(1), mr.Sample(), n_repetitions=9)
    sequence, tissue = mr.Sequence(train, mr.Reset(), mr.Sequence(train)), mr.Tissue(jnp.linspace(0.5, 1.0, 5), 0.1)
    of_spins = mr.simulate(sequence, tissue, mr.Isochromats())
    np.testing.assert_allclose(mr.simulate(sequence, tissue, mr.EPG()), of_spins, atol=1e-12)


def test_longitudinal_samples_of_parts_of_a_cycle_are_means_over_the_voxel():
    sequence = mr.Sequence(
        mr.Pulse(1.0), mr.Dephase(0.5), mr.Pulse(1.0, 0.3), mr.SampleLongitudinal(), mr.Reset(0.4), mr.Pulse(0.6),
        mr.Dephase(0.5), mr.Pulse(1.0, 0.3), mr.SampleLongitudinal(),
    )  # fmt: skip
    tissue = mr.Tissue(np.inf, np.inf)
    of_spins = mr.simulate(sequence, tissue, mr.Isochromats(n=4000))
    np.testing.assert_allclose(mr.simulate(sequence, tissue, mr.EPG()), of_spins, atol=1e-6)
