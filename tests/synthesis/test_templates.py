"""Random objects for images, and the smooth fields in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.synthesis import Uniform, longer_t1, random_template, smooth_field
from mrjax.synthesis.fields import plane, texture

PRIOR = Uniform({"t1": (0.3, 4.0), "t2": (0.02, 0.7), "m0": (0.2, 1.0)}, where=longer_t1)
SHAPE = (48, 40)


@pytest.fixture(scope="module")
def draw():
    return jax.jit(lambda key, spread=0.1: random_template(key, PRIOR, SHAPE, texture_spread=spread))


@pytest.fixture(scope="module")
def many(draw):
    key = jax.random.key(3)
    return jax.jit(jax.vmap(lambda i: draw(jax.random.fold_in(key, i))))(jnp.arange(64))


@pytest.mark.exhaustive
def test_an_object_lies_about_the_centre(draw):
    tissue = draw(jax.random.key(0))
    assert tissue.voxel_shape == SHAPE
    assert (tissue.x.shape, tissue.y.shape) == ((48, 1), (1, 40))
    np.testing.assert_allclose(np.diff(tissue.x[:, 0]), 0.22 / 48)
    np.testing.assert_allclose((tissue.x.sum(), tissue.y.sum()), 0, atol=1e-12)
    assert float(tissue.y.max()) == pytest.approx(0.11 - 0.11 / 40)


@pytest.mark.exhaustive
def test_values_come_from_the_prior(draw):
    """Without texture every pixel has the parameters of one draw, all of the same."""
    tissue = draw(jax.random.key(1), 0.0)
    drawn = {
        tuple(np.round(np.stack([tissue.t1, tissue.t2, tissue.m0])[:, i, j], 12)) for i in range(48) for j in range(40)
    }
    assert 4 < len(drawn) <= 41
    for t1, t2, m0 in drawn - {(1.0, 1.0, 0.0)}:
        assert 0.3 <= t1 <= 4
        assert 0.02 <= t2 <= min(t1, 0.7)
        assert 0.2 <= m0 <= 1


@pytest.mark.exhaustive
def test_maps_keep_within_their_limits(many):
    assert np.all(np.abs(many.off_resonance) <= 150)
    assert np.all((many.b1 >= 0.7) & (many.b1 <= 1.3))
    spread = np.ptp(np.asarray(many.off_resonance), axis=(1, 2))
    assert spread.min() < 30
    assert spread.max() > 200


@pytest.mark.exhaustive
def test_objects_are_filled_in_part_and_differ(many):
    filled = (np.asarray(many.m0) > 0).mean((1, 2))
    assert 0.2 < filled.min() < filled.max() < 0.95
    assert len(np.unique(filled)) > 50
    covered = (np.asarray(many.m0) > 0).mean(0)
    assert covered[12:36, 10:30].min() > 0.2  # shapes come anywhere
    np.testing.assert_allclose(covered[:, :20].mean(), covered[:, 20:].mean(), atol=0.1)


def test_air_is_empty_and_harmless(many):
    air = np.asarray(many.m0) == 0
    np.testing.assert_array_equal(np.asarray(many.t1)[air], 1)
    np.testing.assert_array_equal(np.asarray(many.t2)[air], 1)


@pytest.mark.exhaustive
def test_texture_keeps_the_ratio_of_t1_to_t2(draw):
    plain = draw(jax.random.key(1), 0.0)
    rough = draw(jax.random.key(1), 0.1)
    np.testing.assert_allclose(rough.t1 / rough.t2, plain.t1 / plain.t2)
    ratio = np.log(np.asarray(rough.m0 / plain.m0)[np.asarray(plain.m0) > 0])
    assert 0.04 < ratio.std() < 0.2


@pytest.mark.exhaustive
def test_a_texture_has_variance_one():
    u, v = plane((64, 64))
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: texture(key, u, v)))(jax.random.split(jax.random.key(2), 100)))
    assert drawn.std() == pytest.approx(1, abs=0.05)
    assert abs(drawn.mean()) < 0.1


@pytest.mark.exhaustive
def test_the_number_of_a_sample_decides_alone(draw, many):
    """Not how many are drawn with it."""
    alone = draw(jax.random.fold_in(jax.random.key(3), 17))
    together = jax.tree.map(lambda leaf: leaf[17], many)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12), alone, together)


@pytest.mark.exhaustive
def test_fields_may_be_left_out_and_a_prior_may_know_no_m0():
    tissue = random_template(
        jax.random.key(0), Uniform({"t1": (1.0, 2.0), "t2": (0.1, 0.2)}), (16, 16), off_resonance=None, b1=None
    )
    assert not tissue.has("off_resonance")
    assert not tissue.has("b1")
    assert float(tissue.m0.max()) > 0.8


def test_an_object_is_played(draw):
    sequence = mr.Sequence(mr.Pulse(0.5), mr.Delay(5e-3), mr.Sample())
    tissue = draw(jax.random.key(4))
    signal = mr.simulate(sequence, tissue)[..., 0]
    expected = tissue.m0 * jnp.sin(0.5 * tissue.b1) * jnp.exp(-5e-3 / tissue.t2)
    np.testing.assert_allclose(np.abs(signal), expected, atol=1e-9)


@pytest.mark.exhaustive
def test_a_smooth_field_is_smooth_and_reaches_one_and_another_value():
    maps = np.asarray(
        jax.jit(jax.vmap(lambda key: smooth_field(key, (60, 50), (2.0, 3.0))))(jax.random.split(jax.random.key(6), 40))
    )
    assert 2 <= maps.min() < 2.1
    assert 2.9 < maps.max() <= 3
    steps = np.abs(np.diff(maps, axis=1)).max((1, 2)) / np.ptp(maps, axis=(1, 2))
    assert steps.max() < 0.2


@pytest.mark.exhaustive
def test_single_precision():
    with jax.enable_x64(False):
        prior = Uniform({"t1": (1.0, 2.0), "t2": (0.1, 0.2)})
        tissue = jax.jit(lambda key: random_template(key, prior, (16, 16)))(jax.random.key(0))
        assert {leaf.dtype for leaf in jax.tree.leaves(tissue)} == {jnp.dtype("float32")}
        field = tissue.b1
        assert np.float32(0.7) <= field.min()
        assert field.max() <= np.float32(1.3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda key: random_template(key, PRIOR, (8, 8, 8)), r"`shape` must have two entries, \(nx, ny\)"),
        (lambda key: random_template(key, PRIOR, n_shapes=0), "`n_shapes` must be an integer of at least 1, but got 0"),
        (
            lambda key: random_template(key, PRIOR, field_of_view=-1.0),
            r"`field_of_view` must be positive \(m\), but got -1",
        ),
        (lambda key: random_template(key, PRIOR, b1=(1.3, 0.7)), r"`b1` must be \(low, high\) with low < high"),
        (lambda key: random_template(key, PRIOR, texture_spread=-0.1), "`texture_spread` must not be negative"),
        (
            lambda key: random_template(key, Uniform({"t1": (0.1, 1.0)})),
            r'`prior` must draw "t1" and "t2", but draws \'t1\'',
        ),
        (lambda key: smooth_field(key, (8, 8), (0.0, 1.0), degree=0), "`degree` must be an integer of at least 1"),
        (lambda key: smooth_field(key, (8, 8), 1.0), r"`limits` must be \(low, high\), but got shape \(\)"),
    ],
)
def test_errors_name_the_argument(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(jax.random.key(0))
