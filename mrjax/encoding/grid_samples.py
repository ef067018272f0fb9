"""Samples that lie on a Cartesian k-space, in the order in which they were acquired."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax.encoding.grids import checked_shape, checked_trajectory, checked_voxel_size, known
from mrjax.encoding.operator import LinearOperator

OFF_GRID = 1e-2
"""Distances from a point of the grid, as a part of its pitch, that are still on it: positions are rounded in float32."""


class GridSamples(LinearOperator):
    r"""Takes acquired samples from a Cartesian k-space, which `Fourier` makes.

    The adjoint puts samples at their places, adds those that share one, and leaves zero where none is.

    **Arguments:**

    - `trajectory`: $k$ in cycles/m, known (not traced), on the points $q / (n \Delta)$ of the grid. Shape
        `(n_samples, n_axes)`.
    - `shape`: Voxels along each axis.
    - `voxel_size`: $\Delta$ in m, one number or one for each axis.

    **Returns:** when applied to `(*others, *shape)`, shape `(*others, n_samples)`.

    **Derivatives:** in the k-space, not in the trajectory: a sample that moves leaves the grid; `Nufft` takes it along.

    **Raises:** `ValueError` where a sample lies off the grid or beyond it, or the trajectory is traced.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import GridSamples
        >>> line = GridSamples(jnp.array([[-5.0], [0.0], [5.0]]), shape=(4,), voxel_size=0.05)
        >>> print(line.adjoint(jnp.array([1.0, 2.0, 3.0])))
        [0. 1. 2. 3.]

        ```
    """

    indices: Array
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, trajectory: Any, shape: int | tuple[int, ...], voxel_size: Any):
        self.shape = checked_shape(shape)
        sizes = np.array(checked_voxel_size(voxel_size, len(self.shape)))
        checked_trajectory(trajectory, len(self.shape))
        points = known(trajectory)
        if points is None:
            raise ValueError(
                "`trajectory` must be known, not traced, to place samples on a grid; `Nufft` takes a traced one."
            )
        n = np.array(self.shape)
        places = points * sizes * n + n // 2
        indices = np.rint(places).astype(np.int32)
        off = np.abs(places - indices).max(initial=0)
        if off > OFF_GRID:
            raise ValueError(
                f"`trajectory` must lie on the grid of k-space, of pitch {tuple(1 / (n * sizes))} cycles/m, but a sample is "
                f"{off:.3g} of it away; use `Nufft`, or the `shape` and `voxel_size` for which it was made."
            )
        if (indices < 0).any() or (indices >= n).any():
            raise ValueError(
                f"`trajectory` must stay within the k-space of {self.shape} voxels, but {_outside(indices, n)} samples do "
                "not; pass more and smaller voxels."
            )
        self.indices = jnp.asarray(np.ravel_multi_index(tuple(indices.T), self.shape).astype(np.int32))

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.shape

    def mv(self, vector: Array) -> Array:
        return self._flat(vector)[..., self.indices]

    def adjoint(self, data: Array) -> Array:
        before = data.shape[:-1]
        grid = jnp.zeros((*before, int(np.prod(self.shape))), data.dtype)
        return grid.at[..., self.indices].add(data).reshape(*before, *self.shape)

    def _flat(self, vector: Array) -> Array:
        return vector.reshape(*vector.shape[: vector.ndim - len(self.shape)], -1)


def _outside(indices: np.ndarray, n: np.ndarray) -> int:
    return int(((indices < 0) | (indices >= n)).any(1).sum())
