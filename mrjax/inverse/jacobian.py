"""Derivatives of a model in few parameters per voxel."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, PyTree

from mrjax.inverse import _parameters

Model = Callable[[Any], Inexact[Array, "*voxels n"]]
"""What the inverse problems work on: parameters of shape `(*voxels)` in, signals of shape `(*voxels, n)` out."""


def per_voxel_jacobian(model: Model, params: PyTree) -> PyTree:
    r"""The derivative of every signal in the parameters of its own voxel, $\partial s_n(r) / \partial p(r)$.

    Forward mode with one tangent of ones per parameter: all voxels at once, at the cost of about one signal per parameter,
    and without storing states. Exact, because the signal of a voxel depends on no other voxel.

    **Arguments:**

    - `model`: Takes a PyTree like `params` and returns signals of shape `(*voxels, n)`, real or complex. A voxel's signal
      must depend on that voxel's parameters alone.
    - `params`: A PyTree (a dict, say) of floating-point arrays of shape `(*voxels)`.

    **Returns:**

    A PyTree like `params`; each leaf is the derivative in that parameter, of shape `(*voxels, n)`.

    **Raises:** `ValueError` where parameters are integers or complex, or shapes do not fit the signal.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.inverse import per_voxel_jacobian
        >>> decay = lambda p: p["m0"][..., None] * jnp.exp(-jnp.array([0.01, 0.02]) / p["t2"][..., None])
        >>> jacobian = per_voxel_jacobian(decay, {"m0": jnp.ones(3), "t2": jnp.full(3, 0.1)})
        >>> jacobian["t2"].shape
        (3, 2)

        ```
    """
    return signal_and_jacobian(model, params)[1]


def signal_and_jacobian(model: Model, params: PyTree) -> tuple[Inexact[Array, "*voxels n"], PyTree]:
    """The signal and, as `per_voxel_jacobian`, its derivatives, for little more than the derivatives alone.

    **Arguments:** as `per_voxel_jacobian`.

    **Returns:** the signals, `(*voxels, n)`, and a PyTree like `params` of their derivatives.

    **Raises:** as `per_voxel_jacobian`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> echoes = mr.protocols.cpmg(jnp.full(4, 2.8), echo_spacing=10e-3)
        >>> model = lambda p: mr.simulate(echoes, mr.Tissue(1.0, p["t2"]))
        >>> signal, jacobian = mr.inverse.signal_and_jacobian(model, {"t2": jnp.array([0.05, 0.1])})
        >>> signal.shape, jacobian["t2"].shape
        ((2, 4), (2, 4))

        ```
    """
    params = _parameters.checked(params)
    signal, columns = signal_and_columns(model, params)
    _parameters.check_signal(signal, params)
    # indexed, not iterated, which would gather columns that are spread over devices
    return signal, jax.tree.unflatten(jax.tree.structure(params), [columns[i] for i in range(len(columns))])


def signal_and_columns(
    model: Model, params: PyTree
) -> tuple[Inexact[Array, "*voxels n"], Inexact[Array, "p *voxels n"]]:
    """The signals and their derivatives, one entry for each leaf of the parameters."""
    leaves, structure = jax.tree.flatten(params)

    def along(direction: Array) -> tuple[Array, Array]:
        tangents = [jnp.full_like(leaf, direction[i]) for i, leaf in enumerate(leaves)]
        return jax.jvp(model, (params,), (jax.tree.unflatten(structure, tangents),))

    basis = jnp.eye(len(leaves), dtype=jnp.result_type(*leaves))
    return jax.vmap(along, out_axes=(None, 0))(basis)
