"""Derivatives in every leaf of tissue and sequence, forward and reverse, against finite differences in float64."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly
from experiments import VOXEL_SIZE, every_event, tissue
from jax.test_util import check_grads

import mrjax as mr

ENGINES = {"EPG": mr.EPG(voxel_size=VOXEL_SIZE), "Isochromats": mr.Isochromats(voxel_size=VOXEL_SIZE)}
ISOCHROMATS_SLOW = ["EPG", pytest.param("Isochromats", marks=pytest.mark.slow)]


def as_leaves(tree):
    """The array leaves as a list of relative changes around one, so that all are of the same size, and the way back."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def restore(relative):
        return eqx.combine(jax.tree.unflatten(structure, [x * r for x, r in zip(leaves, relative, strict=True)]), rest)

    return [jnp.ones(x.shape) for x in leaves], restore


def real_and_imaginary(signal):
    return jnp.stack([signal.real, signal.imag])


RELATIVE, RESTORE = as_leaves((every_event(), tissue()))
STEP = 1e-5


def along(direction, by):
    return [x + by * d for x, d in zip(RELATIVE, direction, strict=True)]


@pytest.mark.parametrize("engine", ISOCHROMATS_SLOW)
def test_forward_mode_in_every_leaf_of_sequence_and_tissue(engine, rng):
    signal = lambda relative: real_and_imaginary(mr.simulate(*RESTORE(relative), ENGINES[engine]))
    pushed = compiled_quickly(lambda relative, direction: jax.jvp(signal, (relative,), (direction,)))
    for _ in range(3):
        direction = [rng.normal(size=x.shape) for x in RELATIVE]
        value, slope = pushed(RELATIVE, direction)
        up, down = (pushed(along(direction, by), direction)[0] for by in (STEP, -STEP))
        np.testing.assert_allclose(slope, (up - down) / (2 * STEP), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(value, signal(RELATIVE), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", ISOCHROMATS_SLOW)
def test_reverse_mode_in_every_leaf_of_sequence_and_tissue(engine, rng):
    loss = lambda relative: jnp.sum(jnp.abs(mr.simulate(*RESTORE(relative), ENGINES[engine]) - 0.3) ** 2)
    loss_and_gradient = compiled_quickly(jax.value_and_grad(loss))
    gradient = loss_and_gradient(RELATIVE)[1]
    assert len(gradient) == 21
    for i, of_leaf in enumerate(gradient):
        assert np.all(np.isfinite(of_leaf)), i
        assert np.abs(of_leaf).max() > 0, i
    for _ in range(5):
        direction = [rng.normal(size=x.shape) for x in RELATIVE]
        up, down = (loss_and_gradient(along(direction, by))[0] for by in (STEP, -STEP))
        slope = sum(np.vdot(g, d) for g, d in zip(gradient, direction, strict=True))
        np.testing.assert_allclose(slope, (up - down) / (2 * STEP), rtol=1e-6, atol=1e-8)


def test_t2_prime():
    sequence = mr.protocols.multi_echo_gre([0.01, 0.03], 1.0)
    signal = lambda t2_prime: real_and_imaginary(
        mr.simulate(sequence, mr.Tissue(1.0, 0.1, t2_prime=t2_prime), mr.Isochromats(200))
    )
    check_grads(
        jax.jit(signal), (jnp.array([0.03, 0.2]),), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-6, eps=1e-7
    )


def test_plain_jit_and_grad_take_whole_tissues_and_sequences():
    """Absent effects are no leaves, so no transformation switches them on."""
    sequence, plain = mr.Sequence(mr.Pulse(0.5), mr.Delay(3e-3), mr.Sample()), mr.Tissue(1.0, 0.1)
    np.testing.assert_array_equal(jax.jit(mr.simulate)(sequence, plain), mr.simulate(sequence, plain))
    gradient = jax.grad(lambda tissue: -mr.simulate(sequence, tissue)[0].imag)(plain)
    np.testing.assert_allclose(gradient.t2, np.sin(0.5) * np.exp(-0.03) * 3e-3 / 0.1**2, rtol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_are_finite_where_formulas_are_singular(engine):
    """Zero flip angle, infinite waiting time, nothing transverse at a spoiler, an empty order."""
    sequence = mr.Sequence(
        mr.Pulse(0.0), mr.Spoil(), mr.Delay(jnp.inf), mr.Dephase(), mr.Pulse(0.5), mr.Delay(0.0), mr.Sample()
    )
    loss = lambda both: jnp.sum(jnp.abs(mr.simulate(*both, ENGINES[engine])) ** 2)
    gradients = eqx.filter_jit(eqx.filter_grad(loss))((sequence, tissue()))
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(gradients))
    assert np.all(gradients[1].m0 != 0)


def test_initial_state_is_differentiable():
    _, state = mr.play(mr.Sequence(mr.Pulse(1.0), mr.Delay(0.1)), mr.Tissue(1.0, 0.1))
    readout = mr.Sequence(mr.Pulse(0.7), mr.Sample())

    def later(z):
        begin = eqx.tree_at(lambda s: s.z, state, z * jnp.ones_like(state.z))
        return jnp.abs(mr.play(readout, mr.Tissue(1.0, 0.1), state=begin)[0]).sum()

    check_grads(jax.jit(later), (0.4,), order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_second_derivatives():
    signal = lambda t2: jnp.abs(mr.simulate(mr.protocols.cpmg(jnp.full(4, 2.0), 0.01), mr.Tissue(1.0, t2)))[-1]
    slope = compiled_quickly(jax.grad(signal))
    step = 1e-5
    expected = (slope(0.08 + step) - slope(0.08 - step)) / (2 * step)
    np.testing.assert_allclose(compiled_quickly(jax.hessian(signal))(0.08), expected, rtol=1e-7)


def test_reverse_mode_of_a_long_train_stores_few_states():
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    many = mr.Tissue(t1=jnp.linspace(0.5, 2.0, 200), t2=0.08)
    loss = lambda flips: jnp.sum(jnp.abs(mr.simulate(mr.protocols.mrf_fisp(flips, tr, 2e-3), many, mr.EPG(20))) ** 2)
    compiled = jax.jit(jax.grad(loss)).lower(jnp.asarray(flip_angle)).compile()
    every_state = 1000 * 200 * 20 * 3 * 16
    assert compiled.memory_analysis().temp_size_in_bytes < every_state / 3
