"""From the nearest atom to the best parameters between atoms."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Inexact, PyTree

from mrjax import _checks
from mrjax._module import Module
from mrjax.inverse.dictionary import Dictionary
from mrjax.inverse.fit import Fit
from mrjax.inverse.jacobian import Model
from mrjax.inverse.least_squares import least_squares


def refined_match(
    dictionary: Dictionary,
    model: Model,
    signals: Any,
    known: Mapping[str, Any] | None = None,
    *,
    bounds: tuple[PyTree, PyTree] | None = None,
    noise_std: Any | None = None,
    max_iterations: int = 30,
    batch_size: int | None = None,
) -> Fit:
    r"""A match to a dictionary, and from there least squares in the parameters themselves.

    $$\hat p, \hat M_0 = \arg\min \sum_n \frac{|s_n - M_0 \, d_n(p)|^2}{\sigma_n^2}, \qquad
      p \text{ from } \mathrm{Dictionary.match} \text{ on}$$

    **Arguments:**

    - `dictionary`: See `Dictionary`.
    - `model`: $d$, what the dictionary was built of: takes a dict of parameters and returns signals `(*voxels, n)`.
    - `signals`: $s$, measured signals, `(*voxels, n)`.
    - `known`: As of `Dictionary.match`: maps of parameters measured otherwise, such as B1. The model gets them as they
        are, not the nearest of the grid, and they are not fitted.
    - `bounds`: `(lower, upper)`, each a number or a dict of the parameters that are fitted. By default the extent of the grid.
    - `noise_std`, `max_iterations`, `batch_size`: As of `least_squares`.

    **Returns:** The `Fit` of `least_squares`: of the parameters of the dictionary that are not `known`, and of $M_0$ as "m0", or
    where signals are complex as "m0_real" and "m0_imaginary". Voxels without signal are not CONVERGED.

    **Derivatives:** as of `least_squares`: those of a minimum, whatever the match. nan where a fit did not converge.

    **Raises:** `ValueError` as `Dictionary.match` and `least_squares`, and where all parameters are known.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> te = jnp.array([0.01, 0.03, 0.06])
        >>> decay = lambda p: jnp.exp(-te / p["t2"][..., None])
        >>> dictionary = mr.inverse.Dictionary.build(decay, {"t2": jnp.array([0.02, 0.05, 0.1])})
        >>> fit = mr.inverse.refined_match(dictionary, decay, 3 * jnp.exp(-te / 0.062)[None])
        >>> print(f"{fit.parameters['t2'][0]:.3f} s, {fit.parameters['m0'][0]:.2f}")
        0.062 s, 3.00

        ```
    """
    known = {name: _checks.real_array(value, name) for name, value in (known or {}).items()}
    match = dictionary.match(signals, known)
    start: dict[str, Array] = {name: value for name, value in match.parameters.items() if name not in known}
    if not start:
        raise ValueError(f"`known` must leave a parameter to be fitted, but names all: {', '.join(match.parameters)}.")
    limits = _extent(dictionary, start) if bounds is None else bounds
    if jnp.iscomplexobj(match.m0):
        start |= {"m0_real": match.m0.real, "m0_imaginary": match.m0.imag}
    else:
        start |= {"m0": match.m0}
    if not (isinstance(limits, tuple | list) and len(limits) == 2):
        raise ValueError("`bounds` must be a pair (lower, upper) of numbers or of dictionaries of the parameters.")
    lower, upper = _with_any_m0(limits[0], start, -jnp.inf), _with_any_m0(limits[1], start, jnp.inf)
    options = {"max_iterations": max_iterations, "batch_size": batch_size}
    return least_squares(ScaledModel(model, known), signals, start, (lower, upper), noise_std, **options)


class ScaledModel(Module):
    """Signals of parameters and of a scale of them, "m0", or "m0_real" and "m0_imaginary"; some parameters are known."""

    model: Model
    known: dict[str, Array]

    def __call__(self, parameters: Mapping[str, Array]) -> Inexact[Array, "*voxels n"]:
        scale = parameters["m0"] if "m0" in parameters else parameters["m0_real"] + 1j * parameters["m0_imaginary"]
        others = {name: value for name, value in parameters.items() if not name.startswith("m0")}
        spread = {name: jnp.broadcast_to(value, scale.shape) for name, value in self.known.items()}
        return scale[..., None] * self.model(others | spread)

    def at(self, voxels: Any) -> "ScaledModel":
        """Of some voxels."""
        return ScaledModel(
            self.model, {name: value[voxels] if value.ndim else value for name, value in self.known.items()}
        )


def _extent(dictionary: Dictionary, fitted: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    each = {name: dictionary.parameters[name] for name in fitted}
    return {name: jnp.min(value) for name, value in each.items()}, {
        name: jnp.max(value) for name, value in each.items()
    }


def _with_any_m0(limit: PyTree, start: Mapping[str, Array], default: float) -> dict[str, Any]:
    """A limit of each parameter, of which the scale has none."""
    own = limit if isinstance(limit, Mapping) else {name: limit for name in start if not name.startswith("m0")}
    return {name: default for name in start if name.startswith("m0")} | dict(own)
