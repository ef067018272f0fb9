"""The centred, unitary Fourier transform between a grid of voxels and a grid of k-space."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.encoding.grids import checked_shape
from mrjax.encoding.operator import LinearOperator, as_complex


class Fourier(LinearOperator):
    r"""The centred discrete Fourier transform from voxels to a Cartesian k-space.

    $$y_q = s \sum_j x_j \, e^{-2 \pi i \sum_d q_d j_d / n_d}, \qquad j_d, q_d = -\lfloor n_d / 2 \rfloor, \dots$$

    Position 0 and k = 0 are at the index n // 2 of each axis. With voxels of size $\Delta$, point $q$ is
    $k_d = q_d / (n_d \Delta_d)$ cycles/m.

    **Arguments:**

    - `shape`: Voxels along each axis.
    - `unitary`: $s = 1 / \sqrt{\prod n_d}$, so that the adjoint is the inverse. If false, $s = 1$: the signal equation, as
        `Nufft` has it, and the adjoint is $\prod n_d$ times the inverse.

    **Error:** that of the FFT, some units in the last place.

    **Raises:** `ValueError` for a shape that is not of positive integers.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier
        >>> image = jnp.zeros((4, 6)).at[2, 3].set(1.0)  # a point at position 0
        >>> k_space = Fourier((4, 6), unitary=False)(image)
        >>> bool(jnp.allclose(k_space, 1.0))
        True

        ```
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    unitary: bool = eqx.field(static=True)

    def __init__(self, shape: int | tuple[int, ...], unitary: bool = True):
        self.shape = checked_shape(shape)
        self.unitary = bool(unitary)

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.shape

    def mv(self, vector: Array) -> Array:
        axes = self._axes()
        moved = jnp.fft.ifftshift(as_complex(vector), axes)
        return jnp.fft.fftshift(jnp.fft.fftn(moved, axes=axes, norm="ortho" if self.unitary else None), axes)

    def adjoint(self, data: Array) -> Array:
        axes = self._axes()
        moved = jnp.fft.ifftshift(as_complex(data), axes)
        return jnp.fft.fftshift(jnp.fft.ifftn(moved, axes=axes, norm="ortho" if self.unitary else "forward"), axes)

    def normal(self, vector: Array) -> Array:
        return as_complex(vector) * (1 if self.unitary else math.prod(self.shape))

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.shape), 0))
