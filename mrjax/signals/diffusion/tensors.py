"""Symmetric tensors by their distinct elements, along directions."""

import itertools
import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks

TENSOR_ELEMENTS = tuple("d_" + "".join(axes) for axes in itertools.combinations_with_replacement("xyz", 2))
"""The distinct elements of the diffusion tensor: d_xx, d_xy, d_xz, d_yy, d_yz, d_zz."""

KURTOSIS_ELEMENTS = tuple("w_" + "".join(axes) for axes in itertools.combinations_with_replacement("xyz", 4))
"""The distinct elements of the kurtosis tensor: w_xxxx, w_xxxy, w_xxxz, w_xxyy, ... w_zzzz."""

_RANKS = {6: 2, 15: 4}


def along(elements: Float[Array, "*voxels element"], directions: Any) -> Float[Array, "*voxels n"]:
    r"""A symmetric tensor along directions: $\sum_{ij} g_i g_j D_{ij}$ or $\sum_{ijkl} g_i g_j g_k g_l W_{ijkl}$.

    **Arguments:**

    - `elements`: In the order of `TENSOR_ELEMENTS` or `KURTOSIS_ELEMENTS`. Shape `(*voxels, 6)` or `(*voxels, 15)`.
    - `directions`: Shape `(n, 3)`.

    **Returns:** Shape `(*voxels, n)`, in the unit of the elements.

    **Raises:** `ValueError` where there are neither 6 nor 15 elements.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.diffusion import along
        >>> print(along(jnp.array([1.0, 0.5, 0.0, 2.0, 0.0, 3.0]), jnp.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])))
        [3. 4.]

        ```
    """
    if elements.shape[-1] not in _RANKS:
        raise ValueError(f"`elements` must have 6 or 15 entries on the last axis, but got shape {elements.shape}.")
    products = direction_products(_checks.real_array(directions, "directions"), _RANKS[elements.shape[-1]])
    return jnp.matmul(elements, products.T.astype(elements.dtype))


def direction_products(directions: Float[Array, "n 3"], rank: int) -> Float[Array, "n element"]:
    """Products of the components of directions, as often as they occur in a symmetric tensor of a rank.

    **Arguments:**

    - `directions`: Shape `(n, 3)`.
    - `rank`: 2 or 4.

    **Returns:** Shape `(n, 6)` or `(n, 15)`: `along` multiplies them with the elements.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.diffusion import direction_products
        >>> print(direction_products(jnp.array([[1.0, 2.0, 3.0]]), 2))
        [[ 1.  4.  6.  4. 12.  9.]]

        ```
    """
    axes = list(itertools.combinations_with_replacement(range(3), rank))
    times = [math.factorial(rank) // math.prod(math.factorial(chosen.count(i)) for i in range(3)) for chosen in axes]
    chosen = jnp.stack([directions[:, list(indices)].prod(axis=-1) for indices in axes], axis=-1)
    return chosen * jnp.asarray(times, directions.dtype)[None]


def mean_diffusivity(tensor: Float[Array, "*voxels 6"]) -> Float[Array, "*voxels"]:
    r"""$\bar D = (D_{xx} + D_{yy} + D_{zz}) / 3$.

    **Arguments:**

    - `tensor`: Elements in the order of `TENSOR_ELEMENTS`, in m^2/s. Shape `(*voxels, 6)`.

    **Returns:** Shape `(*voxels)`, in m^2/s.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.diffusion import mean_diffusivity
        >>> print(mean_diffusivity(jnp.array([3.0, 0.0, 0.0, 2.0, 0.0, 1.0])))
        2.0

        ```
    """
    return (tensor[..., 0] + tensor[..., 3] + tensor[..., 5]) / 3
