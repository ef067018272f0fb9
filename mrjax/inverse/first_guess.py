"""Where a fit of a signal model starts: the best of the values that its parameters are tried at."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from mrjax import _checks
from mrjax.signals.models import SignalModel

VOXELS_AT_ONCE = 1024
MOST_TRIALS = 20_000


def first_guess(model: SignalModel, data: Inexact[Array, "*voxels n"]) -> dict[str, Float[Array, "*voxels"]]:
    r"""The combination of trial values whose signals explain the data best, with the amplitudes that belong to it.

    With the signals $A_i$ of unit amplitudes at combination $i$ (variable projection on a grid):

    $$\hat\imath = \arg\max_i \| Q_i^T d \|^2, \qquad A_i = Q_i R_i, \qquad \hat a = R_{\hat\imath}^{-1} Q_{\hat\imath}^T d$$

    Amplitudes are real: of complex signals both parts are samples.

    **Arguments:**

    - `model`: A `mrjax.signals.models.SignalModel`; maps that it holds are taken at their defaults.
    - `data`: Signals, `(*voxels, n)`.

    **Returns:** A dictionary of arrays `(*voxels)`, within the limits of the model. As fine as the trials are.

    **Raises:** `ValueError` where data have another length than the model, or a parameter has no trials.

    **Source:** G. H. Golub, V. Pereyra, SIAM J Numer Anal 10 (1973) 413-432 (projection on the amplitudes).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.05, 0.1])
        >>> guess = mr.inverse.first_guess(model, jnp.array([[0.819, 0.368, 0.135]]))
        >>> round(float(guess["t2"][0]), 2)
        0.05

        ```
    """
    data = _checks.number_array(data, "data")
    if data.ndim == 0 or data.shape[-1] != model.n_samples:
        raise ValueError(f"`data` must have shape (*voxels, {model.n_samples}) for this model, but got {data.shape}.")
    trials = _combinations(model)
    signals, voxels = _unit_signals(model, trials, jnp.finfo(data.dtype).dtype), data.reshape(-1, data.shape[-1])
    if jnp.iscomplexobj(signals):  # amplitudes are real, so that both parts count as samples
        signals, voxels = (jnp.concatenate([x.real, x.imag], axis=1) for x in (signals, voxels))
    linear = [one.name for one in model.parameters if one.is_amplitude]
    best, amplitudes = (
        _best_projection(*jnp.linalg.qr(signals), voxels) if linear else (_nearest(signals, voxels), None)
    )
    values = {name: jnp.asarray(value, signals.real.dtype)[best] for name, value in trials.items()}
    values |= {name: amplitudes[:, i] for i, name in enumerate(linear)} if amplitudes is not None else {}
    limited = {one.name: jnp.clip(values[one.name], one.lower, one.upper) for one in model.parameters}
    return {name: value.reshape(data.shape[:-1]) for name, value in limited.items()}


def _combinations(model: SignalModel) -> dict[str, np.ndarray]:
    searched = [one for one in model.parameters if not one.is_amplitude]
    for one in searched:
        if not one.trials:
            raise ValueError(f"The parameter `{one.name}` has no trials to start from; pass `init`.")
    n = math.prod(len(one.trials) for one in searched)
    if n > MOST_TRIALS:
        raise ValueError(f"The trials make {n} combinations, more than {MOST_TRIALS}; pass `init`.")
    mesh = np.meshgrid(*(np.asarray(one.trials) for one in searched), indexing="ij")
    return {one.name: axis.reshape(-1) for one, axis in zip(searched, mesh, strict=True)}


def _unit_signals(model: SignalModel, trials: dict[str, np.ndarray], dtype: np.dtype) -> Inexact[Array, "trial n *one"]:
    """The signals at every combination: of each amplitude alone on the last axis, or without that axis if there is none."""
    linear = [one.name for one in model.parameters if one.is_amplitude]
    n = len(next(iter(trials.values()))) if trials else 1
    nominal, fixed = model.without_maps(), {name: jnp.asarray(value, dtype) for name, value in trials.items()}
    if not linear:
        return nominal(fixed)
    unit = lambda chosen: nominal(fixed | {name: jnp.full(n, float(name == chosen), dtype) for name in linear})
    return jnp.stack([unit(name) for name in linear], axis=-1)


@jax.jit
def _best_projection(
    q: Array, r: Array, data: Inexact[Array, "voxel n"]
) -> tuple[Array, Float[Array, "voxel amplitude"]]:
    """Of each voxel the index of the combination, and the amplitudes."""

    def of_one(signal: Array) -> tuple[Array, Array]:
        shares = jnp.einsum("tna,n->ta", q, signal)
        index = jnp.argmax(jnp.sum(shares**2, axis=-1))
        return index, jax.scipy.linalg.solve_triangular(r[index], shares[index])

    return jax.lax.map(of_one, data, batch_size=VOXELS_AT_ONCE)


@jax.jit
def _nearest(signals: Inexact[Array, "trial n"], data: Inexact[Array, "voxel n"]) -> Int[Array, " voxel"]:
    """Of each voxel the index of the combination."""
    distance = lambda one: jnp.sum(jnp.abs(signals - one[None]) ** 2, axis=-1)
    return jax.lax.map(lambda one: jnp.argmin(distance(one)), data, batch_size=VOXELS_AT_ONCE)
