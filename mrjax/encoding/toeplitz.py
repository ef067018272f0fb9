"""The normal operator of samples off the grid, by FFTs."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from mrjax.encoding.operator import LinearOperator, as_complex


class Toeplitz(LinearOperator):
    r"""Convolution with a kernel on twice the grid, $(T x)_j = \sum_l t_{j - l} \, x_l$.

    For $t_n = \sum_s w_s e^{2 \pi i k_s \cdot n \Delta}$ this is $E^H W E$ of `Nufft`.

    **Arguments:**

    - `kernel`: $t$, its own conjugate under $n \to -n$, with lag 0 in the middle. Shape `(2 n_1, 2 n_2, ...)`.

    **Source:** Fessler, Lee, Olafsson, Shi, Noll 2005.
    """

    spectrum: Array

    def __init__(self, kernel: Any):
        axes = tuple(range(kernel.ndim))
        # lags of -n have no partner, and an imaginary part, but no two voxels are that far apart
        self.spectrum = jnp.fft.fftn(jnp.fft.ifftshift(kernel, axes), axes=axes).real

    @property
    def in_shape(self) -> tuple[int, ...]:
        return tuple(n // 2 for n in self.spectrum.shape)

    def mv(self, vector: Array) -> Array:
        shape, axes = self.spectrum.shape, tuple(range(-self.spectrum.ndim, 0))
        spectrum = jnp.fft.fftn(as_complex(vector), s=shape, axes=axes)
        spectrum = spectrum * self.spectrum.reshape((1,) * (spectrum.ndim - len(shape)) + shape)
        return jnp.fft.ifftn(spectrum, axes=axes)[(..., *(slice(n // 2) for n in shape))]

    def adjoint(self, data: Array) -> Array:
        return self.mv(data)
