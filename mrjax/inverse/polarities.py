"""Signs that magnitudes have lost."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks


def recovery_polarities(inversion_time: Any) -> Float[Array, "n_alternatives n"]:
    """The signs that a recovery from inversion can have: the samples before its null are negative, the later ones positive.

    **Arguments:**

    - `inversion_time`: Times after the inversion in s, `(n,)`, in any order.

    **Returns:** rows of +1 and -1, `(n + 1, n)`, for `least_squares(polarities=...)`: in row k the k shortest times are
    negative.

    **Raises:** `ValueError` where `inversion_time` has not one axis.

    !!! example

        ```python
        >>> from mrjax.inverse import recovery_polarities
        >>> print(recovery_polarities([0.05, 1.2, 0.4]))
        [[ 1.  1.  1.]
         [-1.  1.  1.]
         [-1.  1. -1.]
         [-1. -1. -1.]]

        ```
    """
    time = _checks.real_array(inversion_time, "inversion_time")
    if time.ndim != 1:
        raise ValueError(f"`inversion_time` must have one axis, that of the samples, but got shape {time.shape}.")
    rank = jnp.argsort(jnp.argsort(time, stable=True))
    return jnp.where(rank[None] < jnp.arange(time.size + 1)[:, None], -1.0, 1.0).astype(time.dtype)
