"""How well parameters can be measured at best, as an objective of design."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _names
from mrjax._shapes import with_rank
from mrjax.inverse import _parameters
from mrjax.inverse.fisher import cramer_rao_variances, fisher_information
from mrjax.inverse.jacobian import Model
from mrjax.inverse.least_squares import least_squares


@dataclasses.dataclass(frozen=True, eq=False)
class CramerRao:
    """An objective: the expected relative variance of unbiased estimates; `crlb` makes it."""

    model_of: Callable[[Any], Model]
    tissues: dict[str, Array]
    noise_std: Array
    weights: dict[str, Array]

    def __call__(self, design: Any) -> Float[Array, ""]:
        """The mean over tissues of the weighted sum of relative variances."""
        variances = self._relative_variances(design)
        return jnp.mean(sum((self.weights[name] * variances[name] for name in self.weights), jnp.zeros(())))

    def relative_deviation(self, design: Any) -> dict[str, Float[Array, "*voxels"]]:
        """The least standard deviation of each parameter that has a weight, relative to it, for every tissue."""
        return {name: jnp.sqrt(variance) for name, variance in self._relative_variances(design).items()}

    def fitted_deviation(self, design: Any, key: Array, n_fits: int = 1000) -> dict[str, Float[Array, "*voxels"]]:
        """As `relative_deviation`, but of least-squares fits to signals with noise, which come near to the bound or do not.

        **Arguments:**

        - `design`: As the objective takes it.
        - `key`: Of `jax.random`, for the noise.
        - `n_fits`: Of each tissue. The result has a relative error of about one over the square root of twice as many.

        **Returns:** the standard deviations of fits that start at the truth, relative to it.
        """
        n_fits = _checks.positive_integer(n_fits, "n_fits")
        model = self.model_of(design)
        truth = {name: jnp.broadcast_to(value, (n_fits, *value.shape)) for name, value in self.tissues.items()}
        signal = model(truth)
        noise = jax.random.normal(key, signal.shape, signal.real.dtype)
        if jnp.iscomplexobj(signal):
            noise = noise + 1j * jax.random.normal(jax.random.fold_in(key, 1), signal.shape, noise.dtype)
        noise = with_rank(self.noise_std[..., None], signal.ndim) * noise
        fitted = least_squares(model, signal + noise, truth).parameters
        return {name: jnp.std(fitted[name], axis=0) / jnp.abs(self.tissues[name]) for name in self.weights}

    def _relative_variances(self, design: Any) -> dict[str, Array]:
        information = fisher_information(self.model_of(design), self.tissues, self.noise_std)
        columns = enumerate(sorted(self.tissues))  # the order of the leaves of a dictionary
        variances = {name: cramer_rao_variances(information)[..., i] for i, name in columns}
        return {name: variances[name] / self.tissues[name] ** 2 for name in self.weights}


def crlb(
    model_of: Callable[[Any], Model],
    tissues: Mapping[str, Any],
    *,
    noise_std: Any,
    weights: Mapping[str, float] | None = None,
) -> CramerRao:
    r"""The Cramér-Rao bound as an objective: relative variances, expected over a distribution of tissues.

    $$J = \frac{1}{V} \sum_v \sum_p w_p \, \frac{(F_v^{-1})_{pp}}{p_v^2}$$

    $F_v$ is the Fisher information of the signal of tissue $v$ about all its parameters (`mrjax.inverse.fisher_information`).

    **Arguments:**

    - `model_of`: Takes a design and returns a model, which takes a dictionary like `tissues` and returns signals
      `(*voxels, n)`, real or complex: a function around `mrjax.simulate`, or a model of `mrjax.signals.models`.
    - `tissues`: All that is unknown of a voxel, by name, in SI units. Arrays of shape `(*voxels)`, one entry for each tissue
      that the experiment is for.
    - `noise_std`: $\sigma$ in the unit of the signal, as for `mrjax.inverse.fisher_information`. Positive.
    - `weights`: $w_p$ by name, zero or more. A parameter without one is estimated, but how well does not count. By default
      each has the weight one.

    **Returns:** a `CramerRao`: called with a design it returns $J$, which has no unit; `relative_deviation(design)` gives the
    relative standard deviation of each parameter in each tissue.

    **Derivatives:** in the design, by every mode. Where the signal hardly tells parameters apart, the bound is finite
    (`mrjax.inverse.cramer_rao_variances` says how); where it does not depend on a parameter at all, it is infinite.

    **Raises:** `ValueError` where names differ, a weight is negative, none is positive, a weighted parameter is zero
    somewhere, or shapes do not fit.

    **Source:** the definition, as `mrjax.inverse.fisher_information`; B. Zhao, J. P. Haldar, C. Liao, D. Ma, Y. Jiang, M. A.
    Griswold, K. Setsompop, L. L. Wald, IEEE Trans Med Imaging 38 (2019) 844-861, design fingerprints by it.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> decay = lambda te: mr.signals.models.Decay(te=te)
        >>> tissues = {"t2": jnp.array([0.05, 0.08]), "m0": jnp.ones(2)}
        >>> bound = mr.design.crlb(decay, tissues, noise_std=0.01, weights={"t2": 1.0})
        >>> bool(bound(jnp.array([0.0, 0.07])) < bound(jnp.array([0.0, 0.01])))
        True

        ```
    """
    checked = _parameters.checked({name: _checks.real_array(value, name) for name, value in tissues.items()}, "tissues")
    weights = _checked_weights(dict.fromkeys(checked, 1.0) if weights is None else dict(weights), checked)
    noise = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "in the unit of the signal")
    return CramerRao(model_of, checked, noise, {name: jnp.asarray(weight) for name, weight in weights.items()})


def _checked_weights(weights: dict[str, float], tissues: dict[str, Array]) -> dict[str, float]:
    for name, weight in weights.items():
        if name not in tissues:
            raise ValueError(
                f"`weights` names {name!r}, which `tissues` ({', '.join(tissues)}) does not have."
                f"{_names.did_you_mean(name, tissues)}"
            )
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"`weights[{name!r}]` must be finite and not negative, but got {weight}.")
        if weight and _checks.is_concrete(tissues[name]) and not np.all(np.abs(np.asarray(tissues[name])) > 0):
            raise ValueError(
                f"`tissues[{name!r}]` must not be zero, for its variance counts relative to it; give it no weight."
            )
    positive = {name: float(weight) for name, weight in weights.items() if weight}
    if not positive:
        raise ValueError("`weights` must be positive for at least one parameter, but all are zero.")
    return positive
