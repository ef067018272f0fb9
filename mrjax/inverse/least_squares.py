"""Fitting any model, voxel by voxel and all voxels at once."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mrjax import _checks, _plausibility
from mrjax.inverse import _parameters, likelihoods
from mrjax.inverse._marquardt import Iterate, Search, minimised, uncertainty
from mrjax.inverse.first_guess import first_guess
from mrjax.inverse.fit import Fit as Fit, FitStatus
from mrjax.inverse.jacobian import Model, signal_and_columns
from mrjax.jax_rules import nan_where_it_does_not_hold
from mrjax.signals.models import SignalModel


def least_squares(
    model: Model,
    data: Any,
    init: PyTree | None = None,
    bounds: tuple[PyTree, PyTree] | None = None,
    noise_std: Any | None = None,
    *,
    likelihood: str = "gaussian",
    polarities: Any | None = None,
    max_iterations: int = 100,
) -> Fit:
    r"""Levenberg-Marquardt in every voxel at once: parameters that minimise $\sum_n |d_n - s_n(p)|^2 / \sigma_n^2$.

    Steps solve $(J^T J + \lambda \, \mathrm{diag} J^T J) \, \delta = J^T r$ with a damping $\lambda$ for each voxel, on the
    parameters that are not held at a bound; the Jacobian is exact (`per_voxel_jacobian`). A step that does not lower the
    cost, or leads to where the model is not defined (a negative T2, nan), is taken back and damped more. A voxel has
    converged when the undamped step moves no parameter by more than `eps ** (2/3)` of itself (4e-11 in float64, 2e-5 in
    float32), or changes the signal by less than 1e-4 of the residual (1e-3 in float32), far less than the noise moves it,
    or by less than rounding does. One that cannot move otherwise has stalled, not converged.

    **Arguments:**

    - `model`: Takes a PyTree like `init` and returns signals of shape `(*voxels, n)`, real or complex. A voxel's signal must
      depend on that voxel's parameters alone.
    - `data`: Measured signals, `(*voxels, n)`; complex if the model is.
    - `init`: PyTree (a dict, say) of starting values, of shape `(*voxels)` or broadcasting to it; or a function of the data
      that returns it, such as a match to a `Dictionary`. A `mrjax.signals.models.SignalModel` needs none: it starts at the
      `first_guess`. With `polarities` it gets the data with each row of signs.
    - `bounds`: `(lower, upper)`, each a number or a PyTree like `init`; parameters stay within. Those of a
      `SignalModel` by default.
    - `noise_std`: Standard deviation of the noise, for complex data in each of real and imaginary part; broadcasts to
      `data`. None estimates it in each voxel from the residual, which needs more samples than parameters.
    - `likelihood`: "gaussian"; or "rician" for magnitudes of signals with complex noise of a known `noise_std` in each part,
      whose floor is then not taken for signal: the minimum is that of $-2 \log$ of the Rice distribution, and standard
      deviations follow from its Fisher information.
    - `polarities`: For magnitudes of a real `model` that changes sign, as inversion recovery does: rows of +1 and -1,
      `(n_alternatives, n)`, such as `recovery_polarities` gives. The data with the signs of each row are fitted, and in each
      voxel the fit of lowest cost is kept. (A model of magnitudes has a kink at each null, and a search does not pass it.)
    - `max_iterations`: Where a voxel that has not converged stops.

    **Returns:**

    A `Fit`, whose `status` says where it is one. Standard deviations are $\sqrt{\mathrm{diag} (J^T W J)^{-1}}$: exact for models
    that are linear over the spread of the noise. They are nan for parameters at a bound. Parameters of voxels whose data, or
    whose model at the start, are not finite are nan. With noise estimated from the residual, intervals follow Student's
    t with n - p degrees of freedom: 2.23 standard deviations for 95 % with 10, not 1.96.

    Works inside `jit`. Forward mode differentiates through the iterations; reverse mode is not supported.

    **Raises:** `ValueError` where shapes or structures do not fit, bounds cross, `noise_std` is not positive, data are complex
    and the model is real, data are not magnitudes or have no `noise_std` for a Rician likelihood, or signs are not +1 or -1.

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

        Magnitudes of an inversion recovery:

        ```python
        >>> from mrjax.inverse import recovery_polarities
        >>> from mrjax.signals.relaxation import inversion_recovery
        >>> ti = jnp.array([0.05, 0.4, 1.1, 2.5])
        >>> recovery = lambda p: inversion_recovery(ti, p["t1"], m0=p["m0"])
        >>> magnitude = jnp.abs(recovery({"m0": jnp.array([1.0, 1.0]), "t1": jnp.array([0.3, 1.6])}))
        >>> fit = least_squares(recovery, magnitude, {"m0": 1.0, "t1": 0.8}, polarities=recovery_polarities(ti))
        >>> print(*(f"{value:.4f}" for value in fit.parameters["t1"]))
        0.3000 1.6000

        ```
    """
    data = _checks.number_array(data, "data")
    if data.ndim < 1 or data.shape[-1] == 0:
        raise ValueError(f"`data` must have shape (*voxels, n) with at least one sample, but got {data.shape}.")
    if likelihood not in ("gaussian", "rician"):
        raise ValueError(f"`likelihood` must be 'gaussian' or 'rician', but got {likelihood!r}.")
    if max_iterations < 1:
        raise ValueError(f"`max_iterations` must be at least 1, but got {max_iterations}.")
    if polarities is not None:
        polarities = _rows_of_signs(polarities, data)
    init, bounds = _of_the_model(model, init, bounds)
    init, starts = _starts(init, data, polarities)
    lower, upper = _limits(bounds, init)
    if noise_std is not None:
        noise_std = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of data")
        _plausibility.warn_if_noise_exceeds_signal(noise_std, data)
        noise_std = _as_shape(noise_std, data.shape, "noise_std")
    if likelihood == "rician":
        data = _magnitudes(data, noise_std)
    signal = jax.eval_shape(model, init)
    _parameters.check_signal(signal, init)
    _require_like(data, signal, of_magnitudes=likelihood == "rician" or polarities is not None)
    arrays = _in_the_dtype_of(signal, (data, starts, lower, upper, noise_std, polarities))
    return _fitted(model, arrays, likelihood, max_iterations)


def _of_the_model(model: Model, init: PyTree | None, bounds: Any) -> tuple[PyTree, Any]:
    """The start and the limits that a model brings, where none are given."""
    if isinstance(model, SignalModel):
        return functools.partial(
            first_guess, model
        ) if init is None else init, model.limits if bounds is None else bounds
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


def _magnitudes(data: Array, noise_std: Array | None) -> Array:
    if noise_std is None:
        raise ValueError("`noise_std` must be given for a Rician likelihood, whose floor it sets, but got None.")
    if jnp.iscomplexobj(data):
        raise ValueError("`data` must be magnitudes for a Rician likelihood, but is complex; pass its magnitude.")
    return _checks.require(data, ~(data < 0), "`data` must be magnitudes, not negative, for a Rician likelihood")


def _rows_of_signs(polarities: Any, data: Array) -> Array:
    signs = _checks.real_array(polarities, "polarities")
    if jnp.iscomplexobj(data):
        raise ValueError("`polarities` are those of magnitudes, but `data` is complex; fit it without.")
    if signs.ndim != 2 or signs.shape[0] == 0 or signs.shape[1] != data.shape[-1]:
        raise ValueError(
            f"`polarities` must have shape (n_alternatives, n) with n of {data.shape[-1]} as `data`, but got {signs.shape}."
        )
    return _checks.require(signs, jnp.abs(signs) == 1, "`polarities` must be +1 or -1")


def _starts(init: Any, data: Array, polarities: Array | None) -> tuple[PyTree, PyTree]:
    """Where a voxel starts, and where it does for every row of signs, stacked in front (the same without signs)."""
    if polarities is None:
        start = _initial(init(data) if callable(init) else init, data)
        return start, start
    starts = [
        _initial(init(data * signs) if callable(init) else init, data) for signs in _over_voxels(polarities, data)
    ]
    return starts[0], jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)


def _over_voxels(polarities: Float[Array, "k n"], data: Array) -> Float[Array, "k *ones n"]:
    return jnp.expand_dims(polarities.astype(data.dtype), range(1, data.ndim))


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


@eqx.filter_jit
def _fitted(model, arrays, likelihood, max_iterations) -> Fit:
    data, starts, lower, upper, noise_std, polarities = arrays
    structure = jax.tree.structure(starts)
    stack = lambda tree: jnp.stack(jax.tree.leaves(tree), axis=-1)
    unstack = lambda x: jax.tree.unflatten(structure, list(jnp.moveaxis(x, -1, 0)))
    precision = jnp.ones(data.shape, jnp.finfo(data.dtype).dtype) if noise_std is None else 1 / noise_std
    size = jnp.sqrt(jnp.sum(jnp.abs(data * precision) ** 2, axis=-1))
    search = Search(stack(lower), stack(upper), size, max_iterations)

    def toward(expansion, data):
        @nan_where_it_does_not_hold
        def expand(x):
            signal, columns = signal_and_columns(model, unstack(x))
            return expansion(signal, columns, data, precision)

        return expand

    def fit(start, signs):
        last = minimised(toward(likelihoods.gaussian, data * signs), stack(start), search)
        if likelihood == "rician":  # of several maxima, the one that the magnitudes with their signs lead to
            last = minimised(toward(likelihoods.rician, data), last.x, search)
        return last

    last = fit(starts, 1) if polarities is None else _best(fit, starts, _over_voxels(polarities, data))
    freedom = data.shape[-1] * (2 if jnp.iscomplexobj(data) else 1) - last.x.shape[-1]
    deviation, status = uncertainty(last, search, freedom if noise_std is None else None)
    model_signal = nan_where_it_does_not_hold(model)(unstack(last.x))
    if likelihood == "rician" or polarities is not None:
        model_signal = jnp.abs(model_signal)
    fitted = status != FitStatus.NOT_FINITE
    parameters = jnp.where(fitted[..., None], last.x, jnp.nan)
    residual = jnp.where(fitted[..., None], data - model_signal, jnp.nan)
    return Fit(unstack(parameters), unstack(deviation), residual, last.iterations, status)


def _best(fit, starts: PyTree, polarities: Float[Array, "k *ones n"]) -> Iterate:
    """Of the fits to data with each row of signs the one of lowest cost in every voxel."""
    fits = jax.lax.map(lambda row: fit(*row), (starts, polarities))
    best = jnp.argmin(jnp.where(fits.at.is_finite, fits.at.cost, jnp.inf), axis=0)[None]
    pick = lambda x: jnp.take_along_axis(x, jnp.expand_dims(best, range(best.ndim, x.ndim)), axis=0)[0]
    return jax.tree.map(pick, fits)
