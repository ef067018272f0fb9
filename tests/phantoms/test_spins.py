"""Spins of a phantom: where they are, what they carry, and that voxels dephase as integrals over them say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.phantoms import Phantom, brain
from mrjax.units import mm, ms, mT

AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 5.0, 7], [0, 0, 0, 1]])
FRACTIONS = np.array([[[1.0, 0.25, 0.0], [0.5, 0.0, 0.0]], [[0.0, 0.75, 0.2], [0.5, 0.0, 1.0]]])


def example(fractions=FRACTIONS, affine=AFFINE):
    return Phantom(("fat", "muscle"), fractions, [0.3, 1.2], [0.07, 0.04], [1.0, 0.8], affine)


def test_spins_lie_evenly_within_their_voxels():
    spins = example().spins((2, 3))
    assert spins.voxel_shape == (2, 4, 9)
    assert (spins.x.shape, spins.y.shape, spins.z.shape) == ((1, 4, 1), (1, 1, 9), (1, 1, 1))
    np.testing.assert_allclose(spins.x.ravel(), np.array([-10.5, -9.5, -8.5, -7.5]) * mm)
    np.testing.assert_allclose(spins.y.ravel(), np.arange(-21.0, -12.5) * mm)
    np.testing.assert_allclose(spins.z.ravel(), [7 * mm])


def test_one_spin_is_the_middle_of_its_voxel():
    spins, alone = example().spins(), example().compartments()
    np.testing.assert_allclose(spins.x.ravel(), [-0.010, -0.008])
    np.testing.assert_array_equal(spins.m0, alone.m0)
    np.testing.assert_array_equal(spins.t1, alone.t1)


def test_protons_are_shared_by_the_spins_of_a_voxel():
    for sub_spins in (3, (1, 2)):
        m0 = np.asarray(example().spins(sub_spins).m0)
        n = np.broadcast_to(sub_spins, 2)
        within = m0.reshape(2, 2, n[0], 3, n[1])
        np.testing.assert_allclose(within.sum((2, 4)), example().compartments().m0)
        np.testing.assert_allclose(within, np.broadcast_to(within[:, :, :1, :, :1], within.shape))


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (1, 1)])
def test_an_axis_of_one_voxel_has_sub_spins_too(shape):
    spins = example(np.full((2, *shape), 0.5)).spins(4, off_resonance=np.ones(shape))
    assert spins.voxel_shape == (2, *(4 * n for n in shape))
    assert float(spins.m0.sum()) == pytest.approx(0.9 * np.prod(shape))


def test_a_turned_grid_has_full_maps_of_positions():
    turn = np.eye(4)
    turn[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    affine = turn @ AFFINE
    spins = example(affine=affine).spins(2)
    assert (spins.x.shape, spins.y.shape, spins.z.shape) == ((1, 4, 6), (1, 4, 6), (1, 1, 1))
    at = affine @ [1.25, -0.25, 0, 1]  # the fourth spin along the first axis, the first along the second
    np.testing.assert_allclose((spins.x[0, 3, 0], spins.y[0, 3, 0], spins.z[0, 0, 0]), at[:3] * mm)


def test_a_sagittal_slice_is_a_grid_of_y_and_z():
    affine = np.array([[0, 0, 4.0, 5], [2.0, 0, 0, 1], [0, -3.0, 0, 2], [0, 0, 0, 1]])
    spins = example(affine=affine).spins()
    assert (spins.x.shape, spins.y.shape, spins.z.shape) == ((1, 1, 1), (1, 2, 1), (1, 1, 3))
    np.testing.assert_allclose(spins.y.ravel(), [0.001, 0.003])
    np.testing.assert_allclose(spins.z.ravel(), [0.002, -0.001, -0.004])


def test_a_volume_has_three_axes_of_positions():
    spins = brain(shape=(12, 10, 8)).spins((1, 2, 1))
    assert spins.voxel_shape == (3, 12, 20, 8)
    assert (spins.x.shape, spins.y.shape, spins.z.shape) == ((1, 12, 1, 1), (1, 1, 20, 1), (1, 1, 1, 8))


def test_fields_are_linear_between_voxels_and_straight_beyond():
    straight = 3.0 * np.arange(2.0)[:, None] - 2.0 * np.arange(3.0)[None] + 10
    spins = example().spins(2, b1=straight / 10, off_resonance=straight, diffusion=straight * 1e-10)
    there = np.arange(-0.25, 1.5, 0.5), np.arange(-0.25, 2.5, 0.5)
    expected = 3 * there[0][:, None] - 2 * there[1][None] + 10
    np.testing.assert_allclose(spins.off_resonance[0], expected)
    inside = np.clip(there[0], 0, 1)[:, None] * 3 - 2 * np.clip(there[1], 0, 2)[None] + 10
    np.testing.assert_allclose(spins.b1[0], inside / 10)
    np.testing.assert_allclose(spins.diffusion[0], np.repeat(np.repeat(straight, 2, 0), 2, 1) * 1e-10)


def test_maps_may_be_complex_of_each_compartment_or_absent():
    phase = np.exp(1j * np.array([[0.0], [0.5]]) * np.ones((2, 3)))
    spins = example().spins(2, b1=phase, t2_prime=np.ones((2, 1, 1)), off_resonance=4.0)
    assert np.iscomplexobj(spins.b1)
    assert spins.t2_prime.shape == (2, 1, 1)
    assert spins.off_resonance.shape == ()
    assert not example().spins(2).has("b1")


@pytest.mark.slow
def test_a_gradient_across_a_voxel_dephases_as_its_integral():
    """Of n spins it is the Dirichlet kernel, which tends to a sinc."""
    phantom = example()
    gradient = mr.Gradient.trapezoid(20 * mT, rise=0.1 * ms, flat=0.4 * ms, axis="x")
    sequence = mr.Sequence(mr.Pulse(np.pi / 2), gradient, mr.Sample())
    k = float(sequence.timeline().trajectory()[0, 0])
    assert 0.5 < abs(k) * 2 * mm < 1.5
    spins = eqx.tree_at(lambda t: (t.t1, t.t2), phantom.spins((5, 1)), (jnp.inf * jnp.ones((2, 1, 1)),) * 2)
    signal = mr.simulate(sequence, spins, engine=mr.Isochromats())[..., 0]
    kept = np.sin(np.pi * k * 2 * mm) / (5 * np.sin(np.pi * k * 2 * mm / 5))
    centres = np.array([-10, -8]) * mm
    expected = -1j * kept * phantom.compartments().m0 * np.exp(-2j * np.pi * k * centres)[None, :, None]
    np.testing.assert_allclose(signal.reshape(2, 2, 5, 3).sum(2), expected, atol=1e-9)


def test_a_field_across_a_voxel_dephases_too():
    phantom = example()
    spins = phantom.spins((8, 1), off_resonance=np.array([[0.0], [40.0]]) * np.ones((2, 3)))
    phase = np.exp(2j * np.pi * 10e-3 * np.asarray(spins.off_resonance))
    kept = np.abs(phase.reshape(2, 8, 3).mean(1))
    np.testing.assert_allclose(kept, np.sinc(0.4) * np.ones((2, 3)), rtol=5e-3)


@pytest.mark.exhaustive
def test_derivatives_go_through_the_maps():
    phantom = example()

    def total(field):
        spins = phantom.spins(3, off_resonance=field)
        return jnp.abs((spins.m0 * jnp.exp(2j * jnp.pi * 0.02 * spins.off_resonance)).sum())

    field, direction = np.random.default_rng(1).normal(size=(2, 2, 3)) * 10
    _, forward = jax.jvp(total, (jnp.asarray(field),), (jnp.asarray(direction),))
    reverse = (jax.grad(total)(jnp.asarray(field)) * direction).sum()
    difference = (total(field + 1e-5 * direction) - total(field - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose((forward, reverse), difference, rtol=1e-7)


def test_single_precision_stays_single():
    with jax.enable_x64(False):
        spins = example(FRACTIONS.astype(np.float32)).spins(2, off_resonance=np.ones((2, 3), np.float32))
        assert {leaf.dtype for leaf in jax.tree.leaves(spins)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sub_spins": 0}, "`sub_spins` must be a positive integer, or one for each of the 2 axes .* but got 0"),
        ({"sub_spins": (2, 2, 2)}, r"one for each of the 2 axes of the grid, but got \(2, 2, 2\)"),
        ({"sub_spins": 1.5}, "`sub_spins` must be a positive integer"),
        (
            {"b1": np.ones((3, 2))},
            r"`b1` must be a number or have shape \(2, 3\) or \(2, 2, 3\), but got shape \(3, 2\)",
        ),
        ({"off_resonance": np.ones((3, 2, 3))}, r"`off_resonance` must be a number or have shape \(2, 3\)"),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        example().spins(**arguments)
