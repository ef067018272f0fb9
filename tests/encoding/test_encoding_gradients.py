"""Derivatives in trajectory, coils, field and basis against finite differences, forward and reverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

from mrjax import encoding as enc

pytest.importorskip("jax_finufft")

SHAPE, VOXEL, STEP = (6, 5), (0.03, 0.04), 1e-4
RNG = np.random.default_rng(7)
K = jnp.asarray(RNG.uniform(-12, 12, (13, 2)))
COILS = jnp.asarray(RNG.normal(size=(2, *SHAPE)) + 1j * RNG.normal(size=(2, *SHAPE)))
IMAGE = jnp.asarray(RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE))
BASIS = jnp.asarray(RNG.normal(size=(13, 2)))
TIMES = np.linspace(0, 20e-3, 13)


def of_trajectory(k):
    return jnp.sum(jnp.abs(enc.Nufft(k, SHAPE, VOXEL, 0.01, 1e-12).mv(COILS)) ** 2 * jnp.arange(13.0)[None])


def of_adjoint(k):
    images = enc.Nufft(k, SHAPE, VOXEL, 0.01, 1e-12).adjoint(jnp.exp(1j * jnp.arange(13.0)))
    return jnp.sum(jnp.abs(images) ** 2 * jnp.arange(30.0).reshape(SHAPE))


def of_normal(k):
    normal = enc.Nufft(k, SHAPE, VOXEL, tolerance=1e-12).normal_operator(jnp.linspace(0.2, 1, 13))
    return jnp.vdot(IMAGE * jnp.arange(5.0)[None], normal.mv(IMAGE)).real


def of_coils(real):
    encoding = enc.sense(real * COILS, trajectory=K, voxel_size=VOXEL, tolerance=1e-12)
    return jnp.sum(jnp.abs(encoding.mv(IMAGE)) ** 2 * jnp.arange(13.0)[None])


def of_field(field):
    plain = enc.Nufft(K, SHAPE, VOXEL, tolerance=1e-12)
    encoding = enc.off_resonance(plain, field, TIMES, tolerance=1e-10, frequency_range=(-100, 100))
    return jnp.sum(jnp.abs(encoding.mv(IMAGE)) ** 2 * jnp.arange(13.0))


def of_basis(basis):
    encoding = enc.sense(COILS, trajectory=K, voxel_size=VOXEL, basis=basis, tolerance=1e-12)
    return jnp.sum(jnp.abs(encoding.mv(jnp.stack([IMAGE, 1j * IMAGE[::-1]]))) ** 2 * jnp.arange(13.0)[None])


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("function", "at"),
    [
        (of_trajectory, K),
        (of_adjoint, K),
        (of_normal, K),
        (of_coils, jnp.ones((2, *SHAPE)) + 0.1),
        (of_field, jnp.asarray(RNG.uniform(-80, 80, SHAPE))),
        (of_basis, BASIS),
    ],
    ids=["trajectory", "adjoint", "normal", "coils", "field", "basis"],
)
def test_derivatives_are_those_of_differences(function, at):
    direction = jnp.asarray(RNG.normal(size=at.shape))
    value = compiled_quickly(function)
    at_steps = [(value(at + n * STEP * direction) - value(at - n * STEP * direction)) / (2 * n * STEP) for n in (1, 2)]
    expected = (4 * at_steps[0] - at_steps[1]) / 3
    forward = compiled_quickly(lambda x, d: jax.jvp(function, (x,), (d,))[1])(at, direction)
    reverse = compiled_quickly(jax.grad(function))(at)
    np.testing.assert_allclose(forward, expected, rtol=1e-7)
    np.testing.assert_allclose(jnp.sum(reverse * direction), forward, rtol=1e-9)


def test_second_derivatives_in_the_trajectory():
    direction = jnp.asarray(RNG.normal(size=K.shape))
    curved = compiled_quickly(lambda k, d: jax.jvp(jax.grad(of_trajectory), (k,), (d,))[1])(K, direction)
    gradient = compiled_quickly(jax.grad(of_trajectory))
    expected = (gradient(K + STEP * direction) - gradient(K - STEP * direction)) / (2 * STEP)
    np.testing.assert_allclose(curved, expected, rtol=1e-5, atol=1e-6 * abs(expected).max())


@pytest.mark.exhaustive
def test_vmap_over_trajectories_of_gradients():
    both = jnp.stack([K, 0.5 * K])
    mapped = jax.vmap(jax.grad(of_trajectory))(both)
    np.testing.assert_allclose(mapped[1], jax.grad(of_trajectory)(0.5 * K), rtol=1e-9, atol=1e-9)


@pytest.mark.exhaustive
def test_vmap_in_any_nesting():
    value = lambda k, image: enc.Nufft(k, SHAPE, VOXEL, tolerance=1e-12).mv(image)
    both, images = jnp.stack([K, 0.5 * K]), jnp.stack([IMAGE, 2 * IMAGE, 1j * IMAGE])
    table = jax.vmap(jax.vmap(value, (None, 0)), (0, None))(both, images)
    other = jax.vmap(jax.vmap(value, (0, None)), (None, 0))(both, images)
    together = jax.vmap(value)(both, images[:2])
    np.testing.assert_allclose(table, other.swapaxes(0, 1), atol=1e-10)
    np.testing.assert_allclose(table[1, 2], value(0.5 * K, 1j * IMAGE), atol=1e-10)
    np.testing.assert_allclose(together[1], table[1, 1], atol=1e-10)
    back = jax.vmap(jax.vmap(lambda k, c: enc.Nufft(k, SHAPE, VOXEL, tolerance=1e-12).adjoint(c), (None, 0)), (0, 0))
    expected = enc.Nufft(0.5 * K, SHAPE, VOXEL, tolerance=1e-12).adjoint(table[1, 2])
    np.testing.assert_allclose(back(both, table)[1, 2], expected, atol=1e-9)
