"""Convolutions of planes are XLA's, with every derivative and under `vmap`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.nn._plane_convolutions import planes_convolved

IMAGES = jax.random.normal(jax.random.key(0), (2, 5, 6, 3))
KERNEL = jax.random.normal(jax.random.key(1), (3, 5, 3, 4))


def by_xla(images, kernel):
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def number(convolved):
    return lambda images, kernel: jnp.sum(jnp.sin(convolved(images, kernel)))


def agree(function, *arguments):
    """What a function of a convolution gives, with ours and with XLA's."""
    found, expected = (jax.jit(function(each))(*arguments) for each in (planes_convolved, by_xla))
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_values_and_gradients():
    agree(lambda f: f, IMAGES, KERNEL)
    agree(lambda f: jax.grad(number(f), (0, 1)), IMAGES, KERNEL)


@pytest.mark.exhaustive
def test_forward_mode_and_second_derivatives():
    tangents = jnp.cos(IMAGES), jnp.cos(KERNEL)
    along = lambda f: lambda *x: jax.jvp(number(f), x, tangents)
    agree(along, IMAGES, KERNEL)
    agree(lambda f: jax.grad(lambda *x: along(f)(*x)[1], (0, 1)), IMAGES, KERNEL)
    slope = lambda f: lambda *x: sum(jnp.sum(jnp.sin(g)) for g in jax.grad(number(f), (0, 1))(*x))
    agree(lambda f: jax.grad(slope(f), (0, 1)), IMAGES, KERNEL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_many_at_once(axes):
    images, kernels = jnp.stack([IMAGES, IMAGES**2, IMAGES + 1]), jnp.stack([KERNEL, KERNEL**2, KERNEL + 1])
    arguments = images if axes[0] == 0 else IMAGES, kernels if axes[1] == 0 else KERNEL
    agree(lambda f: jax.vmap(f, axes), *arguments)
    agree(lambda f: jax.vmap(jax.grad(number(f), (0, 1)), axes), *arguments)


@pytest.mark.slow
def test_derivatives_inside_a_loop():
    def looped(f):
        body = lambda image, kernel: (jnp.tanh(f(image, kernel)), None)
        return lambda images, kernels: jnp.sum(jax.lax.scan(body, images, kernels)[0] ** 2)

    kernels = jax.random.normal(jax.random.key(2), (3, 3, 3, 3, 3))
    agree(lambda f: jax.grad(looped(f), (0, 1)), IMAGES, kernels)
