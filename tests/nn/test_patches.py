"""Functions of patches on whole volumes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def volume(shape=(11, 7, 9, 2)):
    return jax.random.normal(jax.random.key(0), shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patch", "overlap", "batch_size"),
    [((4, 4, 4), 2, 1), ((4, 4, 4), 0, 3), ((5, 3, 9), (4, 1, 0), 2), ((16, 4, 4), 3, 4), ((16, 16, 16), 8, 2)],
    ids=["blended", "side by side", "other axes", "longer than an axis", "one patch"],
)
def test_a_function_of_voxels_is_that_of_the_volume(patch, overlap, batch_size):
    x = volume()
    function = lambda x: jnp.stack([x[..., 0] ** 2, x[..., 1], x[..., 0] + 3], -1)
    result = mr.nn.in_patches(function, x, patch, overlap, batch_size=batch_size)
    np.testing.assert_allclose(result, function(x), rtol=1e-13, atol=1e-13)


def test_neighbours_blend_linearly():
    """Two patches of 6 that share 3 samples, of which one answers 0 and one 1."""
    x = jnp.arange(9.0)[:, None]
    is_second = lambda x: jnp.where(x[:, :1] > 0, jnp.ones_like(x), 0.0)
    blended = mr.nn.in_patches(is_second, x, (6,), 3)[:, 0]
    np.testing.assert_allclose(blended, [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1], atol=1e-15)


def test_the_last_patch_is_moved_inward():
    starts = lambda x: jnp.broadcast_to(x[:, :1], x.shape)
    found = mr.nn.in_patches(starts, jnp.arange(9.0)[:, None], (4,), 0)[:, 0]
    np.testing.assert_allclose(found[:5], [0, 0, 0, 0, 4])
    assert float(found[-1]) == 5  # the patch that ends at the end
    assert 4 < float(found[6]) < 5


def test_images_and_slopes():
    x = volume((9, 7, 1))
    weight = jnp.arange(1.0, 10.0)[:, None, None]
    whole = lambda x: jnp.sum(weight * mr.nn.in_patches(lambda p: p**3, x, (4, 4), 2, batch_size=2))
    value, slope = jax.jit(jax.value_and_grad(whole))(x)
    assert float(value) == pytest.approx(float(jnp.sum(weight * x**3)))
    np.testing.assert_allclose(slope, 3 * weight * x**2, rtol=1e-12)
    half = mr.nn.in_patches(lambda p: p, x.astype(jnp.float32), (4, 4), 2)
    assert half.dtype == jnp.float32


def test_memory_is_that_of_a_batch():
    """One patch in 4^3 times as many takes the volume as much longer, and no more room for features."""
    features = lambda x: jnp.tanh(jnp.repeat(x, 256, axis=-1)).sum(-1, keepdims=True)
    temporary = lambda n: (
        jax.jit(lambda x: mr.nn.in_patches(features, x, (8, 8, 8), 0))
        .lower(jax.ShapeDtypeStruct((n, n, n, 1), jnp.float32))
        .compile()
        .memory_analysis()
        .temp_size_in_bytes
    )
    assert temporary(32) < temporary(8) + 4 * 4 * 32**3


@pytest.mark.parametrize(
    ("function", "patch", "overlap", "message"),
    [
        (lambda x: x, (4, 4), 1, "`patch_shape` must have 3 entries"),
        (lambda x: x, (4, 4, 0), 1, "`patch_shape`.*0"),
        (lambda x: x, (4, 4, 4), 4, "`overlap` must be from 0 to less"),
        (lambda x: x, (4, 4, 4), (1, 1), "`overlap` must be an integer or 3"),
        (lambda x: x[:, 1:], (4, 4, 4), 1, r"`function` must return an array of shape \(1, 4, 4, 4\)"),
    ],
    ids=["axes", "sizes", "overlap", "overlaps", "answer"],
)
def test_mistakes_are_named(function, patch, overlap, message):
    with pytest.raises(ValueError, match=message):
        mr.nn.in_patches(function, volume(), patch, overlap)
