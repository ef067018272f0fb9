"""What a fit is given, checked and brought into one form."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mrjax import _checks, _plausibility
from mrjax.inverse import _parameters
from mrjax.inverse._objective import Objective
from mrjax.inverse.first_guess import first_guess
from mrjax.inverse.jacobian import Model
from mrjax.signals.models import SignalModel


class Inputs(eqx.Module):
    """Arrays of one precision."""

    data: Array
    starts: PyTree
    """Parameters of shape `(n_alternatives, *voxels)`."""
    signs: Float[Array, "n_alternatives n"] | None
    lower: PyTree
    upper: PyTree
    noise_std: Array | None


def checked_inputs(
    model: Model,
    data: Array,
    init: PyTree | None,
    bounds: Any,
    noise_std: Any | None,
    objective: Objective,
    polarities: Any | None,
    n_starts: int,
) -> Inputs:
    """What `least_squares` is given, or `ValueError`."""
    signs = None if polarities is None else _rows_of_signs(polarities, data)
    init, bounds = _of_the_model(model, init, bounds, n_starts)
    starts = _starts(init, data, signs, n_starts)
    start = jax.tree.map(lambda leaf: leaf[0], starts)
    lower, upper = _limits(bounds, start)
    if noise_std is not None:
        noise_std = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of data")
        _plausibility.warn_if_noise_exceeds_signal(noise_std, data)
        noise_std = _as_shape(noise_std, data.shape, "noise_std")
    if objective.is_of_magnitudes:
        data = _magnitudes(data, noise_std, objective.likelihood)
    signal = jax.eval_shape(lambda parameters: model(parameters), start)  # a model may hold traced arrays: no hash
    _parameters.check_signal(signal, start)
    _require_like(data, signal, of_magnitudes=objective.is_of_magnitudes or signs is not None)
    signs = None if signs is None else jnp.repeat(signs, n_starts, axis=0)
    return _in_the_dtype_of(signal, Inputs(data, starts, signs, lower, upper, noise_std))


def _of_the_model(model: Model, init: PyTree | None, bounds: Any, n_starts: int) -> tuple[PyTree, Any]:
    """The start and the limits that a model brings, where none are given."""
    if isinstance(model, SignalModel):
        of_model = functools.partial(first_guess, model, n_best=n_starts if n_starts > 1 else None)
        return of_model if init is None else init, model.limits if bounds is None else bounds
    if init is None:
        raise ValueError("`init` must be given for a model that is a function; a `SignalModel` brings its own.")
    return init, bounds


def _require_like(data: Array, signal: jax.ShapeDtypeStruct, of_magnitudes: bool) -> None:
    """Refuse data that a model of such signals cannot be fitted to."""
    if signal.shape != data.shape:
        raise ValueError(f"`model` returns signals of shape {signal.shape}, but `data` has shape {data.shape}.")
    model_is_complex = jnp.issubdtype(signal.dtype, jnp.complexfloating)
    if jnp.iscomplexobj(data) and not model_is_complex:
        raise ValueError("`data` is complex but `model` returns real signals; pass magnitudes, or a complex model.")
    if of_magnitudes and model_is_complex:
        raise ValueError(
            f"`model` must return real signals, with their sign, for magnitudes, but returns {signal.dtype}."
        )


def _magnitudes(data: Array, noise_std: Array | None, likelihood: str) -> Array:
    which = f"a {'Rician' if likelihood == 'rician' else 'noncentral chi'} likelihood"
    if noise_std is None:
        raise ValueError(f"`noise_std` must be given for {which}, whose floor it sets, but got None.")
    if jnp.iscomplexobj(data):
        raise ValueError(f"`data` must be magnitudes for {which}, but is complex; pass its magnitude.")
    return _checks.require(data, ~(data < 0), f"`data` must be magnitudes, not negative, for {which}")


def _rows_of_signs(polarities: Any, data: Array) -> Array:
    signs = _checks.real_array(polarities, "polarities")
    if jnp.iscomplexobj(data):
        raise ValueError("`polarities` are those of magnitudes, but `data` is complex; fit it without.")
    if signs.ndim != 2 or signs.shape[0] == 0 or signs.shape[1] != data.shape[-1]:
        raise ValueError(
            f"`polarities` must have shape (n_alternatives, n) with n of {data.shape[-1]} as `data`, but got {signs.shape}."
        )
    return _checks.require(signs, jnp.abs(signs) == 1, "`polarities` must be +1 or -1")


def _starts(init: PyTree, data: Array, signs: Array | None, n_starts: int) -> PyTree:
    """Where every voxel starts, for every row of signs `n_starts` times, stacked in front."""
    rows = [data] if signs is None else list(data[None] * _over_voxels(signs, data))
    starts = [_initial(init(row) if callable(init) else init, data, n_starts) for row in rows]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *starts)


def _over_voxels(signs: Float[Array, "k n"], data: Array) -> Float[Array, "k *ones n"]:
    return jnp.expand_dims(signs.astype(data.dtype), range(1, data.ndim))


def _initial(init: PyTree, data: Array, n_starts: int) -> PyTree:
    """Arrays of shape `(n_starts, *voxels)`."""
    real, voxels = jnp.finfo(data.dtype).dtype, data.shape[:-1]

    def spread(path: Any, leaf: Any) -> Array:
        name = f"init{jax.tree_util.keystr(path)}"
        array = _checks.real_array(leaf, name).astype(real)
        if n_starts == 1:
            return _as_shape(array, voxels, name)[None]
        if array.ndim == 0:
            return jnp.broadcast_to(array, (n_starts, *voxels))
        if array.shape[0] != n_starts:
            raise ValueError(f"`{name}` must have the {n_starts} `starts` on its first axis, but got {array.shape}.")
        return jnp.stack([_as_shape(each, voxels, name) for each in array])

    return _parameters.checked(jax.tree_util.tree_map_with_path(spread, init), "init")


def _in_the_dtype_of(signal: jax.ShapeDtypeStruct, inputs: Inputs) -> Inputs:
    """Everything in the precision in which the model computes, or that of the data where that is higher."""
    real = jnp.finfo(jnp.result_type(signal.dtype, inputs.data.dtype)).dtype
    return jax.tree.map(lambda x: x.astype(jnp.result_type(real, 1j) if jnp.iscomplexobj(x) else real), inputs)


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
