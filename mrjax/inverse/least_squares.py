"""Fitting any model, voxel by voxel and all voxels at once."""

import enum
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Inexact, Int, PyTree

from mrjax import _checks
from mrjax._requirements import nan_where_it_does_not_hold
from mrjax.inverse import _parameters
from mrjax.inverse.jacobian import Model, signal_and_columns

WITHIN_THE_NOISE = 1e-4
"""A voxel has converged when a step changes its signal by less than this fraction of the residual."""


class FitStatus(enum.IntEnum):
    """How the fit of a voxel ended."""

    CONVERGED = 0
    AT_BOUND = 1
    """Converged with a parameter on a bound; that parameter's standard deviation is nan."""
    MAX_ITERATIONS = 2
    NOT_FINITE = 3
    """The data, or the model at the start, hold nan or infinity; parameters are the initial ones, within the bounds."""
    UNIDENTIFIABLE = 4
    """The data do not depend on some parameter; its standard deviation is infinite."""


class Fit(eqx.Module):
    """What `least_squares` returns; leaves of the PyTrees and arrays have the voxel shape first."""

    parameters: PyTree
    standard_deviation: PyTree
    """One standard deviation of each parameter, from the Jacobian at the solution and the noise."""
    residual: Inexact[Array, "*voxels n"]
    """Data minus model."""
    iterations: Int[Array, "*voxels"]
    status: Int[Array, "*voxels"]
    """`FitStatus` of each voxel."""


def least_squares(
    model: Model,
    data: Any,
    init: PyTree,
    bounds: tuple[PyTree, PyTree] | None = None,
    noise_std: Any | None = None,
    *,
    max_iterations: int = 100,
) -> Fit:
    r"""Levenberg-Marquardt in every voxel at once: parameters that minimise $\sum_n |d_n - s_n(p)|^2 / \sigma_n^2$.

    Steps solve $(J^T J + \lambda \, \mathrm{diag} J^T J) \, \delta = J^T r$ with a damping $\lambda$ for each voxel, on the
    parameters that are not held at a bound; the Jacobian is exact (`per_voxel_jacobian`). A voxel stops when a step moves
    no parameter by more than `eps ** (2/3)` of itself (4e-11 in float64, 2e-5 in float32), or changes the signal by less
    than 1e-4 of the residual (1e-3 in float32): far less than the noise moves it. A step to where the model is not defined
    (a negative T2, nan) is taken back and shortened.

    **Arguments:**

    - `model`: Takes a PyTree like `init` and returns signals of shape `(*voxels, n)`, real or complex. A voxel's signal must
      depend on that voxel's parameters alone.
    - `data`: Measured signals, `(*voxels, n)`; complex if the model is.
    - `init`: PyTree (a dict, say) of starting values, of shape `(*voxels)` or broadcasting to it.
    - `bounds`: `(lower, upper)`, each a number or a PyTree like `init`; parameters stay within.
    - `noise_std`: Standard deviation of the noise, for complex data in each of real and imaginary part; broadcasts to
      `data`. None estimates it in each voxel from the residual, which needs more samples than parameters.
    - `max_iterations`: Where a voxel that has not converged stops.

    **Returns:**

    A `Fit`. Standard deviations are $\sqrt{\mathrm{diag} (J^T W J)^{-1}}$: exact for models that are linear over the spread
    of the noise. They are nan for parameters at a bound. With noise estimated from the residual, intervals follow Student's
    t with n - p degrees of freedom: 2.23 standard deviations for 95 % with 10, not 1.96.

    Works inside `jit`. Forward mode differentiates through the iterations; reverse mode is not supported.

    **Raises:** `ValueError` where shapes or structures do not fit, bounds cross, `noise_std` is not positive, or data are
    complex and the model is real.

    **Source:** D. W. Marquardt, J Soc Ind Appl Math 11 (1963) 431-441 (damping scaled by the diagonal).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.inverse import least_squares
        >>> te = jnp.array([0.01, 0.03, 0.06, 0.1])
        >>> decay = lambda p: p["m0"][..., None] * jnp.exp(-te / p["t2"][..., None])
        >>> data = decay({"m0": jnp.array([2.0, 3.0]), "t2": jnp.array([0.05, 0.09])})
        >>> fit = least_squares(decay, data, init={"m0": 1.0, "t2": 0.07}, bounds=(0.0, 10.0))
        >>> print(*(f"{value:.4f}" for value in fit.parameters["t2"]))
        0.0500 0.0900

        ```
    """
    data = _checks.number_array(data, "data")
    if data.ndim < 1 or data.shape[-1] == 0:
        raise ValueError(f"`data` must have shape (*voxels, n) with at least one sample, but got {data.shape}.")
    if max_iterations < 1:
        raise ValueError(f"`max_iterations` must be at least 1, but got {max_iterations}.")
    init = _initial(init, data)
    lower, upper = _limits(bounds, init)
    if noise_std is not None:
        noise_std = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of data")
        noise_std = _as_shape(noise_std, data.shape, "noise_std")
    signal = jax.eval_shape(model, init)
    _parameters.check_signal(signal, init)
    if signal.shape != data.shape:
        raise ValueError(f"`model` returns signals of shape {signal.shape}, but `data` has shape {data.shape}.")
    if jnp.iscomplexobj(data) and not jnp.issubdtype(signal.dtype, jnp.complexfloating):
        raise ValueError("`data` is complex but `model` returns real signals; pass magnitudes, or a complex model.")
    data, init, lower, upper, noise_std = _in_the_dtype_of(signal, (data, init, lower, upper, noise_std))
    return _fitted(model, data, init, lower, upper, noise_std, max_iterations)


def _initial(init: PyTree, data: Array) -> PyTree:
    real = jnp.finfo(data.dtype).dtype
    arrays = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _checks.real_array(leaf, f"init{jax.tree_util.keystr(path)}"), init
    )
    spread = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _as_shape(leaf, data.shape[:-1], f"init{jax.tree_util.keystr(path)}").astype(real), arrays
    )
    return _parameters.checked(spread, "init")


def _in_the_dtype_of(signal: jax.ShapeDtypeStruct, trees: Any) -> Any:
    """Everything in the precision in which the model computes, or that of the data where that is higher."""
    real = jnp.finfo(jnp.result_type(signal.dtype, trees[0].dtype)).dtype
    return jax.tree.map(lambda x: x.astype(jnp.result_type(real, 1j) if jnp.iscomplexobj(x) else real), trees)


def _as_shape(value: Array, shape: tuple[int, ...], name: str) -> Array:
    try:
        fits = np.broadcast_shapes(value.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"`{name}` must broadcast to shape {shape}, but got {value.shape}.")
    return jnp.broadcast_to(value, shape)


def _limits(bounds: tuple[PyTree, PyTree] | None, init: PyTree) -> tuple[PyTree, PyTree]:
    if bounds is None:
        bounds = (-jnp.inf, jnp.inf)
    if not (isinstance(bounds, tuple | list) and len(bounds) == 2):
        raise ValueError("`bounds` must be a pair (lower, upper) of numbers or of PyTrees like `init`.")
    lower = _parameters.broadcast_like(bounds[0], init, "bounds[0]")
    upper = _parameters.broadcast_like(bounds[1], init, "bounds[1]")

    def below(path: Any, low: Array, high: Array) -> Array:
        name = f"init{jax.tree_util.keystr(path)}"
        return _checks.require(low, low < high, f"Lower bounds of `{name}` must be below the upper ones")

    return jax.tree_util.tree_map_with_path(below, lower, upper), upper


class _Iterate(eqx.Module):
    """The state of all fits; parameters on the last axis."""

    x: Float[Array, "*voxels p"]
    residual: Float[Array, "*voxels m"]
    jacobian: Float[Array, "*voxels m p"]
    damping: Float[Array, "*voxels"]
    done: Bool[Array, "*voxels"]
    iterations: Int[Array, "*voxels"]

    @property
    def cost(self) -> Float[Array, "*voxels"]:
        return jnp.sum(self.residual**2, axis=-1)


@eqx.filter_jit
def _fitted(model, data, init, lower, upper, noise_std, max_iterations) -> Fit:
    structure = jax.tree.structure(init)
    stack = lambda tree: jnp.stack(jax.tree.leaves(tree), axis=-1)
    unstack = lambda x: jax.tree.unflatten(structure, list(jnp.moveaxis(x, -1, 0)))
    lower, upper = stack(lower), stack(upper)
    weight = jnp.ones(data.shape, jnp.finfo(data.dtype).dtype) if noise_std is None else 1 / noise_std

    @nan_where_it_does_not_hold
    def evaluate(x):
        signal, columns = signal_and_columns(model, unstack(x))
        return _as_real((signal - data) * weight), _as_real(jnp.moveaxis(columns, 0, -1) * weight[..., None], axis=-2)

    x = jnp.clip(stack(init), lower, upper)
    residual, jacobian = evaluate(x)
    finite = jnp.isfinite(jnp.sum(residual**2, axis=-1)) & jnp.all(jnp.isfinite(jacobian), axis=(-2, -1))
    voxels = x.shape[:-1]
    first = _Iterate(x, residual, jacobian, jnp.full(voxels, 1e-3, x.dtype), ~finite, jnp.zeros(voxels, jnp.int32))
    last = jax.lax.while_loop(
        lambda it: jnp.any(~it.done & (it.iterations < max_iterations)),
        lambda it: _improved(it, evaluate, lower, upper, max_iterations),
        first,
    )
    deviation, status = _uncertainty(last, lower, upper, finite, noise_std is not None)
    model_signal = nan_where_it_does_not_hold(model)(unstack(last.x))
    return Fit(unstack(last.x), unstack(deviation), data - model_signal, last.iterations, status)


def _as_real(signal: Array, axis: int = -1) -> Array:
    """Real and imaginary parts one after the other."""
    return jnp.concatenate([signal.real, signal.imag], axis=axis) if jnp.iscomplexobj(signal) else signal


def _improved(it: _Iterate, evaluate, lower, upper, max_iterations: int) -> _Iterate:
    """One step of every voxel that is not done: taken where it lowers the cost, more damped where it does not."""
    step = _step(it, lower, upper)
    x = jnp.clip(it.x + step, lower, upper)
    residual, jacobian = evaluate(x)
    active = ~it.done & (it.iterations < max_iterations)
    better = active & (jnp.sum(residual**2, axis=-1) <= it.cost)
    small = _is_small(x - it.x, it)
    pick = lambda new, old: jnp.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)
    return _Iterate(
        pick(x, it.x),
        pick(residual, it.residual),
        pick(jacobian, it.jacobian),
        jnp.clip(jnp.where(better, it.damping / 10, it.damping * 7), 1e-12, 1e12),
        it.done | (active & small),
        it.iterations + active,
    )


def _is_small(step: Float[Array, "*voxels p"], it: _Iterate) -> Bool[Array, "*voxels"]:
    """Whether a step changes nothing that matters: no parameter in its digits, or the signal far less than the noise."""
    unmoved = jnp.all(jnp.abs(step) <= jnp.finfo(step.dtype).eps ** (2 / 3) * jnp.abs(it.x), axis=-1)
    change = jnp.sum(it.jacobian * step[..., None, :], axis=-1)
    # costs that differ by less than their rounding cannot be compared, so a smaller step cannot be judged
    fraction = max(WITHIN_THE_NOISE**2, 10 * float(jnp.finfo(step.dtype).eps))
    return unmoved | (jnp.sum(change**2, axis=-1) <= fraction * it.cost)


def _step(it: _Iterate, lower, upper) -> Float[Array, "*voxels p"]:
    gradient = jnp.sum(it.jacobian * it.residual[..., None], axis=-2)
    free = ~_held(it.x, gradient, lower, upper)
    scaled, norm = _scaled(it.jacobian, free)
    gram = jnp.sum(scaled[..., :, None] * scaled[..., None, :], axis=-3)
    damped = gram + _diagonal(it.damping[..., None] + jnp.where(norm > 0, 0.0, 1.0))
    right = jnp.sum(scaled * it.residual[..., None], axis=-2)
    return -jnp.linalg.solve(damped, right[..., None])[..., 0] / jnp.where(norm > 0, norm, 1.0)


def _diagonal(values: Float[Array, "*voxels p"]) -> Float[Array, "*voxels p p"]:
    return values[..., None] * jnp.expand_dims(jnp.eye(values.shape[-1], dtype=values.dtype), range(values.ndim - 1))


def _held(x, gradient, lower, upper) -> Bool[Array, "*voxels p"]:
    """Whether a parameter is on a bound and the cost falls beyond it."""
    return ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))


def _scaled(jacobian, free) -> tuple[Array, Array]:
    """Columns of unit length, zero for parameters that are held, and their lengths."""
    columns = jacobian * free[..., None, :]
    norm = jnp.sqrt(jnp.sum(columns**2, axis=-2))
    return columns / jnp.where(norm > 0, norm, 1.0)[..., None, :], norm


def _uncertainty(it: _Iterate, lower, upper, finite, noise_is_known: bool) -> tuple[Array, Int[Array, "*voxels"]]:
    """Standard deviations and status at the solution."""
    n_samples, n_parameters = it.jacobian.shape[-2:]
    on_bound = (it.x <= lower) | (it.x >= upper)
    scaled, norm = _scaled(it.jacobian, ~on_bound)
    gram = jnp.sum(scaled[..., :, None] * scaled[..., None, :], axis=-3)
    # a parameter that is held, or that nothing depends on, must not spoil the inverse for the others
    gram = gram + _diagonal(jnp.where(norm > 0, 0.0, 1.0))
    variance = jnp.diagonal(jnp.linalg.inv(gram), axis1=-2, axis2=-1) / norm**2
    blind = (norm == 0) & ~on_bound
    singular = ~jnp.isfinite(variance) | (variance < 0)
    deviation = jnp.sqrt(jnp.where(singular, jnp.inf, variance))
    if not noise_is_known:
        freedom = n_samples - n_parameters
        spread = jnp.sqrt(it.cost / freedom) if freedom > 0 else jnp.full(it.cost.shape, jnp.nan, norm.dtype)
        deviation = deviation * spread[..., None]
    deviation = jnp.where(on_bound | ~finite[..., None], jnp.nan, deviation)
    status = jnp.select(
        [~finite, jnp.any(blind | (singular & ~on_bound), axis=-1), ~it.done, jnp.any(on_bound, axis=-1)],
        [FitStatus.NOT_FINITE, FitStatus.UNIDENTIFIABLE, FitStatus.MAX_ITERATIONS, FitStatus.AT_BOUND],
        FitStatus.CONVERGED,
    )
    return deviation, status.astype(jnp.int32)
