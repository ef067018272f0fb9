"""How long do convolutions and their derivatives take on this device, ours and XLA's own, alone and inside of a loop?

    python -m benchmarks.convolutions [--threads 1] [--small]

Volumes of 32 voxels to a side, 16 channels, kernels of 3 x 3 x 3, in single precision; the loop has three rounds, and its time
is that of one. Prints one line of JSON: median times in s.
"""

import json
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks import measuring
from mrjax.nn.convolutions import plane_by_plane

ROUNDS = 3


def called(convolution: Callable) -> Callable[[Array, Array], Array]:
    """A convolution as flax calls it."""
    layout = ("NDHWC", "DHWIO", "NDHWC")
    return lambda x, kernel: convolution(x, kernel, (1, 1, 1), "SAME", dimension_numbers=layout)


def looped(convolution: Callable) -> Callable[[Array, Array], Array]:
    """The same, one after the other."""
    return lambda x, kernel: jax.lax.scan(lambda x, _: (convolution(x, kernel), None), x, length=ROUNDS)[0]


def seconds(convolution: Callable, x: Array, kernel: Array) -> float:
    """Of the gradient in image and kernel."""
    slope = jax.grad(lambda x, kernel: jnp.sum(convolution(x, kernel) ** 2), (0, 1))
    return measuring.jitted(slope, x, kernel, repeats=3)["median_s"]


def main() -> None:
    options = measuring.parser(__doc__).parse_args()
    n, channels = (16, 8) if options.small else (32, 16)
    x = jax.random.normal(jax.random.key(0), (1, n, n, n, channels), jnp.float32)
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, channels, channels), jnp.float32) / channels
    found = {}
    for name, convolution in {"ours": plane_by_plane, "XLA": jax.lax.conv_general_dilated}.items():
        alone = called(convolution)
        found[name] = {"gradient": seconds(alone, x, kernel), "in a loop": seconds(looped(alone), x, kernel) / ROUNDS}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
