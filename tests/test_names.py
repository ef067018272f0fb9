"""Misspelt keywords and attributes are answered with the nearest name; a sequence without samples is named."""

import inspect
import traceback

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr

FID = mr.Sequence(mr.Pulse(0.5), mr.Delay(10e-3), mr.Sample())
WATER = mr.Tissue(1.0, 0.1)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda: mr.Tissue(1.0, T2=0.1), "`Tissue` has no argument `T2`. Did you mean `t2`?"),
        (lambda: mr.Tissue(1.0, 0.1, off_resonanse=3.0), "no argument `off_resonanse`. Did you mean `off_resonance`?"),
        (lambda: mr.Pool(0.1, exchange=30.0, t1=1.0, t2=0.1), "Did you mean `exchange_rate`?"),
        (lambda: mr.Pulse(flipangle=0.5), "`Pulse` has no argument `flipangle`. Did you mean `flip_angle`?"),
        (lambda: mr.Repeat(mr.Sample(), n_repetition=3), "Did you mean `n_repetitions`?"),
        (lambda: mr.Gradient(waveform=np.ones(2), time=np.arange(2.0), axis="x"), "Did you mean `times`?"),
        (lambda: mr.Delay(5e-3, zzz=1), "`Delay` has no argument `zzz`. It takes duration."),
        (lambda: mr.EPG(nstates=8), "`EPG` has no argument `nstates`. Did you mean `n_states`?"),
        (lambda: mr.BlochMcConnell(B0=3.0), "`BlochMcConnell` has no argument `B0`. Did you mean `b0`?"),
        (lambda: mr.simulate(FID, WATER, engin=mr.EPG()), "`simulate` has no argument `engin`. Did you mean `engine`?"),
        (lambda: mr.play(FID, WATER, states=None), "`play` has no argument `states`. Did you mean `state`?"),
        (lambda: mr.protocols.spgr(0.3, tr=0.01, TE=0.003, n_repetitions=5), "Did you mean `te`?"),
        (
            lambda: mr.protocols.cest.wasabi(offset=[1.0]),
            "`wasabi` has no argument `offset`. Did you mean `offset_ppm`?",
        ),
    ],
)
def test_misspelt_keywords(call, answer):
    with pytest.raises(TypeError) as refused:
        call()
    assert answer in str(refused.value)


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (lambda: WATER.T1, "'Tissue' object has no attribute 'T1'. Did you mean `t1`?"),
        (lambda: WATER.off_resonence, "Did you mean `off_resonance`?"),
        (lambda: FID.nsamples, "'Sequence' object has no attribute 'nsamples'. Did you mean `n_samples`?"),
        (lambda: (2 * FID).sample_time, "'Repeat' object has no attribute 'sample_time'. Did you mean `sample_times`?"),
        (lambda: FID[0].flipangle, "Did you mean `flip_angle`?"),
        (lambda: mr.EPG().nstates, "Did you mean `n_states`?"),
        (lambda: mr.simulat, "module 'mrjax' has no attribute 'simulat'. Did you mean `simulate`?"),
        (lambda: mr.tissue_, "Did you mean `tissue`?"),
        (lambda: FID.qqqq, "'Sequence' object has no attribute 'qqqq'."),
    ],
)
def test_misspelt_attributes(read, answer):
    with pytest.raises(AttributeError) as refused:
        read()
    printed = traceback.format_exception_only(refused.type, refused.value)[-1]
    assert printed.count("Did you mean") == answer.count("Did you mean")
    assert answer in printed


def test_an_attribute_error_within_a_property_is_its_own():
    class Odd(mr.Spoil):
        @property
        def length(self):
            return np.no_such_function

    with pytest.raises(AttributeError, match="no_such_function"):
        _ = Odd().length


def test_calls_with_right_names_pass_and_keep_their_signatures():
    assert list(inspect.signature(mr.simulate).parameters)[:3] == ["sequence", "tissue", "engine"]
    assert hasattr(FID, "n_samples")
    assert not hasattr(FID, "is_long")
    jitted = jax.jit(lambda t2: mr.simulate(sequence=FID, tissue=mr.Tissue(t1=1.0, t2=t2), engine=mr.EPG(n_states=2)))
    np.testing.assert_allclose(jitted(0.1), mr.simulate(FID, WATER))
    changed = eqx.tree_at(lambda s: s[0].flip_angle, FID, jnp.asarray(0.25))
    assert float(changed[0].flip_angle) == 0.25


@pytest.mark.parametrize(
    "sequence", [mr.Sequence(), mr.Sequence(mr.Pulse(1.0)), mr.Repeat(mr.Pulse(1.0), mr.Delay(0.1), n_repetitions=3)]
)
def test_a_sequence_without_samples_is_named(sequence):
    with pytest.raises(ValueError, match=r"`sequence` has no samples.*put a `Sample\(\)`.*or use `mrjax.play`"):
        mr.simulate(sequence, WATER)
    assert mr.play(sequence, WATER)[0].shape == (0,)
