"""A complex transmit field scales flip angles by its magnitude and adds its phase to that of every RF pulse, in all engines."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import mm, ms, mT

B1 = jnp.array([0.8 + 0.3j, -0.5 + 0.9j, 1.1 - 0.2j])
TISSUE = mr.Tissue(
    jnp.array([0.3, 0.9, 1.5]), jnp.array([0.04, 0.1, 0.2]), off_resonance=jnp.array([3.0, -20.0, 11.0]), b1=B1
)
LOSSLESS = dataclasses.replace(TISSUE, t1=jnp.inf, t2=jnp.inf)
SHAPE = 6e-6 * jnp.asarray(np.hanning(12) * np.exp(0.5j * np.linspace(-1, 1, 12)))
ENGINES = {
    "EPG": mr.EPG(),
    "Isochromats": mr.Isochromats(),
    "BlochODE": mr.BlochODE(),
    "BlochMcConnell": mr.BlochMcConnell(3.0),
}


def instantaneous(phase=0.0) -> mr.Sequence:
    """Pulses that take no time, with what is added to their phases."""
    angles, phases = jnp.array([0.7, 1.9, 1.2]), jnp.array([0.1, -0.4, 2.0])
    train = (mr.Pulse(angles, phases + phase), mr.Delay(4 * ms), mr.Sample(), mr.Dephase(1), mr.Delay(2 * ms))
    return mr.Sequence(mr.Pulse(0.9, jnp.asarray(phase)), mr.Delay(2 * ms), mr.Repeat(*train), mr.Sample())


def lasting(phase=0.0) -> mr.Sequence:
    """RF that lasts, on and off resonance, alone and under a gradient."""
    pulse = mr.ShapedPulse(SHAPE, 0.1 * ms, offset=40.0, phase=jnp.array([0.4, 1.0]) + phase)
    block = mr.ContinuousWave(jnp.array([3e-6, 9e-6]), 1 * ms, offset=-30.0, phase=jnp.asarray(phase))
    selection = mr.Together(
        mr.ContinuousWave(4e-6, 0.5 * ms, phase=jnp.asarray(phase)),
        mr.Gradient([2 * mT, 4 * mT, -6 * mT], [0.0, 0.5 * ms, 1.5 * ms], "z"),
    )
    return mr.Sequence(mr.Repeat(pulse, mr.Delay(1 * ms), block, mr.Sample(), selection), mr.Sample(0.3))


def turned_by_hand(sequence, tissue, engine):
    """Each voxel with the magnitude of its field, in a sequence whose phases are all turned."""
    tissue = dataclasses.replace(tissue, b1=jnp.abs(B1))
    signals = [mr.simulate(sequence(np.angle(b1)), tissue, engine) for b1 in np.asarray(B1)]
    return jnp.stack([signal[voxel] for voxel, signal in enumerate(signals)])


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "sequence"),
    [
        *((name, instantaneous) for name in ENGINES),
        *(("EPG", lasting), ("Isochromats", lasting)),
        *(pytest.param(name, lasting, marks=pytest.mark.slow) for name in ("BlochODE", "BlochMcConnell")),
    ],
)
def test_its_phase_is_added_to_that_of_every_pulse(name, sequence):
    tissue = TISSUE if sequence is instantaneous else dataclasses.replace(TISSUE, z=jnp.array([-3.0, 1.0, 5.0]) * mm)
    if name == "BlochMcConnell":
        pools = (mr.Pool(0.05, 30.0, 0.8, 0.02, shift_ppm=1.0), mr.Pool(0.1, 40.0, 1.0, 1e-5))
        tissue = dataclasses.replace(tissue, pools=pools)
    signal = mr.simulate(sequence(), tissue, ENGINES[name])
    # the solver chooses its steps by the largest error of all voxels
    tolerance = 1e-7 if name == "BlochODE" and sequence is lasting else 1e-12
    np.testing.assert_allclose(signal, turned_by_hand(sequence, tissue, ENGINES[name]), atol=tolerance)
    assert np.abs(signal).max() > 0.3


@pytest.mark.slow
def test_engines_agree_on_pulses_that_take_no_time():
    expected = mr.simulate(instantaneous(), TISSUE, mr.EPG())
    for name in ("Isochromats", "BlochODE", "BlochMcConnell"):
        np.testing.assert_allclose(mr.simulate(instantaneous(), TISSUE, ENGINES[name]), expected, atol=1e-12)


@pytest.mark.exhaustive
def test_engines_agree_on_pulses_that_last():
    tissue = dataclasses.replace(LOSSLESS, z=jnp.array([-3.0, 1.0, 5.0]) * mm)
    expected = mr.simulate(lasting(), tissue, mr.BlochODE())
    for name in ("EPG", "Isochromats", "BlochMcConnell"):
        np.testing.assert_allclose(mr.simulate(lasting(), tissue, ENGINES[name]), expected, atol=3e-5)


@pytest.mark.slow
def test_the_bare_kernel_agrees():
    end = mr.bloch(SHAPE, 0.1 * ms, LOSSLESS)
    signal = mr.simulate(mr.Sequence(mr.ShapedPulse(SHAPE, 0.1 * ms), mr.Sample()), LOSSLESS, mr.Isochromats())
    np.testing.assert_allclose(end.transverse, signal[:, 0], atol=1e-12)


@pytest.mark.exhaustive
def test_a_field_without_phase_is_a_real_one():
    pulse = mr.ShapedPulse(SHAPE, 0.1 * ms, offset=40.0, phase=0.4)
    for sequence in (instantaneous(), mr.Sequence(pulse, mr.Sample())):
        for engine in ENGINES.values():
            real, complex_ = (dataclasses.replace(TISSUE, b1=b1) for b1 in (jnp.abs(B1), jnp.abs(B1) + 0j))
            np.testing.assert_allclose(
                mr.simulate(sequence, complex_, engine), mr.simulate(sequence, real, engine), atol=1e-8
            )


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["EPG", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Isochromats", "BlochMcConnell"))]
)
@pytest.mark.parametrize(
    "b1", [B1, pytest.param(jnp.zeros(3, complex), marks=pytest.mark.slow)], ids=["somewhere", "at zero"]
)
def test_derivatives_in_both_parts(name, b1):
    pulse = mr.Sequence(mr.ShapedPulse(SHAPE[::3], 0.3 * ms, offset=30.0), mr.Delay(1 * ms), mr.Sample())
    sequence = mr.Sequence(instantaneous(), pulse)

    def signal(parts):
        answer = mr.simulate(sequence, dataclasses.replace(TISSUE, b1=parts[0] + 1j * parts[1]), ENGINES[name])
        return jnp.stack([answer.real, answer.imag])

    point, direction = jnp.stack([b1.real, b1.imag]), jnp.array([[0.3, -1.0, 0.5], [1.0, 0.2, 0.7]])
    along = jax.jit(lambda step: signal(point + step * direction))
    difference = (along(1e-5) - along(-1e-5)) / 2e-5
    assert np.abs(difference).max() > 0.1
    np.testing.assert_allclose(jax.jit(jax.jacfwd(along))(0.0), difference, atol=1e-8)
    weight = jnp.cos(jnp.arange(difference.size)).reshape(difference.shape)
    gradient = jax.jit(jax.grad(lambda parts: jnp.sum(weight * signal(parts))))(point)
    np.testing.assert_allclose(jnp.sum(gradient * direction), jnp.sum(weight * difference), rtol=1e-7)


@pytest.mark.exhaustive
def test_its_jacobian_is_carried_along_with_the_signal():
    def loss(b1, **options):
        signal = mr.simulate(instantaneous(), dataclasses.replace(TISSUE, b1=b1), **options)
        return jnp.sum(jnp.abs(signal[:, :3]) ** 2) + jnp.sum(signal[:, 3].real)

    carried = jax.grad(lambda b1: loss(b1, gradient=mr.gradient.ForwardJacobian()))(B1)
    np.testing.assert_allclose(carried, jax.grad(loss)(B1), atol=1e-10)
    assert np.abs(carried.imag).min() > 1e-3


@pytest.mark.exhaustive
def test_single_precision_is_kept():
    narrow = lambda leaf: leaf.astype(jnp.complex64 if jnp.iscomplexobj(leaf) else jnp.float32)
    sequence, tissue = jax.tree.map(narrow, (instantaneous(), TISSUE))
    for name in ("EPG", "Isochromats", "BlochMcConnell"):
        signal = mr.simulate(sequence, tissue, jax.tree.map(narrow, ENGINES[name]))
        assert signal.dtype == jnp.complex64
        np.testing.assert_allclose(signal, mr.simulate(instantaneous(), TISSUE, ENGINES[name]), atol=1e-5)


def test_what_a_tissue_says_of_it():
    assert "b1 0.854400 ... 1.11803" in repr(TISSUE).replace("0.8544 ", "0.854400 ")
    assert TISSUE.effects == ("b1", "b1_phase", "off_resonance")
    with pytest.raises(ValueError, match=r"`b1` must not be negative \(relative to nominal\), but got -0.5"):
        mr.Tissue(1.0, 0.1, b1=-0.5)
    with pytest.raises(ValueError, match="`b1` must be finite"):
        mr.Tissue(1.0, 0.1, b1=complex(np.nan, 1.0))
