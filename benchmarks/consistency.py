"""What does a consistency layer of ten conjugate gradients cost, forward and backward, in time and memory?

    python -m benchmarks.consistency [--threads 1] [--small] [--out results/consistency.json]

A dipole with uneven weights on 96 x 120 x 96 voxels, with and without padding, and a SENSE operator of eight coils on 256 x 256
pixels. Backward is the gradient in image, weight and data together with the value. Prints one line of JSON.
"""

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks import measuring
from mrjax.encoding import Dipole, LinearOperator, patterns, sense
from mrjax.nn.consistency import Fidelity, ProximalStep

LOG_WEIGHT = -6.0


def of_dipole(shape: tuple[int, ...], padding: int) -> tuple[Callable[[], LinearOperator], Array, Array, Array]:
    """The operator, an image, data and weights."""
    draw = lambda i: jax.random.normal(jax.random.key(i), shape)
    weights = jax.random.uniform(jax.random.key(2), shape, minval=0.3, maxval=2.0)
    return (lambda: Dipole(shape, 2e-3, (0.2, 0.1, 0.97), padding)), draw(0), draw(1), weights


def of_coils(shape: tuple[int, ...]) -> tuple[Callable[[], LinearOperator], Array, Array, None]:
    draw = lambda i, n: jax.random.normal(jax.random.key(i), n, complex)
    mask = patterns.variable_density(jax.random.key(3), shape, acceleration=4)
    maps = draw(4, (8, *shape)) / 8
    return (lambda: sense(maps, mask=mask)), draw(0, shape), draw(1, (8, *shape)), None


def figures(operator: Callable[[], LinearOperator], image: Array, data: Array, weights: Array | None) -> dict:
    step, encoding = ProximalStep(n_iterations=10, tolerance=0.0), operator()

    def forward(encoding: LinearOperator, image: Array, data: Array, log_weight: Array) -> Array:
        return jnp.sum(jnp.abs(step(image, Fidelity(encoding, data, weights), log_weight)) ** 2)

    arguments = encoding, image, data, jnp.asarray(LOG_WEIGHT)
    both = jax.value_and_grad(forward, argnums=(1, 2, 3))
    value, slope = (measuring.jitted(function, *arguments) for function in (forward, both))
    copies = image.nbytes / measuring.MIB
    return {
        "forward": value,
        "value_and_gradient": slope,
        "backward_over_forward": slope["median_s"] / value["median_s"] - 1,
        "mib_of_one_image": copies,
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    volume, plane = ((24, 30, 24), (64, 64)) if options.small else ((96, 120, 96), (256, 256))
    found = {
        "dipole": figures(*of_dipole(volume, 1)),
        "padded dipole": figures(*of_dipole(volume, 2)),
        "coils": figures(*of_coils(plane)),
    }
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
