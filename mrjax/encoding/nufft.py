"""The Fourier transform from a grid of voxels to k-space off the grid (NUFFT)."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax import _checks
from mrjax.encoding import grids
from mrjax.encoding.operator import LinearOperator, as_complex
from mrjax.encoding.toeplitz import Toeplitz
from mrjax.encoding.transforms import TO_MODES, TO_POINTS, installed
from mrjax.jax_rules import linear_pair

_to_points, _to_modes = linear_pair(TO_POINTS, TO_MODES)


class Nufft(LinearOperator):
    r"""The signal equation on a grid of voxels, at any k.

    $$y_s = \sum_j x_j \, e^{-2 \pi i \, k_s \cdot r_j}, \qquad r_j = c + \Delta \, (j - \lfloor n / 2 \rfloor)$$

    **Arguments:**

    - `trajectory`: $k$ in cycles/m. Shape `(n_samples, n_axes)`, one to three axes. Finite. In k the sum repeats every
        $1 / \Delta$; `sense` refuses what reaches beyond half of it.
    - `shape`: Voxels along each axis.
    - `voxel_size`: $\Delta$ in m, one number or one for each axis.
    - `center`: $c$, the position of voxel n // 2 in m, one number or one for each axis.
    - `tolerance`: Of the error relative to the norm of the result, 1e-14..1e-1.
    - `threads`: Of jax-finufft, one or more; all cores by default. With 1 the adjoint is the same bit for bit every time, and
        small transforms are quicker: several threads add in the order in which they finish.

    **Returns:** when applied to `(*others, *shape)`, shape `(*others, n_samples)`.

    **Error:** some times `tolerance` in float64. In float32 the rounding of k adds about $10^{-7} n$: 1e-5 for 256 voxels an
    axis, and no tolerance improves that.

    **Derivatives:** in the image and the trajectory, of any order, forward and reverse, by the rule
    $\mathrm{d}y / \mathrm{d}k_d = -2 \pi i \, E(r_d \, x)$, whose transforms are computed together. `jax.vmap` over images or
    trajectories, in any nesting, is one call of the library.

    **Raises:** `ImportError` without jax-finufft or nufftax (`pip install 'mrjax[nufft]'`); `ValueError` for a trajectory of
    other axes than the grid, sizes that are not positive, or a tolerance out of range.

    **Source:** Barnett, Magland, af Klinteberg 2019 (FINUFFT, the algorithm); jax-finufft on CPUs, nufftax elsewhere.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Nufft
        >>> k = jnp.array([[0.0, 0.0], [3.3, -1.7], [9.1, 4.0]])
        >>> encoding = Nufft(k, shape=(8, 6), voxel_size=0.03)
        >>> point = jnp.zeros((8, 6)).at[5, 3].set(1.0)  # at x = 0.03 m, y = 0
        >>> bool(jnp.allclose(encoding(point), jnp.exp(-2j * jnp.pi * k[:, 0] * 0.03), atol=1e-5))
        True

        ```
    """

    trajectory: Array
    shape: tuple[int, ...] = eqx.field(static=True)
    voxel_size: tuple[float, ...] = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    threads: int | None = eqx.field(static=True)

    def __init__(
        self,
        trajectory: Any,
        shape: int | tuple[int, ...],
        voxel_size: Any,
        center: Any = 0.0,
        tolerance: float = 1e-6,
        threads: int | None = None,
    ):
        installed()
        self.shape = grids.checked_shape(shape)
        if len(self.shape) > 3:
            raise ValueError(f"`shape` must have one to three axes, but got {self.shape}.")
        if not 1e-14 <= tolerance <= 0.1:
            raise ValueError(f"`tolerance` must be from 1e-14 to 0.1, but got {tolerance}.")
        self.voxel_size = grids.checked_voxel_size(voxel_size, len(self.shape))
        self.center = tuple(np.broadcast_to(np.asarray(center, float), len(self.shape)).tolist())
        self.trajectory = grids.checked_trajectory(trajectory, len(self.shape))
        self.tolerance = float(tolerance)
        self.threads = None if threads is None else _checks.positive_integer(threads, "threads")

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.shape

    def mv(self, vector: Array) -> Array:
        before = vector.shape[: vector.ndim - len(self.shape)]
        points, modes = self._of_one_precision(vector.reshape(1, -1, *self.shape))
        samples = _to_points(points, modes, **self._options(modes.dtype, -1))
        return self._from_center(samples.reshape(*before, -1), -1)

    def adjoint(self, data: Array) -> Array:
        before = data.shape[:-1]
        points, samples = self._of_one_precision(self._from_center(as_complex(data), 1).reshape(1, -1, data.shape[-1]))
        modes = _to_modes(points, samples, **self._options(samples.dtype, 1))
        return modes.reshape(*before, *self.shape)

    def normal_operator(self, weights: Array | None = None) -> LinearOperator:
        """$E^H W E$ by two FFTs of twice the grid: its kernel depends on differences of positions alone."""
        n_samples = self.trajectory.shape[0]
        each = jnp.ones(n_samples, self.trajectory.dtype) if weights is None else _checks.real_array(weights, "weights")
        if each.shape != (n_samples,):
            raise ValueError(f"`weights` must have shape ({n_samples},), one for each sample, but got {each.shape}.")
        shape = tuple(2 * n for n in self.shape)
        twice = Nufft(self.trajectory, shape, self.voxel_size, tolerance=self.tolerance, threads=self.threads)
        return Toeplitz(twice.adjoint(each))

    def _of_one_precision(self, values: Array) -> tuple[Array, Array]:
        """Points in rad, of one period, and values, in the precision of the finer of the two."""
        # less whole periods, which no voxel sees: fewer digits are lost where they become angles
        cycles = self.trajectory * jnp.asarray([self.voxel_size], self.trajectory.dtype)
        points = 2 * math.pi * (cycles - jnp.round(cycles)).T[None]
        dtype = jnp.result_type(points.dtype, as_complex(values).dtype)
        return points.astype(jnp.finfo(dtype).dtype), values.astype(dtype)

    def _options(self, dtype: Any, sign: int) -> dict[str, Any]:
        finest = 10 * float(jnp.finfo(dtype).eps)
        tolerance = max(self.tolerance, finest)
        return {"shape": self.shape, "sign": sign, "tolerance": tolerance, "threads": self.threads}

    def _from_center(self, samples: Array, sign: int) -> Array:
        if not any(self.center):
            return samples
        turns = (self.trajectory * jnp.asarray([self.center], self.trajectory.dtype)).sum(1)
        phases = jnp.exp(sign * 2j * math.pi * turns)
        return samples * phases.reshape((1,) * (samples.ndim - 1) + phases.shape)
