"""Weighted total variation by the alternating direction method of multipliers: two Fourier transforms forth, two back."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mrjax.encoding import Dipole
from mrjax.inverse.qsm._differences import Slopes, differences, differences_adjoint, roughness
from mrjax.inverse.qsm._volumes import from_waves, mean_within, off_the_grid, on_the_grid, to_waves

FIELD_PENALTY = 0.1
"""Of the split between the field and its model, where the mean weight of the data in the mask is one."""
SLOPE_STEP = 0.3
"""Differences of neighbours that are shrunk to nothing in one iteration, over the root mean square of the field."""
OVER_RELAXATION = 1.7
"""Between 1 and 2."""


class SmoothnessProblem(NamedTuple):
    """What is solved, on the padded grid."""

    dipole: Dipole
    field: Array
    weights: Array
    step: Array
    """The threshold of the slopes; zero where they are free."""
    slope_penalty: Array
    inverse: Array
    """Of the two penalties' sum, on the half spectrum."""


class SmoothnessState(NamedTuple):
    """The image; of each split its value and its multiplier in one array, whose proximal map tells them apart."""

    image: Array
    slopes: Slopes
    field: Array


@eqx.filter_jit
def smoothest(
    field: Float[Array, "nx ny nz"],
    dipole: Dipole,
    mask: Bool[Array, "nx ny nz"],
    weights: Float[Array, "nx ny nz"],
    strength: Float[Array, ""],
    flat: Float[Array, "nx ny nz"] | None,
    n_iterations: int,
    tolerance: float,
) -> Float[Array, "nx ny nz"]:
    r"""$\arg\min_\chi \tfrac12 \sum w |D \chi - f|^2 + \lambda \sum m |\nabla \chi|$, with `flat` for $m$.

    The weights are divided by their mean in the mask. Stops early where no more changes in the mask, if the tolerance says so.
    """
    problem = posed(field, dipole, weights / mean_within(weights, mask), strength, flat, mask)
    start = started(problem)
    if tolerance == 0.0:
        # of known length, so that it can be differentiated in reverse
        state = jax.lax.scan(lambda state, _: (improved(problem, state), None), start, length=n_iterations)[0]
        return off_the_grid(state.image, dipole)

    within = on_the_grid(mask, dipole)
    size = lambda image: jnp.sqrt(jnp.where(within, image**2, 0.0).sum())

    def goes_on(carry: tuple[SmoothnessState, Array, Array]) -> Array:
        state, change, n = carry
        return (n < n_iterations) & (change > tolerance * size(state.image))

    def further(carry: tuple[SmoothnessState, Array, Array]) -> tuple[SmoothnessState, Array, Array]:
        state = improved(problem, carry[0])
        return state, size(state.image - carry[0].image), carry[2] + 1

    begin = start, jnp.asarray(jnp.inf, field.dtype), jnp.asarray(0)
    return off_the_grid(jax.lax.while_loop(goes_on, further, begin)[0].image, dipole)


def started(problem: SmoothnessProblem) -> SmoothnessState:
    """Nothing, and the field as it was measured."""
    zero = jnp.zeros_like(problem.field)
    return SmoothnessState(zero, (zero, zero, zero), problem.field)


def posed(
    field: Array, dipole: Dipole, weights: Array, strength: Array, flat: Array | None, mask: Array
) -> SmoothnessProblem:
    """What is solved, from volumes `(nx, ny, nz)`: a field in ppm, weights with a mean of one, and a strength in ppm."""
    step = SLOPE_STEP * jnp.sqrt(mean_within(field**2, mask))
    step = jnp.where(step > 0, step, 1.0)
    penalty = strength / step
    transfer = dipole.transfer.astype(field.dtype)
    total = FIELD_PENALTY * transfer**2 + penalty * roughness(dipole.padded, field.dtype)
    inverse = jnp.where(total > 0, 1 / jnp.where(total > 0, total, 1.0), 0.0)
    # beyond the volume nothing is known, and the differences stay small
    beyond = [(0, m - n) for n, m in zip(dipole.shape, dipole.padded, strict=True)]
    everywhere = jnp.ones((1, 1, 1), field.dtype) if flat is None else jnp.pad(flat, beyond, constant_values=1)
    return SmoothnessProblem(
        dipole, on_the_grid(field, dipole), on_the_grid(weights, dipole), step * everywhere, penalty, inverse
    )


def improved(problem: SmoothnessProblem, state: SmoothnessState, slopes: Slopes | None = None) -> SmoothnessState:
    """The next state; with the values of the slopes that are given, instead of shrunk ones."""
    dipole = problem.dipole
    transfer = dipole.transfer.astype(state.image.dtype)
    slopes = shrunk(state.slopes, problem.step) if slopes is None else slopes
    weights = problem.weights
    field = (weights * problem.field + FIELD_PENALTY * state.field) / (weights + FIELD_PENALTY)
    rough = differences_adjoint(tuple(2 * value - both for value, both in zip(slopes, state.slopes, strict=True)))
    waves = FIELD_PENALTY * transfer * to_waves(2 * field - state.field) + problem.slope_penalty * to_waves(rough)
    waves = problem.inverse * waves
    image, modelled = from_waves(waves, dipole), from_waves(transfer * waves, dipole)
    moved = lambda both, now, value: both + OVER_RELAXATION * (now - value)
    return SmoothnessState(
        image, tuple(map(moved, state.slopes, differences(image), slopes)), moved(state.field, modelled, field)
    )


def shrunk(slopes: Slopes, step: Array) -> Slopes:
    """Slopes shortened by a step, or to nothing where they are shorter."""
    square = slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2
    size = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    kept = jnp.where(square > step**2, 1 - step / size, 0.0)
    return tuple(kept * slope for slope in slopes)
