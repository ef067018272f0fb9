"""The sum over spins sample by sample: nothing is approximated, and no signal of a single spin is kept."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax.physics.isochromats.tables.changes import RestingSpins
from mrjax.physics.isochromats.tables.table import SampleTimes
from mrjax.physics.isochromats.tables.tabulated import SAMPLES_AT_ONCE, Starts, at_sample


def summed(
    samples: SampleTimes, starts: Starts, spins: RestingSpins, weights: Complex[Array, "coil spin voxel"]
) -> Complex[Array, "coil sample"]:
    """All samples, weighted for each coil."""

    @jax.checkpoint
    def sample(one: SampleTimes) -> Complex[Array, " coil"]:
        x, y = at_sample(one, starts, spins)
        real, imaginary = weights.real, weights.imag
        total = lambda values: jnp.sum(values, axis=(1, 2))
        return one.receiver * jax.lax.complex(
            total(real * x[None] - imaginary * y[None]), total(real * y[None] + imaginary * x[None])
        )

    at_once = None if jax.default_backend() == "cpu" else SAMPLES_AT_ONCE
    return jax.lax.map(sample, samples, batch_size=at_once).T
