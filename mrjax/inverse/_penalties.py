"""Which weight the penalty of a spectrum has."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.inverse.non_negative import coefficients, products

Choice = tuple[Float[Array, "v m"], Float[Array, " v"], Float[Array, " v"]]
"""Spectra, weights and misfits."""

Rule = Callable[[Array, Array], Choice]

MOST_STEPS, NEAR_ENOUGH = 16, 1e-4
LOWEST, HIGHEST = 1e-5, 10.0
ALONG_THE_CURVE = np.geomspace(1e-3, 3.0, 25)


def weighted(weight: float) -> Rule:
    """The weight that is given."""
    return lambda kernel, data: _solver(kernel, data)(jnp.full(data.shape[0], weight, data.dtype))


def chi_square(factor: float) -> Rule:
    """The weight at which the misfit is `factor` times that without penalty: by secants between logarithms, which are almost
    straight, within an interval that closes about the root."""

    def rule(kernel: Array, data: Array) -> Choice:
        solve = _solver(kernel, data)
        least = solve(jnp.zeros(data.shape[0], data.dtype))[2]
        floor = jnp.finfo(data.dtype).tiny

        def excess(misfit: Array) -> Array:
            return jnp.log(jnp.maximum((misfit - least) / ((factor - 1) * least + floor), 1e-9))

        def step(state: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
            low, high, last, of_last, at, best = state
            is_wanted = best[0] > NEAR_ENOUGH
            found = solve(jnp.exp(at), is_wanted)
            height = excess(found[2])
            is_best = is_wanted & (jnp.abs(height) < best[0])
            best = _where(is_best, (jnp.abs(height), *found), best)
            low, high = jnp.where(height < 0, at, low), jnp.where(height < 0, high, at)
            secant = at - height * (at - last) / jnp.where(height == of_last, jnp.nan, height - of_last)
            inside = (secant > low) & (secant < high)
            return (low, high, at, height, jnp.where(inside, secant, (low + high) / 2), best), None

        norm = jnp.zeros(data.shape[0], data.dtype)
        low, high = norm + math.log(LOWEST), norm + math.log(HIGHEST)
        # as if the excess were a square of the weight, and met at 0.05
        first, nothing = norm + math.log(0.05), (norm + jnp.inf, *solve(norm, norm > 0))
        start = (low, high, first - 1, norm - 2, first, nothing)
        (*_, best), _ = jax.lax.scan(step, start, None, length=MOST_STEPS)
        return best[1:]

    return rule


def l_curve(_: float) -> Rule:
    """The weight where the curve of misfit and size, in logarithms, bends most."""

    def rule(kernel: Array, data: Array) -> Choice:
        solve = _solver(kernel, data)
        weights = jnp.asarray(ALONG_THE_CURVE, data.dtype)
        each = lambda weight: solve(jnp.full(data.shape[0], weight))

        def point(weight: Array) -> tuple[Array, Array]:
            x, _, misfit = each(weight)
            tiny = jnp.finfo(data.dtype).tiny
            return jnp.log(misfit + tiny) / 2, jnp.log(jnp.sum(x**2, axis=-1) + tiny) / 2

        misfit, size = jax.lax.map(point, weights)
        slope = lambda y: (y[2:] - y[:-2]) / 2
        bend = lambda y: y[2:] - 2 * y[1:-1] + y[:-2]
        curvature = (slope(misfit) * bend(size) - bend(misfit) * slope(size)) / jnp.maximum(
            slope(misfit) ** 2 + slope(size) ** 2, 1e-12
        ) ** 1.5
        return solve(weights[1 + jnp.argmax(curvature, axis=0)])

    return rule


RULES: dict[str, Callable[[float], Rule]] = {"weight": weighted, "chi_square": chi_square, "l_curve": l_curve}


def _solver(kernel: Array, data: Array) -> Callable[..., Choice]:
    of_data = products(kernel, data)

    def solve(weight: Array, is_wanted: Array | None = None) -> Choice:
        wanted = jnp.ones(weight.shape, bool) if is_wanted is None else is_wanted
        x, _ = coefficients(of_data, weight, wanted)
        fitted = x @ kernel.T if kernel.ndim == 2 else jnp.einsum("vnm,vm->vn", kernel, x)
        return x, weight, jnp.sum((fitted - data) ** 2, axis=-1)

    return solve


def _where(holds: Array, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
    pick = lambda a, b: jnp.where(holds.reshape(holds.shape + (1,) * (a.ndim - 1)), a, b)
    return tuple(pick(a, b) for a, b in zip(new, old, strict=True))
