"""What the gradients of diffusion weighting are: b-values and directions, checked."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility

_UNIT_WITHIN = 0.02  # what files round directions by


def gradient_table(bvals: Any, bvecs: Any) -> tuple[Float[Array, " n"], Float[Array, "n 3"]]:
    """b-values in s/m^2 and directions of length one, checked; directions that no b-value goes with are zero.

    **Arguments:**

    - `bvals`: b-values in **s/m^2**, shape `(n_samples,)`. Zero or more, finite.
    - `bvecs`: Shape `(n_samples, 3)`, of length one within 2 %.

    **Returns:** Both as arrays of one precision.

    **Raises:** as `diffusion_tensor`.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import gradient_table
        >>> bvals, directions = gradient_table(np.array([0, 1e9]), np.array([[np.nan] * 3, [0, 0, 1.001]]))
        >>> print(directions)
        [[0. 0. 0.]
         [0. 0. 1.]]

        ```
    """
    bvals, bvecs = checked_b_values(bvals), _checks.real_array(bvecs, "bvecs")
    if bvecs.shape != (bvals.size, 3):
        advice = "; pass its transpose" if bvecs.shape == (3, bvals.size) else ""
        raise ValueError(f"`bvecs` must have shape ({bvals.size}, 3) as `bvals` has, but got {bvecs.shape}{advice}.")
    dtype = jnp.result_type(bvals, bvecs)
    bvals, weighted = bvals.astype(dtype), bvals > 0
    # replaced before the length is taken, whose derivative at zero is not defined
    usable = jnp.where(weighted[:, None], bvecs.astype(dtype), jnp.ones(3, dtype)[None] / math.sqrt(3))
    length = jnp.linalg.norm(usable, axis=-1)
    length = _checks.require(
        length, jnp.abs(length - 1) < _UNIT_WITHIN, "`bvecs` must be unit vectors where `bvals` are not zero"
    )
    return bvals, jnp.where(weighted[:, None], usable / length[:, None], 0.0)


def checked_b_values(bvals: Any) -> Float[Array, " n"]:
    """b-values in s/m^2, checked to be an array of one axis, not negative and finite; implausible ones are warned of.

    **Arguments:**

    - `bvals`: Shape `(n_samples,)`.

    **Raises:** `ValueError` where they are not.

    !!! example

        ```python
        >>> from mrjax.signals.diffusion import checked_b_values
        >>> print(checked_b_values([0.0, 1e9]).shape)
        (2,)

        ```
    """
    array = _checks.real_array(bvals, "bvals")
    if array.ndim != 1 or array.shape[0] == 0:
        raise ValueError(f"`bvals` must have one value for each sample, shape (n_samples,), but got {array.shape}.")
    _plausibility.warn_if_implausible(array, "bvals")
    return _checks.finite(_checks.non_negative(array, "bvals", "s/m^2"), "bvals")
