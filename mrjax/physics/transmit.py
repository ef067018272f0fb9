"""Transmit channels that play the same pulse at once, each with an amplitude and a phase of its own (static shimming)."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax import _checks


def combined(b1_maps: Any, weights: Any) -> Complex[Array, "*voxels"]:
    r"""The transmit field of several channels that play one pulse with different amplitudes and phases.

    $$B_1^+(r) = \sum_c w_c\, B_{1,c}^+(r)$$

    **Arguments:**

    - `b1_maps`: The field of each channel relative to nominal, complex, `(n_channels, *voxels)`.
    - `weights`: $w_c$, complex, `(n_channels,)`.

    **Returns:** The `b1` of a `Tissue`, complex, `(*voxels)`: its magnitude scales every flip angle, and its phase is
    added to that of every pulse. Differentiable in both.

    **Raises:** `ValueError` where the numbers of channels differ.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> maps = jnp.array([[0.5, 0.5], [0.5, -0.5]])  # two channels, two voxels
        >>> opposed = mr.transmit.combined(maps, jnp.array([1.0, -1.0]))
        >>> print(abs(opposed))
        [0. 1.]
        >>> shimmed = mr.Tissue(t1=1.0, t2=0.1, b1=opposed)

        ```
    """
    maps = _checks.finite(_checks.number_array(b1_maps, "b1_maps"), "b1_maps")
    weights = _checks.finite(_checks.number_array(weights, "weights"), "weights")
    if maps.ndim < 1 or weights.shape != maps.shape[:1]:
        raise ValueError(
            f"`weights` must have one entry for each channel of `b1_maps`, whose first axis is that of the channels, but have "
            f"shapes {weights.shape} and {maps.shape}."
        )
    return jnp.tensordot(weights + 0j, maps + 0j, axes=1)
