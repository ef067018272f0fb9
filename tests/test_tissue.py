"""Tissue: shapes, defaults at which an effect is absent, checks now and at run time, life as a PyTree."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax import Tissue

DEFAULTS = {"m0": 1.0, "t2_prime": np.inf, "off_resonance": 0.0, "b1": 1.0, "diffusion": 0.0}
FID = mr.Sequence(mr.Pulse(0.5), mr.Delay(10e-3), mr.Sample())


@pytest.mark.parametrize(
    ("shapes", "voxels"),
    [
        ({}, ()),
        ({"t1": (3,)}, (3,)),
        ({"t1": (3,), "b1": (2, 1)}, (2, 3)),
        ({"t1": (1,), "t2": (4, 1, 2), "m0": (5, 1)}, (4, 5, 2)),
        ({"off_resonance": (0,)}, (0,)),
    ],
)
def test_leaves_broadcast_to_one_voxel_shape(shapes, voxels):
    values = {"t1": 1.0, "t2": 0.1} | {name: jnp.full(shape, 0.5) for name, shape in shapes.items()}
    tissue = Tissue(**values)
    assert tissue.voxel_shape == voxels
    assert {name: getattr(tissue, name).shape for name in shapes} == shapes
    flat = tissue.flattened()
    assert all(leaf.shape in ((1,), (np.prod(voxels, dtype=int),)) for leaf in jax.tree.leaves(flat))


def test_flattened_voxels_are_in_order():
    flat = Tissue(t1=jnp.array([[1.0], [2.0]]), t2=jnp.array([0.1, 0.2, 0.3]), b1=jnp.array([[[0.9]]])).flattened()
    np.testing.assert_array_equal(flat.t1, [1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(flat.t2, [0.1, 0.2, 0.3, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(flat.b1, [0.9])


def test_defaults_are_numbers_but_no_leaves():
    tissue = Tissue(1.0, 0.1)
    assert {name: getattr(tissue, name) for name in DEFAULTS} == DEFAULTS
    assert not any(tissue.has(name) for name in DEFAULTS)
    assert len(jax.tree.leaves(tissue)) == 2


@pytest.mark.parametrize("name", DEFAULTS)
def test_only_what_differs_from_its_default_is_a_leaf(name):
    neutral, value = DEFAULTS[name], 1e-9 if name == "diffusion" else 0.5
    assert not Tissue(1.0, 0.1, **{name: neutral}).has(name)
    as_array, other = Tissue(1.0, 0.1, **{name: jnp.asarray(neutral)}), Tissue(1.0, 0.1, **{name: value})
    for tissue in (as_array, other):
        assert tissue.has(name)
        assert len(jax.tree.leaves(tissue)) == 3
    assert getattr(as_array, name) == neutral
    assert getattr(other, name) == value


def test_an_integer_default_is_recognised():
    assert len(jax.tree.leaves(Tissue(1, 1, m0=1, off_resonance=0, b1=1, diffusion=0))) == 2


def test_replace_changes_one_leaf():
    tissue = Tissue(t1=jnp.array([0.8, 1.4]), t2=0.1, off_resonance=5.0)
    changed = dataclasses.replace(tissue, b1=0.9)
    assert changed.has("b1")
    assert not tissue.has("b1")
    assert changed.b1 == 0.9
    assert changed.off_resonance == 5.0
    assert not changed.has("m0")
    assert changed.t1 is tissue.t1
    back = dataclasses.replace(changed, b1=1.0)
    assert jax.tree.structure(back) == jax.tree.structure(tissue)
    with pytest.raises(ValueError, match=r"Shapes must broadcast to one voxel shape, but got t1 \(2,\), b1 \(3,\)"):
        dataclasses.replace(tissue, b1=np.ones(3))


def test_a_tissue_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Tissue(1.0, 0.1).t1 = 2.0


def test_a_number_put_into_the_tree_counts_as_an_array_does():
    tissue = Tissue(1.0, 0.1)
    for where in (lambda t: t.t2, lambda t: t.b1, lambda t: t.m0, lambda t: t.off_resonance):
        number, array = (eqx.tree_at(where, tissue, value) for value in (0.7, jnp.asarray(0.7)))
        np.testing.assert_allclose(mr.simulate(FID, number), mr.simulate(FID, array), rtol=1e-15)
        assert np.abs(mr.simulate(FID, number) - mr.simulate(FID, tissue)).max() > 1e-3
    with pytest.raises(ValueError, match="`t2` must be positive"):
        mr.simulate(FID, eqx.tree_at(lambda t: t.t2, tissue, -0.1))


def test_jit_takes_and_returns_tissues():
    tissue = Tissue(t1=jnp.array([0.8, 1.4]), t2=0.1, m0=2.0 + 1j)
    returned = jax.jit(lambda tissue: tissue)(tissue)
    assert jax.tree.structure(returned) == jax.tree.structure(tissue)
    jax.tree.map(np.testing.assert_array_equal, returned, tissue)
    assert returned.m0.dtype == jnp.complex128
    scaled = jax.jit(lambda t: dataclasses.replace(t, t1=2 * t.t1, b1=jnp.ones(2)))(tissue)
    np.testing.assert_array_equal(scaled.t1, [1.6, 2.8])
    assert scaled.has("b1")
    assert not scaled.has("diffusion")


def test_vmap_makes_and_takes_tissues():
    many = jax.vmap(lambda t2: Tissue(1.0, t2))(jnp.array([0.1, 0.2]))
    assert many.t2.shape == (2,)
    assert many.t1.shape == (2,)
    np.testing.assert_array_equal(jax.vmap(lambda tissue: tissue.t1 + tissue.t2)(many), [1.1, 1.2])


def test_plain_numbers_do_not_widen_arrays():
    assert Tissue(np.ones(2, np.float32), 0.1).flattened().t1.dtype == jnp.float32
    assert (jnp.ones((), jnp.float32) * Tissue(1.0, 0.1).t2).dtype == jnp.float32
    with jax.enable_x64(False):
        tissue = Tissue(np.ones(2), np.array([1, 2]), m0=np.ones(2, complex), b1=np.ones(2))
        assert [leaf.dtype for leaf in jax.tree.leaves(tissue)] == ["float32", "float32", "complex64", "float32"]


@pytest.mark.parametrize("name", ["t1", "t2"])
def test_milliseconds_are_noticed(name):
    times = {"t1": 25.0, "t2": 0.1} | {name: np.array([0.1, np.inf, 45.0])}
    with pytest.warns(
        mr.PlausibilityWarning, match=rf"^`{name}` is in s and reaches 40.*multiply by `mrjax\.units\.ms`"
    ):
        Tissue(**times)


def test_plausible_and_infinite_times_are_not_warned_of():
    Tissue(30.0, np.inf)
    Tissue(np.inf, 4.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"t1": -1.0}, r"`t1` must be positive \(s\)"),
        ({"t2": np.nan}, r"`t2` must be positive \(s\)"),
        ({"m0": np.inf}, "`m0` must be finite"),
        ({"t2_prime": 0.0}, r"`t2_prime` must be positive \(s\)"),
        ({"off_resonance": np.nan}, "`off_resonance` must be finite"),
        ({"b1": -0.1}, r"`b1` must not be negative \(relative to nominal\)"),
    ],
)
def test_the_same_check_now_and_for_traced_values_when_run(change, sentence):
    with pytest.raises(ValueError, match=rf"^{sentence}, but got "):
        Tissue(**({"t1": 1.0, "t2": 0.1} | change))
    train = mr.Sequence(mr.Pulse(0.5), mr.Delay(0.01), mr.Pulse(0.5), mr.Sample())

    @eqx.filter_jit
    def signal(values):
        tissue = Tissue(**({"t1": 1.0, "t2": 0.1} | values))
        return mr.simulate(train, tissue, mr.Isochromats(4))

    with pytest.raises(Exception, match=sentence):
        signal({name: jnp.asarray(value) for name, value in change.items()}).block_until_ready()
