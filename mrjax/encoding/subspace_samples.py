"""What a scan measures of coefficients in a subspace, each time with samples of its own."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.encoding.contraction import Contraction
from mrjax.encoding.nufft import Nufft
from mrjax.encoding.operator import LinearOperator, Mask, as_complex
from mrjax.encoding.subspace import Subspace


class MaskedSubspace(LinearOperator):
    r"""Samples on the grid at many times, from the k-space of the coefficients.

    $$y_{t c q} = m_{t q} \sum_l b_{t l} \, z_{l c q}$$

    **Arguments:**

    - `basis`: $b$. Shape `(n_times, rank)`.
    - `mask`: $m$. Shape `(n_times, *voxels)`, or ones for axes of voxels.
    - `shape`: Of the k-space of a coefficient, `(n_coils, *voxels)`.

    The normal operator is a small matrix at each point of k-space, whatever the number of times.
    """

    subspace: Subspace
    mask: Mask

    def __init__(self, basis: Any, mask: Any, shape: tuple[int, ...]):
        self.subspace = Subspace(basis, shape)
        self.mask = Mask(mask[:, None])

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.subspace.in_shape

    def mv(self, vector: Array) -> Array:
        return self.mask.mv(self.subspace.mv(vector))

    def adjoint(self, data: Array) -> Array:
        return self.subspace.adjoint(self.mask.adjoint(data))

    def normal_operator(self, weights: Array | None = None) -> LinearOperator:
        basis, mask = self.subspace.basis, self.mask.weights
        counted = mask.astype(basis.real.dtype) ** 2
        if weights is not None:
            if weights.ndim == counted.ndim and weights.shape[1] != 1:  # coils of other weights share no matrix
                return super().normal_operator(weights)
            counted = counted * with_rank(weights, counted.ndim)
        products = basis.conj()[:, :, None] * basis[:, None, :]
        return PointwiseMatrix(jnp.tensordot(products, counted[:, 0], (0, 0), precision="highest"))


class SubspaceNufft(LinearOperator):
    r"""Samples off the grid, each with its row of the basis, from images of the coefficients.

    $$y_{c s} = \sum_l b_{s l} \sum_j z_{l c j} \, e^{-2 \pi i k_s \cdot r_j}$$

    **Arguments:**

    - `nufft`: Of all samples.
    - `basis`: $b$. Shape `(n_samples, rank)`.
    - `n_coils`: Images of each coefficient.

    The normal operator is a convolution with a matrix of kernels, by FFTs on twice the grid.
    """

    nufft: Nufft
    contraction: Contraction
    n_coils: int = eqx.field(static=True)

    def __init__(self, nufft: Nufft, basis: Array, n_coils: int):
        self.nufft, self.n_coils = nufft, n_coils
        self.contraction = Contraction(basis.T, n_between=1)

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.contraction.weights.shape[0], self.n_coils, *self.nufft.shape)

    def mv(self, vector: Array) -> Array:
        return self.contraction.mv(self.nufft.mv(vector))

    def adjoint(self, data: Array) -> Array:
        return self.nufft.adjoint(self.contraction.adjoint(data))

    def normal_operator(self, weights: Array | None = None) -> LinearOperator:
        if weights is not None and weights.ndim > 1:  # coils of other weights share no kernel
            return super().normal_operator(weights)
        rows = self.contraction.weights
        each = rows.conj()[:, None] * rows[None]
        if weights is not None:
            each = each * with_rank(_checks.real_array(weights, "weights"), 3)
        nufft = self.nufft
        twice = Nufft(nufft.trajectory, tuple(2 * n for n in nufft.shape), nufft.voxel_size, tolerance=nufft.tolerance)
        return MatrixConvolution(twice.adjoint(as_complex(each)))


class PointwiseMatrix(LinearOperator):
    r"""A matrix at each point that is its own adjoint, $y_{l c q} = \sum_m K_{l m q} \, x_{m c q}$.

    **Arguments:**

    - `matrix`: $K$. Shape `(rank, rank, *points)`, or ones for axes of points.
    """

    matrix: Array

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.matrix.shape[1], 1, *self.matrix.shape[2:])

    def takes(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= self.matrix.ndim

    def mv(self, vector: Array) -> Array:
        axis = vector.ndim - self.matrix.ndim
        terms = jnp.moveaxis(vector, axis, 0)
        points = self.matrix.shape[2:]
        each = self.matrix.reshape(*self.matrix.shape[:2], *(1,) * (terms.ndim - 1 - len(points)), *points)
        return jnp.stack([(row * terms).sum(0) for row in each], axis=axis)

    def adjoint(self, data: Array) -> Array:
        return self.mv(data)


class MatrixConvolution(LinearOperator):
    r"""Convolutions with kernels on twice the grid, $y_{l c j} = \sum_{m i} T_{l m, j - i} \, x_{m c i}$.

    **Arguments:**

    - `kernel`: $T$, of which $T_{l m, n}$ is the conjugate of $T_{m l, -n}$, with lag 0 in the middle. Shape
        `(rank, rank, 2 n_1, 2 n_2, ...)`.

    **Source:** Fessler, Lee, Olafsson, Shi, Noll 2005, for one kernel.
    """

    spectrum: PointwiseMatrix

    def __init__(self, kernel: Array):
        axes = tuple(range(2, kernel.ndim))
        full = jnp.fft.fftn(jnp.fft.ifftshift(kernel, axes), axes=axes)
        # lags of -n have no partner, but no two voxels are that far apart
        self.spectrum = PointwiseMatrix((full + full.swapaxes(0, 1).conj()) / 2)

    @property
    def in_shape(self) -> tuple[int, ...]:
        rank, _, *twice = self.spectrum.matrix.shape
        return (rank, 1, *(n // 2 for n in twice))

    def takes(self, shape: tuple[int, ...]) -> bool:
        voxels = self.in_shape[2:]
        return len(shape) >= len(self.in_shape) and shape[len(shape) - len(voxels) :] == voxels

    def mv(self, vector: Array) -> Array:
        twice = self.spectrum.matrix.shape[2:]
        axes = tuple(range(-len(twice), 0))
        mixed = self.spectrum.mv(jnp.fft.fftn(as_complex(vector), s=twice, axes=axes))
        return jnp.fft.ifftn(mixed, axes=axes)[(..., *(slice(n // 2) for n in twice))]

    def adjoint(self, data: Array) -> Array:
        return self.mv(data)
