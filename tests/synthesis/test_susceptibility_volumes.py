"""Random volumes of susceptibility, and solids that they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.synthesis import _solids, brain_susceptibility, random_susceptibility
from mrjax.synthesis.brain_susceptibility import CENTRE, NUCLEI, VEINS, _nuclei

SHAPE = (24, 20, 16)
BRAIN, VOXEL = (40, 46, 38), 4e-3


@pytest.fixture(scope="module")
def draw():
    return jax.jit(lambda key, spread: random_susceptibility(key, SHAPE, n_shapes=12, texture_spread=spread))


@pytest.fixture(scope="module")
def brains():
    draw = jax.jit(lambda key, widest: brain_susceptibility(key, BRAIN, VOXEL, widest=widest))
    return lambda seed, widest=3.0: draw(jax.random.key(seed), widest)


def places(n=48):
    along = (jnp.arange(n) + 0.5) / n * 2 - 1
    return jnp.stack(jnp.meshgrid(along, along, along, indexing="ij")), 2 / n


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("kind", "volume"),
    [
        (_solids.ELLIPSOID, 4 / 3 * np.pi * 0.6 * 0.4 * 0.3),
        (_solids.BOX, 8 * 0.6 * 0.4 * 0.3),
        (_solids.TUBE, 2 * 0.6 * np.pi * 0.4 * 0.3),
    ],
    ids=["ellipsoid", "box", "tube"],
)
def test_solids_have_their_volume_however_they_lie(kind, volume):
    """Rotation and bending change none; the share of the voxels at the surface makes up for their size."""
    where, voxel = places()
    turn = jnp.array([[0.9, 0.3, -0.5, 0.4]])
    solid = _solids.Solids(
        jnp.array([kind]),
        jnp.array([[0.1, -0.05, 0.02]]),
        jnp.array([[0.6, 0.4, 0.3]]),
        turn,
        jnp.array([0.2]),
        jnp.ones((1, 1)),
    )
    share = _solids.painted(jnp.zeros((1, *where.shape[1:])), solid, where, jnp.asarray(voxel))[0]
    assert 0.05 < float(((share > 0) & (share < 1)).mean()) * share.size * voxel**3 / volume < 0.9
    assert float(share.sum()) * voxel**3 == pytest.approx(volume, rel=0.02)
    if kind != _solids.TUBE:  # a bent tube has its middle elsewhere
        middle = (share[None] * where).sum((1, 2, 3)) / share.sum()
        np.testing.assert_allclose(middle, solid.centre[0], atol=1e-3)


def test_rotations_are_rotations():
    matrix = _solids.rotation(jnp.array([2.0, 0.3, -0.5, 0.4]))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert float(jnp.linalg.det(matrix)) == pytest.approx(1)
    quarter = _solids.rotation(jnp.array([1.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(quarter @ jnp.array([1.0, 0, 0]), [0, 1, 0], atol=1e-14)


@pytest.mark.exhaustive
def test_any_rotation_is_as_likely_as_any_other():
    """Of a fixed axis every place on the sphere, of the quaternions every place on theirs."""
    many = _solids.any_rotation(jax.random.uniform(jax.random.key(0), (4000, 3)))
    np.testing.assert_allclose((many**2).sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(many.T @ many / 4000, np.eye(4) / 4, atol=0.015)
    turned = np.sort(jax.vmap(_solids.rotation)(many)[:, 2, 0])
    np.testing.assert_allclose(turned, np.linspace(-1, 1, 4000), atol=0.05)


def test_later_solids_lie_over_earlier_ones():
    where, voxel = places(16)
    two = jnp.array([[0.5, 0.5, 0.5], [0.3, 0.3, 0.3]])
    solids = _solids.Solids(
        jnp.array([_solids.BOX, _solids.ELLIPSOID]),
        jnp.zeros((2, 3)),
        two,
        _solids.upright(2),
        jnp.zeros(2),
        jnp.array([[1.0, 5.0], [-2.0, 6.0]]),
    )
    maps = _solids.painted(jnp.zeros((2, 16, 16, 16)), solids, where, jnp.asarray(voxel))
    np.testing.assert_allclose(maps[:, 8, 8, 8], [-2, 6])
    np.testing.assert_allclose(maps[:, 4, 4, 4], [1, 5])
    np.testing.assert_allclose(maps[:, 0, 8, 8], [0, 0])


def test_textures_have_a_variance_of_one():
    where, _ = places(16)
    many = jax.jit(jax.vmap(lambda key: _solids.texture(key, where)))(jax.random.split(jax.random.key(0), 64))
    np.testing.assert_allclose([many.mean(), many.var()], [0, 1], atol=0.05)


@pytest.mark.exhaustive
def test_shapes_lie_in_a_head_within_their_limits(draw):
    volumes = [draw(jax.random.key(i), 0.0) for i in range(6)]
    for volume in volumes:
        assert volume.mask.dtype == bool
        assert 0.15 < float(volume.mask.mean()) < 0.5
        assert not volume.mask[0].any()
        outside = ~volume.mask
        assert not jnp.any(volume.susceptibility[outside])
        assert not jnp.any(volume.magnitude[outside])
        assert float(jnp.abs(volume.susceptibility).max()) <= 0.2 + 1e-12
        assert 0.3 - 1e-12 <= float(volume.magnitude[volume.mask].min()) <= float(volume.magnitude.max()) <= 1
    covered = [float((v.susceptibility != 0).sum() / v.mask.sum()) for v in volumes]
    assert 0.02 < min(covered) < max(covered) < 0.99
    assert len({float(v.mask.sum()) for v in volumes}) == 6


@pytest.mark.exhaustive
def test_many_are_drawn_at_once_each_from_its_key(draw):
    keys = jax.random.split(jax.random.key(7), 3)
    together = jax.jit(jax.vmap(lambda key: draw(key, 0.1)))(keys)
    alone = draw(keys[1], 0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-12, atol=1e-12), together, alone)
    assert not np.allclose(together.susceptibility[0], together.susceptibility[1])


@pytest.mark.exhaustive
def test_brains_differ_and_fill_their_mask(brains):
    first, second = brains(0), brains(1)
    for volume in (first, second):
        assert volume.susceptibility.shape == BRAIN
        litres = float(volume.mask.sum()) * (VOXEL * 10) ** 3
        assert 1.9 * 0.85**3 < litres < 1.9 * 1.15**3
        assert not jnp.any(volume.susceptibility[~volume.mask])
        assert 0 <= float(volume.magnitude.min()) <= float(volume.magnitude.max()) < 1.4
        assert float(volume.susceptibility.max()) > VEINS[0]
        middle = jnp.array(jnp.where(volume.mask)).mean(1)
        np.testing.assert_allclose(middle, (np.array(BRAIN) - 1) / 2, atol=3)
    assert float((first.mask != second.mask).mean()) > 0.01


@pytest.mark.exhaustive
def test_nuclei_are_where_anatomy_has_them_on_average(brains):
    """At the place of a nucleus in an undeformed brain the mean of many is well above that of all tissue."""
    many = [brains(seed, 1.0).susceptibility for seed in range(24)]
    middle = np.median(np.stack(many), axis=0)
    tissue = np.median(np.stack([chi[chi != 0].mean() for chi in many]))
    for name in ("putamen", "globus pallidus", "substantia nigra"):
        for side in (1, -1):
            offset = (np.array(NUCLEI[name].centre) * [side, 1, 1] - CENTRE) / (VOXEL * 1e3)
            x, y, z = np.round(offset + (np.array(BRAIN) - 1) / 2).astype(int)
            around = middle[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2]
            assert around.max() > tissue + 0.02, name


def test_a_factor_widens_the_range_of_nuclei():
    """In half of the brains, by up to the widest, for both sides alike."""
    keys = jax.random.split(jax.random.key(0), 200)
    values = jax.jit(lambda widest: jax.vmap(lambda key: _nuclei(key, widest).values[:, 0])(keys))
    factor = np.asarray(values(4.0) / values(1.0))
    np.testing.assert_allclose(factor[:, : len(NUCLEI)], factor[:, len(NUCLEI) :], rtol=1e-12)
    widened = factor > 1 + 1e-9
    assert 0.4 < widened.mean() < 0.6
    assert factor.min() > 1 - 1e-12
    assert 3.9 < factor.max() <= 4
    assert np.log(factor[widened]).mean() == pytest.approx(np.log(4) / 2, rel=0.05)
    mean = np.asarray(values(1.0)).mean(0)[: len(NUCLEI)]
    np.testing.assert_allclose(mean, [nucleus.ppm for nucleus in NUCLEI.values()], rtol=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda key: random_susceptibility(key, (8, 8)), "`shape` must have three entries"),
        (lambda key: random_susceptibility(key, SHAPE, susceptibility=(0.1, 0.0)), "`susceptibility`.*low < high"),
        (lambda key: brain_susceptibility(key, SHAPE, voxel_size=-1e-3), "`voxel_size` must be positive"),
        (
            lambda key: brain_susceptibility(key, SHAPE, voxel_size=[1e-3, 2e-3]),
            "`voxel_size` must be a number or three",
        ),
        (lambda key: brain_susceptibility(key, SHAPE, widest=0.5), "`widest` must be at least 1"),
    ],
    ids=["plane", "limits", "voxel", "two voxels", "widest"],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(jax.random.key(0))
