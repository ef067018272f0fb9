import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax import Tissue
from mrjax.phantoms import Phantom

NAMES = ("fat", "muscle")
FRACTIONS = np.array([[[1.0, 0.25, 0.0], [0.5, 0.0, 0.0]], [[0.0, 0.75, 0.2], [0.5, 0.0, 1.0]]])
AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 5.0, 7], [0, 0, 0, 1]])


def example(**changes):
    values = {"t1": [0.3, 1.2], "t2": [0.07, 0.04], "proton_density": [1.0, 0.8]}
    values |= {"names": NAMES, "fractions": FRACTIONS, "affine": AFFINE} | changes
    return Phantom(**values)


def test_compartments_broadcast_to_one_voxel_per_compartment():
    tissue = example().compartments()
    assert tissue.voxel_shape == (2, 2, 3)
    assert tissue.t1.shape == tissue.t2.shape == (2, 1, 1)
    np.testing.assert_allclose(tissue.m0, FRACTIONS * np.array([1.0, 0.8])[:, None, None])
    np.testing.assert_allclose(tissue.t1.ravel(), [0.3, 1.2])
    np.testing.assert_allclose(tissue.t2.ravel(), [0.07, 0.04])


def test_a_mixed_voxel_decays_with_two_exponentials():
    phantom, te = example(), 0.2
    tissue = phantom.compartments()
    signal = (tissue.m0 * jnp.exp(-te / tissue.t2)).sum(0)
    mixed = 0.25 * np.exp(-te / 0.07) + 0.75 * 0.8 * np.exp(-te / 0.04)
    np.testing.assert_allclose(signal[0, 1], mixed)
    single = phantom.tissue()
    assert abs(float(single.m0[0, 1] * jnp.exp(-te / single.t2[0, 1])) - mixed) > 0.002


def test_tissue_weighs_logarithms_by_protons():
    tissue = example().tissue()
    assert tissue.voxel_shape == (2, 3)
    weights = np.array([0.25, 0.6]) / 0.85
    np.testing.assert_allclose(tissue.t1[0, 1], 0.3 ** weights[0] * 1.2 ** weights[1])
    np.testing.assert_allclose(tissue.t2[0, 1], 0.07 ** weights[0] * 0.04 ** weights[1])
    np.testing.assert_allclose(tissue.m0[0, 1], 0.85)
    np.testing.assert_allclose((tissue.t1[0, 0], tissue.t1[1, 2]), (0.3, 1.2))


def test_air_is_harmless():
    tissue = example().tissue()
    assert (tissue.t1[1, 1], tissue.t2[1, 1], tissue.m0[1, 1]) == (1.0, 1.0, 0.0)

    def total(t2):
        changed = eqx.tree_at(lambda p: p.t2, example(), t2).tissue()
        return (changed.m0 * jnp.exp(-0.05 / changed.t2)).sum()

    gradient = jax.grad(total)(jnp.array([0.07, 0.04]))
    step = 1e-6 * np.eye(2)
    difference = [(total(jnp.array([0.07, 0.04]) + d) - total(jnp.array([0.07, 0.04]) - d)) / 2e-6 for d in step]
    np.testing.assert_allclose(gradient, difference, rtol=1e-6)


def test_neutral_defaults_stay_absent():
    for tissue in (example().compartments(), example().tissue()):
        assert not any(tissue.has(effect) for effect in ("b1", "off_resonance", "t2_prime", "diffusion"))
        assert tissue.b1 == Tissue(1.0, 1.0).b1


def test_maps_are_shared_by_compartments():
    b1 = np.linspace(0.8, 1.2, 6).reshape(2, 3)
    tissue = example().compartments(b1=b1, off_resonance=jnp.asarray(20.0), diffusion=np.ones((2, 1, 1)) * 1e-9)
    assert tissue.b1.shape == (1, 2, 3)
    np.testing.assert_allclose(tissue.b1[0], b1)
    assert tissue.voxel_shape == (2, 2, 3)
    np.testing.assert_allclose(example().tissue(t2_prime=b1).t2_prime, b1)


@pytest.mark.parametrize("method", ["compartments", "tissue"])
def test_a_map_that_does_not_fit_is_named(method):
    with pytest.raises(ValueError, match=r"`b1` must be a number or have shape \(2, 3\).*but got shape \(3, 2\)"):
        getattr(example(), method)(b1=np.ones((3, 2)))


def test_mask_fraction_and_voxel_size():
    phantom = example()
    np.testing.assert_array_equal(phantom.mask, [[True, True, True], [True, False, True]])
    np.testing.assert_array_equal(phantom.fraction("muscle"), FRACTIONS[1])
    assert phantom.shape == (2, 3)
    np.testing.assert_allclose(phantom.voxel_size, (0.002, 0.003))
    np.testing.assert_array_equal(np.array(phantom.affine), AFFINE)
    with pytest.raises(ValueError, match="`name` must be one of 'fat', 'muscle', but got 'bone'"):
        phantom.fraction("bone")


def test_voxel_size_of_an_oblique_grid():
    turn = np.eye(4)
    turn[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    np.testing.assert_allclose(example(affine=turn @ AFFINE).voxel_size, (0.002, 0.003))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fractions": FRACTIONS[:1]}, r"`fractions` must have shape .* 2 names, but got shape \(1, 2, 3\)"),
        ({"fractions": 1.5 * FRACTIONS}, r"`fractions` must be within 0\.\.1 and add up to at most 1"),
        ({"fractions": -FRACTIONS}, r"`fractions` must be within 0\.\.1"),
        ({"fractions": np.full((2, 2, 3), 0.6)}, r"add up to at most 1 in each voxel, but got 0\.6"),
        ({"t1": [0.3]}, r"`t1` must have one value for each of the 2 names, but got shape \(1,\)"),
        ({"t1": [0.3, -1.0]}, r"`t1` must be positive \(s\), but got -1"),
        ({"t2": [0.0, 1.0]}, r"`t2` must be positive \(s\), but got 0"),
        ({"t2": [np.inf, 1.0]}, r"`t2` must be finite, but got inf"),
        ({"proton_density": [-0.1, 1.0]}, r"`proton_density` must not be negative"),
        ({"affine": np.eye(3)}, r"`affine` must be a 4x4 matrix, but got shape \(3, 3\)"),
    ],
)
def test_errors_name_the_argument(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        example(**change)


def test_jit_and_vmap_take_a_phantom():
    phantom = example()

    @jax.jit
    def signal(phantom, te):
        tissue = phantom.compartments(b1=jnp.ones(phantom.shape))
        return (tissue.m0 * jnp.exp(-te / tissue.t2)).sum(0)

    first = signal(phantom, 0.05)
    brighter = eqx.tree_at(lambda p: p.proton_density, phantom, 2 * phantom.proton_density)
    np.testing.assert_allclose(signal(brighter, 0.05), 2 * first)
    assert signal._cache_size() == 1
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), phantom, brighter)
    np.testing.assert_allclose(jax.vmap(signal, in_axes=(0, None))(both, 0.05)[1], 2 * first)


def test_checks_hold_under_jit():
    @eqx.filter_jit
    def total(fractions):
        return example(fractions=fractions).tissue().m0.sum()

    np.testing.assert_allclose(total(jnp.asarray(FRACTIONS)), (FRACTIONS.sum((1, 2)) * [1, 0.8]).sum())
    with pytest.raises(Exception, match="must be within"):
        total(jnp.full((2, 2, 3), 0.6)).block_until_ready()


def test_leaves_have_the_default_dtype():
    assert example().fractions.dtype == jnp.float64
    with jax.enable_x64(False):
        leaves = jax.tree.leaves(example(fractions=FRACTIONS.tolist()))
        assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
