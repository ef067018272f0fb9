"""How gradients change during the steps of RF."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.physics.maths.quadrature import points_between, weights_between
from mrjax.sequence import Gradient


def moments_of_steps(
    gradient: Gradient, edges: Float[Array, " n_edges"], dt: Float[Array, ""], middle: Float[Array, ""]
) -> tuple[Float[Array, " n_steps"], Float[Array, " n_steps"]]:
    r"""$\int G\,\tau\,dt / \Delta t$ of equal steps, with $\tau$ from the middle of each; and $\int G\,t\,\tau\,dt / \Delta t$.

    **Arguments:**

    - `gradient`: Without repetitions.
    - `edges`: Of the steps in s from the start of the gradient.
    - `dt`: Of one step in s.
    - `middle`: From where $t$ counts, likewise.
    """
    n = edges.size - 1
    ends = jnp.sort(jnp.concatenate([edges, jnp.clip(gradient.times, edges[0], edges[-1])]))
    # the gradient is straight between the ends, so that its products with time are polynomials
    times = points_between(ends)
    step = jnp.clip(jnp.searchsorted(edges, (ends[1:] + ends[:-1]) / 2, side="right") - 1, 0, n - 1)
    arm = weights_between(ends) * (times - (edges[step] + dt / 2)[:, None]) / jnp.where(dt > 0, dt, 1.0)
    value = arm * gradient.line_at(times.reshape(-1))[0].reshape(times.shape)
    in_steps = lambda values: jnp.zeros(n, values.dtype).at[step].add(jnp.sum(values, axis=1))
    return in_steps(value), in_steps(value * (times - middle))
