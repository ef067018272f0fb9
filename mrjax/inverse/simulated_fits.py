"""What fits give of signals with simulated noise."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from mrjax import _checks
from mrjax.inverse._objective import Objective, objective
from mrjax.inverse.cramer_rao import known_noise, together
from mrjax.inverse.fisher import noise_of_samples
from mrjax.inverse.fit import FitStatus
from mrjax.inverse.jacobian import Model
from mrjax.inverse.least_squares import least_squares
from mrjax.signals.models import SignalModel

VOXELS_AT_ONCE = 20_000


class SimulatedFits(eqx.Module):
    """What `monte_carlo` returns; every array has the voxel shape."""

    bias: PyTree
    """The mean of the estimates minus the truth."""
    standard_deviation: PyTree
    """Of the estimates about their mean."""
    fraction_fitted: Float[Array, "*voxels"]
    """Of the fits, those that converged; the others do not enter."""


def monte_carlo(
    model: Model, params: PyTree, noise_std: Any, key: PRNGKeyArray, n: int, **options: Any
) -> SimulatedFits:
    r"""Bias and standard deviation of `least_squares`, from fits of `n` signals with independent noise in each voxel.

    Their own standard error is $\hat\sigma / \sqrt{n}$ of a bias, and about $\hat\sigma / \sqrt{2 n}$ of a standard deviation.

    **Arguments:**

    - `model`, `params`, `noise_std`: As those of `crlb`. Noise is of the kind that the `likelihood` says: Gaussian, in both
      parts of complex signals; or that of magnitudes.
    - `key`: A JAX random key.
    - `n`: How many fits.
    - `options`: Those of `least_squares`, such as `likelihood`, `loss`, `init` or `bounds`. Fits of a `SignalModel` start at
      its `first_guess`, those of a function at the truth, unless `init` says otherwise.

    **Returns:** `SimulatedFits`.

    **Raises:** `ValueError` where `n` is below 2, and as `crlb` and `least_squares`.

    !!! example

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.03, 0.06, 0.1])
        >>> found = mr.inverse.monte_carlo(model, {"t2": 0.05, "m0": 1.0}, 0.01, jax.random.key(1), 1000)
        >>> bound = mr.inverse.crlb(model, {"t2": 0.05, "m0": 1.0}, 0.01)
        >>> abs(float(found.standard_deviation["t2"] / bound.standard_deviation["t2"]) - 1) < 0.1
        True

        ```
    """
    if _checks.positive_integer(n, "n") < 2:
        raise ValueError(f"`n` must be at least 2, to have a standard deviation, but got {n}.")
    params = together(params)
    kind = objective(
        options.get("likelihood", "gaussian"), options.get("loss", "squared"), options.get("n_coils", 1), True
    )
    if not isinstance(model, SignalModel):
        options = {"init": params} | options
    return _simulated(model, params, known_noise(noise_std), jax.random.split(key, n), kind, options)


@eqx.filter_jit
def _simulated(
    model: Model, params: PyTree, noise_std: Array, keys: Array, kind: Objective, options: dict[str, Any]
) -> SimulatedFits:
    signal = model(params)
    noise = noise_of_samples(noise_std, signal, of_magnitudes=kind.is_of_magnitudes)

    def one(key: PRNGKeyArray) -> tuple[PyTree, Array]:
        fit = least_squares(model, _noisy(key, signal, noise, kind), noise_std=noise, **options)
        return fit.parameters, (fit.status == FitStatus.CONVERGED) | (fit.status == FitStatus.AT_BOUND)

    n_voxels = signal.size // signal.shape[-1]
    at_once = min(len(keys), max(1, VOXELS_AT_ONCE // max(1, n_voxels)))
    estimates, fitted = jax.lax.map(one, keys, batch_size=at_once)
    count = jnp.sum(fitted, axis=0)
    mean = lambda x: jnp.sum(jnp.where(fitted, x, 0.0), axis=0) / count
    bias = jax.tree.map(lambda x, truth: mean(x - truth[None]), estimates, params)
    about = lambda x, truth, bias: jnp.sqrt(mean((x - (truth + bias)[None]) ** 2) * count / (count - 1))
    return SimulatedFits(bias, jax.tree.map(about, estimates, params, bias), count / len(keys))


def _noisy(key: PRNGKeyArray, signal: Array, noise: Array, kind: Objective) -> Array:
    """The signal with noise of the kind that a likelihood expects."""
    one, other = jax.random.split(key)
    along = noise * jax.random.normal(one, signal.shape, noise.dtype)
    if kind.is_of_magnitudes:
        across = jax.random.chisquare(other, 2 * kind.n_coils - 1, signal.shape, noise.dtype)
        return jnp.sqrt((signal + along) ** 2 + noise**2 * across)
    if jnp.iscomplexobj(signal):
        return signal + along + 1j * noise * jax.random.normal(other, signal.shape, noise.dtype)
    return signal + along
