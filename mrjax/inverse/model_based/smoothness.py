"""What is known of maps before they are measured: neighbours are alike."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.inverse.model_based.penalty import Penalty
from mrjax.inverse.model_based.sparsity import differences, from_differences


class Tikhonov(Penalty):
    r"""Small differences of neighbours, in each map for itself: Tikhonov regularisation of the slope.

    $$R(u) = \frac{\lambda}{2} \sum_r \sum_d \sum_p |u_p(r + e_d) - u_p(r)|^2$$

    There are no differences across the edge of the grid. See `mrjax.inverse.regularised_fit`, whose data are in units of the
    noise. Unlike `TotalVariation` it blurs edges, and for linear models the solution is linear in the data.

    **Arguments:**

    - `strength`: $\lambda$; neighbours are taken to differ by about $1 / \sqrt{\lambda}$, in a relaxation time by that part
        of itself.

    **Raises:** `ValueError` where it is not positive.

    !!! example

        ```python
        >>> from mrjax.inverse import Tikhonov
        >>> Tikhonov(100.0).strength
        100.0

        ```
    """

    strength: float = eqx.field(static=True)

    def __init__(self, strength: float):
        if not strength > 0:
            raise ValueError(f"`strength` must be positive, but got {strength}.")
        self.strength = float(strength)

    def curvature(
        self, unknowns: Float[Array, "*voxels p"]
    ) -> tuple[Callable[[Array], Array], Float[Array, "*voxels"]]:
        added = lambda change: from_differences(tuple(self.strength * one for one in differences(change)))
        return added, jnp.full(unknowns.shape[:-1], 2 * (unknowns.ndim - 1) * self.strength, unknowns.dtype)
