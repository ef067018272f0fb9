"""Receive coils: an image weighted by each sensitivity, and the sum over coils as the adjoint."""

from typing import Any

from jaxtyping import Array

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.encoding.operator import LinearOperator


class Coils(LinearOperator):
    r"""Weights an image by the sensitivity of each coil.

    $$y_c(r) = s_c(r) \, x(r), \qquad x(r) = \sum_c s_c^*(r) \, y_c(r) \text{ in the adjoint}$$

    **Arguments:**

    - `maps`: $s_c$, real or complex, in any unit. Shape `(n_coils, *voxels)`.

    **Returns:** when applied to `(*others, *voxels)`, shape `(*others, n_coils, *voxels)`.

    **Derivatives:** in the maps and in the image.

    **Raises:** `ValueError` for maps without an axis of coils or with numbers that are not finite.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Coils
        >>> coils = Coils(jnp.array([[1.0, 0.5], [0.5j, 1j]]))
        >>> print(coils(jnp.array([2.0, 2.0])))
        [[2.+0.j 1.+0.j]
         [0.+1.j 0.+2.j]]

        ```
    """

    maps: Array

    def __init__(self, maps: Any):
        self.maps = _checks.finite(_checks.number_array(maps, "maps"), "maps")
        if self.maps.ndim < 2:
            raise ValueError(f"`maps` must have shape (n_coils, *voxels), but got {self.maps.shape}.")

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.maps.shape[1:]

    def mv(self, vector: Array) -> Array:
        each = vector[(..., None, *(slice(None),) * len(self.in_shape))]
        return each * with_rank(self.maps, each.ndim)

    def adjoint(self, data: Array) -> Array:
        return (data * with_rank(self.maps, data.ndim).conj()).sum(-len(self.maps.shape))
