"""The fit itself: a search in every voxel, what it found, and how sure that is."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from mrjax.inverse import robust_losses
from mrjax.inverse._fit_inputs import Inputs
from mrjax.inverse._marquardt import Iterate, Search, minimised
from mrjax.inverse._objective import Objective
from mrjax.inverse._optimum import Ending, PosedFit, optimum
from mrjax.inverse._uncertainty import covariance, deviations
from mrjax.inverse.fit import Fit, FitStatus
from mrjax.inverse.jacobian import Model, signal_and_columns
from mrjax.inverse.likelihoods import Expansion, gaussian
from mrjax.jax_rules import nan_where_it_does_not_hold


@eqx.filter_jit
def fitted(model: Model, inputs: Inputs, objective: Objective, max_iterations: int) -> Fit:
    """The fit to inputs that are checked."""
    stack = lambda tree: jnp.stack(jax.tree.leaves(tree), axis=-1)
    unstack = lambda x: jax.tree.unflatten(jax.tree.structure(inputs.lower), list(jnp.moveaxis(x, -1, 0)))
    data = inputs.data
    precision = jnp.ones_like(data.real) if inputs.noise_std is None else 1 / inputs.noise_std
    starts = stack(inputs.starts)
    signal_of = eqx.filter_closure_convert(lambda x: model(unstack(x)), starts[0])
    problem = PosedFit(signal_of, data, precision, stack(inputs.lower), stack(inputs.upper))
    ending = optimum(
        problem,
        (starts, inputs.signs),
        search=lambda problem, starts: _searched(problem, starts, objective, max_iterations),
        gradient=lambda problem, x, signs: _expand(problem, objective, problem.data * signs)(x).gradient,
    )
    fits = ending.is_finite[..., None]
    signal, columns = _tolerant(signal_of)(jnp.where(fits, ending.optimum, ending.x))
    if objective.is_of_magnitudes or inputs.signs is not None:
        signal, columns = jnp.abs(signal), columns * jnp.sign(signal)[None]
    residual = data - signal
    spread, status = _uncertainty(ending, problem, (signal, columns, residual), objective, inputs.noise_std is None)
    return Fit(
        unstack(ending.optimum),
        unstack(deviations(spread)),
        spread,
        jnp.where(fits, residual, jnp.nan),
        ending.iterations,
        status,
    )


def _tolerant(signal_of: Callable) -> Callable:
    """Signals and their derivatives in parameters on the last axis, nan where the model is not defined."""
    stacked = lambda leaves: signal_of(jnp.stack(leaves, axis=-1))
    return nan_where_it_does_not_hold(lambda x: signal_and_columns(stacked, list(jnp.moveaxis(x, -1, 0))))


def _expand(problem: PosedFit, objective: Objective, data: Inexact[Array, "*voxels n"]) -> Callable:
    signal_and_derivatives = _tolerant(problem.model)

    def expand(x: Float[Array, "*voxels p"]) -> Expansion:
        signal, columns = signal_and_derivatives(x)
        return objective.expand(signal, columns, data, problem.precision)

    return expand


def _searched(problem: PosedFit, starts: tuple, objective: Objective, max_iterations: int) -> Ending:
    """Of the searches from every start, with the signs that belong to it, the one of lowest cost in each voxel."""
    size = jnp.sqrt(jnp.sum(jnp.abs(problem.data * problem.precision) ** 2, axis=-1))
    search = Search(problem.lower, problem.upper, size, max_iterations)

    def fit(start: Array, signs: Any) -> Iterate:
        x, last = start, None
        for stage in (objective.first, objective) if objective.is_of_magnitudes else (objective,):
            data = problem.data if stage.is_of_magnitudes else problem.data * signs
            last = minimised(_expand(problem, stage, data), x if last is None else last.x, search)
        assert last is not None
        return last

    points, signs = starts
    if len(points) == 1 and signs is None:
        return _ending(fit(points[0], 1), jnp.ones((), problem.precision.dtype))
    rows = jnp.ones((len(points), 1), problem.precision.dtype) if signs is None else signs
    spread = jnp.expand_dims(rows, range(1, problem.data.ndim))
    fits = jax.lax.map(lambda row: fit(*row), (points, spread))
    best = jnp.argmin(jnp.where(fits.at.is_finite, fits.at.cost, jnp.inf), axis=0)
    index = lambda x: jnp.expand_dims(best[None], range(best.ndim + 1, x.ndim))
    last = jax.tree.map(lambda x: jnp.take_along_axis(x, index(x), axis=0)[0], fits)
    return _ending(last, jnp.ones((), rows.dtype) if objective.is_of_magnitudes else rows[best])


def _ending(last: Iterate, signs: Array) -> Ending:
    is_finite = last.at.is_finite
    found = jnp.where(is_finite[..., None], last.x, jnp.nan)
    return Ending(found, last.x, signs, last.converged, last.stopped, is_finite, last.iterations)


def _uncertainty(
    ending: Ending, problem: PosedFit, at: tuple, objective: Objective, noise_is_estimated: bool
) -> tuple[Float[Array, "*voxels p p"], Int[Array, "*voxels"]]:
    """Covariance and `FitStatus` at the solution."""
    *_, residual = at
    n_parameters = ending.x.shape[-1]
    free = (ending.x > problem.lower) & (ending.x < problem.upper)
    information = _information(objective, at, problem.data, problem.precision)
    spread, exists = covariance(information, free)
    if objective.loss != "squared":
        factor = robust_losses.variance_factor(objective.loss, residual * problem.precision, n_parameters)
        spread = spread * factor[..., None, None]
    if noise_is_estimated:
        freedom = residual.shape[-1] * (2 if jnp.iscomplexobj(problem.data) else 1) - n_parameters
        cost = jnp.sum(jnp.abs(residual) ** 2, axis=-1)
        spread = spread * (cost / freedom if freedom > 0 else jnp.full_like(cost, jnp.nan))[..., None, None]
    conditions = {
        FitStatus.NOT_FINITE: ~ending.is_finite,
        FitStatus.UNIDENTIFIABLE: ~exists,
        FitStatus.STALLED: ending.stopped,
        FitStatus.MAX_ITERATIONS: ~ending.converged,
        FitStatus.AT_BOUND: jnp.any(~free, axis=-1),
    }
    status = jnp.select(list(conditions.values()), list(conditions), FitStatus.CONVERGED)
    return jnp.where(ending.stopped[..., None, None], jnp.nan, spread), status.astype(jnp.int32)


def _information(objective: Objective, at: tuple, data: Array, precision: Array) -> Float[Array, "*voxels p p"]:
    """The Fisher information; that of least squares for a robust loss, whose variance is a multiple of its inverse."""
    signal, columns, _ = at
    if objective.loss != "squared":
        return gaussian(signal, columns, data, precision).information
    return objective.expand(signal, columns, data, precision).information
