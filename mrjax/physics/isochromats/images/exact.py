"""The sum over spins sample by sample: nothing is approximated, and no signal of a single spin is kept."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.jax_rules import computed_once, on_one_cpu_device
from mrjax.physics.isochromats.tables.changes import RestingSpins
from mrjax.physics.isochromats.tables.table import SampleTimes
from mrjax.physics.isochromats.tables.tabulated import SAMPLES_AT_ONCE, Starts, at_sample

AT_ONCE_ON_CPU = 8
"""Samples that are multiplied by the weights together."""


def summed(
    samples: SampleTimes,
    starts: Starts,
    spins: RestingSpins,
    weights: Complex[Array, "coil spin voxel"],
    line_width: Float[Array, "#voxel"] | None,
    computed_again: Callable[[Callable], Callable],
) -> Complex[Array, "coil sample"]:
    """All samples, weighted for each coil.

    `line_width` is as for `at_sample`, and `computed_again` is what reverse mode makes of a few of them.
    """
    n_coils = len(weights)
    columns = jnp.concatenate([weights.real, weights.imag]).reshape(2 * n_coils, -1).T

    @computed_again
    def several(some: SampleTimes) -> Complex[Array, "sample coil"]:
        n = some.row.shape[0]
        x, y = jax.vmap(lambda one: at_sample(one, starts, spins, line_width))(some)
        both = _stacked(x.reshape(n, -1), y.reshape(n, -1))
        of_x, of_y = jnp.split(jnp.matmul(both, columns, precision="highest"), 2)
        real, imaginary = of_x[:, :n_coils] - of_y[:, n_coils:], of_x[:, n_coils:] + of_y[:, :n_coils]
        return some.receiver[:, None] * jax.lax.complex(real, imaginary)

    n = samples.row.shape[0]
    at_once = min(n, AT_ONCE_ON_CPU if on_one_cpu_device() else SAMPLES_AT_ONCE)
    grouped = jax.tree.map(lambda x: jnp.pad(x, [(0, -n % at_once), *[(0, 0)] * (x.ndim - 1)], mode="edge"), samples)
    grouped = jax.tree.map(lambda x: x.reshape(-1, at_once, *x.shape[1:]), grouped)
    return jax.lax.map(several, grouped).reshape(-1, n_coils)[:n].T


@computed_once
def _stacked(x: Array, y: Array) -> Array:
    return jnp.concatenate([x, y])
