"""Where a search ends, as a function of what it was given: differentiated as the minimum that it is, not step by step.

At a minimum the gradient of the cost vanishes, $g(p, \\theta) = 0$, so $dp = -(\\partial g / \\partial p)^{-1}
(\\partial g / \\partial \\theta) \\, d\\theta$ (implicit function theorem), whatever the steps were.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, Int

from mrjax.inverse.jacobian import signal_and_columns


class PosedFit(eqx.Module):
    """What an optimum depends on."""

    model: Callable
    """With all that it closes over as leaves."""
    data: Inexact[Array, "*voxels n"]
    precision: Float[Array, "*voxels n"]
    lower: Float[Array, "*voxels p"]
    upper: Float[Array, "*voxels p"]


class Ending(eqx.Module):
    """Where the search of each voxel ended, and how; only `optimum` is differentiated."""

    optimum: Float[Array, "*voxels p"]
    """nan where nothing could be computed."""
    x: Float[Array, "*voxels p"]
    """The same, with a number in every voxel."""
    signs: Array
    """That the data were multiplied with."""
    converged: Bool[Array, "*voxels"]
    stopped: Bool[Array, "*voxels"]
    is_finite: Bool[Array, "*voxels"]
    iterations: Int[Array, "*voxels"]


@eqx.filter_custom_jvp
def optimum(problem: PosedFit, starts: Any, *, search: Callable, gradient: Callable) -> Ending:
    """`search(problem, starts)`, whose derivative is that of the minimum of the cost; that does not depend on the start.

    **Arguments:**

    - `problem`: What it depends on.
    - `starts`: Where searches begin, and with which signs.
    - `search`: Takes both and gives an `Ending`.
    - `gradient`: Of half the cost at parameters, `(problem, x, signs) -> (*voxels, p)`.

    A parameter on a bound moves with the bound. Derivatives are nan in voxels that did not converge, where they are asked for.
    """
    return search(problem, starts)


@optimum.def_jvp
def _optimum_and_its_change(primals: tuple, tangents: tuple, *, search: Callable, gradient: Callable) -> tuple:
    (problem, starts), (change, _) = primals, tangents
    ending = optimum(problem, starts, search=search, gradient=gradient)
    still = jax.tree.map(lambda _: None, ending)
    if not jax.tree.leaves(change):
        return ending, still
    # of no concern where nothing could be computed, but it must not spoil what all voxels share
    problem = eqx.tree_at(lambda p: p.data, problem, jnp.where(jnp.isfinite(problem.data), problem.data, 0.0))
    x = jnp.where(ending.is_finite[..., None], ending.optimum, ending.x)
    at_lower, at_upper = x <= problem.lower, x >= problem.upper
    kept = (at_lower | at_upper, ~ending.converged | ending.stopped)
    x, curvature = _sharpened(lambda x: gradient(problem, x, ending.signs), x, *kept)
    _, forced = eqx.filter_jvp(lambda problem: gradient(problem, x, ending.signs), (problem,), (change,))
    nothing = jnp.zeros_like(x)
    lower, upper = (nothing if moved is None else moved for moved in (change.lower, change.upper))
    moved = _solved(curvature, -forced, jnp.where(at_lower, lower, upper), *kept)
    return ending, eqx.tree_at(lambda e: e.optimum, still, moved, is_leaf=lambda leaf: leaf is None)


def _sharpened(
    gradient: Callable, x: Float[Array, "*voxels p"], held: Bool[Array, "*voxels p"], fails: Bool[Array, "*voxels"]
) -> tuple[Float[Array, "*voxels p"], Float[Array, "*voxels p p"]]:
    """The minimum by a step of Newton, and the curvature there.

    A search ends where what is left is far below the noise; derivatives, which noise does not blur, are worth the step.
    """
    stacked = lambda leaves: gradient(jnp.stack(leaves, axis=-1))

    def at(state: tuple, moves: Array) -> tuple:
        x, _ = state
        slope, columns = signal_and_columns(stacked, list(jnp.moveaxis(x, -1, 0)))
        curvature = jnp.moveaxis(columns, 0, -1)
        step = _solved(curvature, -slope, jnp.zeros_like(x), held, fails)
        return (x + jnp.where(moves & jnp.isfinite(step), step, 0.0), curvature), None

    # both in one loop, so that the model is compiled once
    nowhere = jnp.zeros((*x.shape, x.shape[-1]), x.dtype)
    return jax.lax.scan(at, (x, nowhere), jnp.array([True, False]))[0]


def _solved(
    curvature: Float[Array, "*voxels p p"],
    force: Float[Array, "*voxels p"],
    given: Float[Array, "*voxels p"],
    held: Bool[Array, "*voxels p"],
    fails: Bool[Array, "*voxels"],
) -> Float[Array, "*voxels p"]:
    """The changes that balance a force, `given` where parameters are held, nan where it `fails` unless all are zero."""
    one = jnp.expand_dims(jnp.eye(force.shape[-1], dtype=force.dtype), range(force.ndim - 1))
    diagonal = jnp.abs(jnp.diagonal(curvature, axis1=-2, axis2=-1))
    scale = jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0)), 1.0)
    scaled = curvature * scale[..., :, None] * scale[..., None, :]
    matrix = jnp.where(fails[..., None, None] | held[..., :, None], one, scaled)
    right = jnp.where(held, given / scale, force * scale)

    def solve(_: Callable, right: Array, matrix: Array = matrix) -> Array:
        answer = jnp.where(fails[..., None], jnp.nan, jnp.linalg.solve(matrix, right[..., None])[..., 0])
        return jnp.where(jnp.any(right != 0, axis=-1, keepdims=True), answer, 0.0)

    # a linear solve of our own, so that voxels of which reverse mode asks nothing answer nothing, not nan
    answer = scale * jax.lax.custom_linear_solve(
        lambda x: jnp.sum(matrix * x[..., None, :], axis=-1),
        right,
        solve,
        lambda _, right: solve(_, right, jnp.swapaxes(matrix, -2, -1)),
    )
    return jnp.where(held & ~fails[..., None], given, answer)  # to the digit
