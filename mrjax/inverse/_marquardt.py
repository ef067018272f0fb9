"""Levenberg-Marquardt in every voxel at once."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mrjax.inverse.likelihoods import Expansion

WITHIN_THE_NOISE = 1e-4
"""A voxel has converged when a step changes its signal by less than this fraction of the residual."""

ROUNDINGS = 30
"""How many roundings of the signal a model may be off by, beyond which no step can be judged."""

LARGEST_DAMPING = 1e12

Expand = Callable[[Float[Array, "*voxels p"]], Expansion]


class Iterate(eqx.Module):
    """The state of all fits; parameters on the last axis."""

    x: Float[Array, "*voxels p"]
    at: Expansion
    damping: Float[Array, "*voxels"]
    converged: Bool[Array, "*voxels"]
    stopped: Bool[Array, "*voxels"]
    """Stalled, or not finite from the start."""
    iterations: Int[Array, "*voxels"]

    @property
    def done(self) -> Bool[Array, "*voxels"]:
        """Whether a voxel goes no further."""
        return self.converged | self.stopped


class Search(eqx.Module):
    """What stays the same in all iterations."""

    lower: Float[Array, "*voxels p"]
    upper: Float[Array, "*voxels p"]
    size: Float[Array, "*voxels"]
    """Norm of the data in units of the noise, or of the data where the noise is not known."""
    max_iterations: int = eqx.field(static=True)


def minimised(expand: Expand, x: Float[Array, "*voxels p"], search: Search) -> Iterate:
    """The parameters of lowest cost that steps downhill from `x` lead to."""
    x, voxels = jnp.clip(x, search.lower, search.upper), x.shape[:-1]
    # the model at the start is a step as well, from nowhere: it is most of the program, and so is compiled once, not twice
    nowhere = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(expand, x))
    first = Iterate(
        x,
        nowhere,
        jnp.full(voxels, 1e-3, x.dtype),
        jnp.zeros(voxels, bool),
        jnp.zeros(voxels, bool),
        jnp.full(voxels, -1, jnp.int32),
    )
    return jax.lax.while_loop(
        lambda it: jnp.any(~it.done & (it.iterations < search.max_iterations)),
        lambda it: _improved(it, expand, search),
        first,
    )


def _improved(it: Iterate, expand: Expand, search: Search) -> Iterate:
    """One step of every voxel that is not done: taken where it lowers the cost, more damped where it does not."""
    begins = it.iterations < 0
    step, undamped = _steps(it, search)
    x = jnp.where(begins[..., None], it.x, jnp.clip(it.x + step, search.lower, search.upper))
    at = expand(x)
    active = ~begins & ~it.done & (it.iterations < search.max_iterations)
    better = begins | (active & (at.cost <= it.at.cost) & at.is_finite)
    at_minimum = active & _is_small(undamped, it, search.size)
    unmoved = _keeps_the_digits(x - it.x, it.x) | (it.damping >= LARGEST_DAMPING)
    damping = jnp.where(better, it.damping / 10, it.damping * 7)
    pick = lambda new, old: jnp.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)
    return Iterate(
        pick(x, it.x),
        jax.tree.map(pick, at, it.at),
        jnp.where(begins, it.damping, jnp.clip(damping, 1e-12, LARGEST_DAMPING)),
        it.converged | at_minimum,
        it.stopped | (begins & ~at.is_finite) | (active & ~better & unmoved & ~at_minimum),
        it.iterations + (begins | active),
    )


def _keeps_the_digits(step: Float[Array, "*voxels p"], x: Float[Array, "*voxels p"]) -> Bool[Array, "*voxels"]:
    return jnp.all(jnp.abs(step) <= jnp.finfo(step.dtype).eps ** (2 / 3) * jnp.abs(x), axis=-1)


def _is_small(
    undamped: Float[Array, "*voxels p"], it: Iterate, size: Float[Array, "*voxels"]
) -> Bool[Array, "*voxels"]:
    """Whether the undamped step moves no parameter in its digits, or changes the signal far less than the noise does.

    A damped step may be small anywhere; the undamped one is where the gradient of the cost vanishes.
    """
    change = jnp.einsum("...i,...ij,...j->...", undamped, it.at.information, undamped)
    eps = float(jnp.finfo(undamped.dtype).eps)
    # costs that differ by less than their rounding, 2 |residual| times that of the signal, cannot be compared
    rounding = ROUNDINGS * eps * size
    negligible = jnp.maximum(max(WITHIN_THE_NOISE**2, 10 * eps) * it.at.noise, rounding * jnp.sqrt(it.at.noise))
    return _keeps_the_digits(undamped, it.x) | (change <= jnp.maximum(negligible, rounding**2))


def _steps(it: Iterate, search: Search) -> tuple[Float[Array, "*voxels p"], Float[Array, "*voxels p"]]:
    """The damped and the undamped step."""
    free = ~_held(it.x, it.at.gradient, search.lower, search.upper)
    scaled, norm = _scaled(it.at.information, free)
    inverse_norm = jnp.where(norm > 0, 1 / jnp.where(norm > 0, norm, 1.0), 0.0)
    # where columns are all but parallel, what damps in place of nothing is the rounding of their products
    dampings = jnp.stack([it.damping, jnp.full_like(it.damping, 100 * jnp.finfo(it.damping.dtype).eps)])
    damped = scaled[None] + _diagonal(dampings[..., None] + jnp.where(norm > 0, 0.0, 1.0)[None])
    right = jnp.broadcast_to((it.at.gradient * inverse_norm)[None, ..., None], (*damped.shape[:-1], 1))
    step, undamped = -jnp.linalg.solve(damped, right)[..., 0] * inverse_norm[None]
    return step, undamped


def _diagonal(values: Float[Array, "*voxels p"]) -> Float[Array, "*voxels p p"]:
    return values[..., None] * jnp.expand_dims(jnp.eye(values.shape[-1], dtype=values.dtype), range(values.ndim - 1))


def _held(x: Array, gradient: Array, lower: Array, upper: Array) -> Bool[Array, "*voxels p"]:
    """Whether a parameter is on a bound and the cost falls beyond it."""
    return ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))


def _scaled(information: Float[Array, "*voxels p p"], free: Bool[Array, "*voxels p"]) -> tuple[Array, Array]:
    """The information with a diagonal of ones, zero for parameters that are held, and the root of what that was."""
    norm = jnp.sqrt(jnp.diagonal(information, axis1=-2, axis2=-1)) * free
    inverse = jnp.where(norm > 0, 1 / jnp.where(norm > 0, norm, 1.0), 0.0)
    return information * inverse[..., :, None] * inverse[..., None, :], norm
