"""The least variance that any unbiased estimate can have."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from mrjax import _checks
from mrjax.inverse import _parameters
from mrjax.inverse._objective import Objective, objective
from mrjax.inverse._uncertainty import covariance, deviations
from mrjax.inverse.fisher import information_matrix
from mrjax.inverse.jacobian import Model


class CramerRaoBound(eqx.Module):
    """What `crlb` returns."""

    standard_deviation: PyTree
    """Of each free parameter, `(*voxels)`; infinite where the signal does not tell it."""
    covariance: Float[Array, "*voxels p p"]
    """Of the free parameters, in the order of `jax.tree.leaves(standard_deviation)`, which is that of the sorted names."""


def crlb(
    model: Model,
    params: PyTree,
    noise_std: Any,
    *,
    free: Sequence[str] | None = None,
    likelihood: str = "gaussian",
    n_coils: int = 1,
) -> CramerRaoBound:
    r"""The Cramér-Rao lower bound on the covariance of parameters, the inverse of their Fisher information.

    $$\mathrm{cov}(\hat p) \succeq I^{-1}, \qquad
    I_{ij} = \sum_n \frac{w_n}{\sigma_n^2} \, \mathrm{Re} \frac{\partial s_n^*}{\partial p_i} \frac{\partial s_n}{\partial p_j}$$

    with $w = 1$ for Gaussian noise, and less for magnitudes where the signal is near the noise. Estimates of
    `least_squares` reach it where the model is about linear over the spread of the noise.

    **Arguments:**

    - `model`: Takes a PyTree like `params` and returns signals of shape `(*voxels, n)`, real or complex.
    - `params`: A PyTree (a dict, say) of numbers or arrays that broadcast to `(*voxels)`.
    - `noise_std`: Standard deviation of the noise, for complex signals in each of real and imaginary part, and for
      magnitudes that of each part before the magnitude was taken; broadcasts to `(*voxels, n)`.
    - `free`: Names of the parameters that are estimated together; the others are known. All by default.
    - `likelihood`, `n_coils`: As those of `least_squares`.

    **Returns:** A `CramerRaoBound`. Differentiable in everything, so that a sequence can be chosen by it; the Jacobian is
    computed in forward mode, about one signal for each free parameter.

    **Raises:** `ValueError` where `free` names no parameter or `params` has no names, `noise_std` is not positive or does not
    broadcast, or a likelihood of magnitudes meets complex signals.

    **Source:** S. M. Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, Prentice Hall (1993), chapter 3.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.03, 0.06, 0.1])
        >>> truth = {"t2": 0.05, "m0": 1.0}
        >>> bound = mr.inverse.crlb(model, truth, noise_std=0.01)
        >>> round(float(bound.standard_deviation["t2"]), 5)
        0.00132
        >>> alone = mr.inverse.crlb(model, truth, noise_std=0.01, free=["t2"])
        >>> round(float(alone.standard_deviation["t2"]), 5)
        0.00086

        ```
    """
    kind = objective(likelihood, "squared", n_coils, noise_is_known=True)
    chosen, rest = _split(together(params), free)
    return _bound(model, chosen, rest, known_noise(noise_std), kind)


@eqx.filter_jit
def _bound(model: Model, chosen: PyTree, rest: dict[str, Array], noise: Array, kind: Objective) -> CramerRaoBound:
    information = information_matrix(lambda chosen: model(rest | chosen if rest else chosen), chosen, noise, kind)
    found, _ = covariance(information, jnp.ones(information.shape[:-1], bool))
    each = list(jnp.moveaxis(deviations(found), -1, 0))
    return CramerRaoBound(jax.tree.unflatten(jax.tree.structure(chosen), each), found)


def together(params: PyTree) -> PyTree:
    """Numbers and arrays of parameters as arrays of one shape."""
    name = lambda path: f"params{jax.tree_util.keystr(path)}"
    arrays = jax.tree_util.tree_map_with_path(lambda path, leaf: _checks.real_array(leaf, name(path)), params)
    shape = _checks.broadcast_shape({name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)})
    return _parameters.checked(jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, shape), arrays))


def known_noise(noise_std: Any) -> Array:
    """The noise, checked."""
    return _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of the signal")


def _split(params: PyTree, free: Sequence[str] | None) -> tuple[PyTree, dict[str, Array]]:
    """Parameters that are estimated, and those that are known."""
    if free is None:
        return params, {}
    if isinstance(free, str) or not isinstance(params, dict) or not free or not set(free) <= set(params):
        names = sorted(params) if isinstance(params, dict) else "none, as it is no dictionary"
        raise ValueError(f"`free` must be a list of names of `params` ({names}), but got {free!r}.")
    return {name: params[name] for name in free}, {name: value for name, value in params.items() if name not in free}
