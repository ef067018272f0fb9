"""Convolutions of planes on CPUs, with derivatives as quick as they are themselves.

XLA hands a convolution to a library where it has the form of one forward, but not in the form that JAX's derivatives have, and
inside of loops least of all: there they take 17 times as long as here (JAX 0.10, `python -m benchmarks.convolutions`). Here
derivatives are forward convolutions of kernels and images that are turned round: the same numbers, in the time of a convolution
each. Kernels have odd sizes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.jax_rules.linear_operations import Linear, linear_pair

CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")


def planes_convolved(images: Float[Array, "n h w i"], kernel: Float[Array, "kh kw i o"]) -> Float[Array, "n h w o"]:
    """Images of the same size, with zeros about them, as `jax.lax.conv_general_dilated` with "SAME" padding gives them."""
    return _of_images(kernel[None], images[None, None])[0, 0]


def _convolution(images: Array, kernel: Array) -> Array:
    margins = _margins(kernel.shape[:2])
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), margins, dimension_numbers=CHANNELS_LAST)


def _margins(size: tuple[int, ...]) -> list[tuple[int, int]]:
    """Zeros on both sides of each axis that keep its length."""
    return [(n // 2, n // 2) for n in size]


def _correlation(images: Array, others: Array, size: tuple[int, ...]) -> Array:
    """Of every channel with every other, over all images: how a convolution changes with its kernel."""
    as_images, as_kernel = jnp.transpose(images, (3, 1, 2, 0)), jnp.transpose(others, (1, 2, 0, 3))
    margins = _margins(size)
    found = jax.lax.conv_general_dilated(as_images, as_kernel, (1, 1), margins, dimension_numbers=CHANNELS_LAST)
    return jnp.transpose(found, (1, 2, 0, 3))


def _turned(kernel: Array) -> Array:
    """Backwards along both axes, with inputs for outputs."""
    return jnp.swapaxes(jnp.flip(kernel, (-4, -3)), -2, -1)


def _in_groups(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of one fixed array and one other, for the groups and for what shares a fixed one."""

    def grouped(fixed: Array, values: Array, **options: Any) -> Array:
        of_group = lambda fixed, each: _mapped(lambda value: function(fixed, value, **options), each)
        return _mapped(lambda pair: of_group(*pair), (fixed, values))

    return grouped


def _mapped(function: Callable[[Any], Array], arrays: Any) -> Array:
    """Over the first axis; without a loop where there is one entry."""
    if jax.tree.leaves(arrays)[0].shape[0] == 1:
        return function(jax.tree.map(lambda array: array[0], arrays))[None]
    return jax.lax.map(function, arrays)


def _exchanged(apply: Callable[[Array, Array], Array], tangent: Array, values: Array) -> Array:
    """`apply(value, tangent)` for every value, with the roles of what is fixed and what is not exchanged."""
    n_groups, n_each = values.shape[:2]
    fixed = values.reshape(n_groups * n_each, *values.shape[2:])
    others = jnp.repeat(tangent, n_each, axis=0)[:, None]
    answer = apply(fixed, others)
    return answer.reshape(n_groups, n_each, *answer.shape[2:])


def _with(function: Callable[..., Array]) -> dict[str, Any]:
    grouped = _in_groups(function)
    return {"function": grouped, "on_cpu": grouped}


_of_images, _to_images = linear_pair(
    Linear(
        "convolved_images",
        **_with(lambda kernel, images: _convolution(images, kernel)),
        shape=lambda kernel, images: (*images.shape[2:-1], kernel.shape[-1]),
        change=lambda apply, kernel, tangent, images: _exchanged(_of_kernels, tangent, images),
    ),
    Linear(
        "convolved_images_transposed",
        **_with(lambda kernel, images: _convolution(images, _turned(kernel))),
        shape=lambda kernel, images: (*images.shape[2:-1], kernel.shape[-2]),
        change=lambda apply, kernel, tangent, images: _exchanged(_of_kernels, _turned(tangent), images),
    ),
)


def _of_kernels(images: Array, kernels: Array) -> Array:
    return _of_any_kernels(images, kernels, size=kernels.shape[2:4])


_of_any_kernels, _to_kernels = linear_pair(
    Linear(
        "convolving_kernels",
        **_with(lambda images, kernel, size: _convolution(images, kernel)),
        shape=lambda images, kernels, size: (*images.shape[1:-1], kernels.shape[-1]),
        change=lambda apply, images, tangent, kernels: _exchanged(_of_images, tangent, kernels),
    ),
    Linear(
        "convolving_kernels_transposed",
        **_with(lambda images, others, size: _correlation(images, others, size)),
        shape=lambda images, others, size: (*size, images.shape[-1], others.shape[-1]),
        change=lambda apply, images, tangent, others: _turned(_exchanged(apply, tangent, others)),
    ),
)
