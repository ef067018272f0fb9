"""What is known of coefficients before they are measured: in a neighbourhood, few combinations of them occur."""

import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax._module import Module


class LocallyLowRank(Module):
    r"""Few combinations of coefficients in each neighbourhood: the nuclear norm of blocks, rounded near zero.

    $$R(u) = \frac{\lambda}{|O|} \sum_{o \in O} \sum_{B} \mathrm{tr} \, (U_B U_B^H + n \epsilon^2 I)^{1/2}$$

    over blocks $B$ of $n$ voxels, of which $U_B$ has the coefficients `(rank, n)`, in tilings $O$ that are shifted by half a
    block against each other along each axis. It is met by weighted squares: at $u_0$ it is held in
    $\tfrac{\lambda}{2} \mathrm{tr} \, U^H (U_0 U_0^H + n \epsilon^2 I)^{-1/2} U$, which touches $R$ there.

    See `mrjax.inverse.subspace_coefficients`, whose data are in units of the noise and whose coefficients are of order one.

    **Arguments:**

    - `strength`: $\lambda$; about $\sqrt{n}$ times the signal-to-noise ratio takes out what noise alone makes.
    - `rounding`: $\epsilon$, the size of a combination in a voxel that counts as none.
    - `block_size`: Voxels of a block along each axis.

    **Raises:** `ValueError` where one is not positive.

    **Source:** T. Zhang, J. M. Pauly, I. R. Levesque, Magn Reson Med 73 (2015) 655-661 (locally low rank).

    !!! example

        ```python
        >>> from mrjax.inverse import LocallyLowRank
        >>> LocallyLowRank(5.0).block_size
        8

        ```
    """

    strength: float = eqx.field(static=True)
    rounding: float = eqx.field(static=True)
    block_size: int = eqx.field(static=True)

    def __init__(self, strength: float, rounding: float = 0.01, block_size: int = 8):
        self.strength, self.rounding = float(strength), float(rounding)
        self.block_size = _checks.positive_integer(block_size, "block_size")
        for name in ("strength", "rounding"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, but got {getattr(self, name)}.")

    def curvature(
        self, unknowns: Float[Array, "*voxels p"]
    ) -> tuple[Callable[[Array], Array], Float[Array, "*voxels"]]:
        """What the penalty's weighted squares add to the matrix of a search at `unknowns`, the real parts of the coefficients
        before the imaginary ones, and nearly its diagonal."""
        voxels = unknowns.shape[:-1]
        tilings = [_Tiling(self.block_size, offsets) for offsets in self._offsets(len(voxels))]
        at = as_complex(unknowns)
        weights = [self._weight(tiling.blocks(at)) / len(tilings) for tiling in tilings]

        def added(change: Array) -> Array:
            coefficients = as_complex(change)
            terms = [
                tiling.image(jnp.einsum("...ij,...nj->...ni", weight, tiling.blocks(coefficients)), voxels)
                for tiling, weight in zip(tilings, weights, strict=True)
            ]
            return as_real(sum(terms[1:], terms[0]))

        traces = [jnp.trace(weight, axis1=-2, axis2=-1).real / weight.shape[-1] for weight in weights]
        sizes = [
            jnp.broadcast_to(one[..., None, None], (*one.shape, self.block_size ** len(voxels), 1)) for one in traces
        ]
        diagonal = [tiling.image(one, voxels)[..., 0] for tiling, one in zip(tilings, sizes, strict=True)]
        return added, sum(diagonal[1:], diagonal[0])

    def _weight(self, blocks: Complex[Array, "*blocks n r"]) -> Complex[Array, "*blocks r r"]:
        gram = jnp.einsum("...ni,...nj->...ij", blocks, blocks.conj())
        one = jnp.expand_dims(jnp.eye(blocks.shape[-1], dtype=blocks.dtype), range(blocks.ndim - 2))
        return self.strength * inverse_root(gram + blocks.shape[-2] * self.rounding**2 * one)

    def _offsets(self, n_axes: int) -> list[tuple[int, ...]]:
        return sorted({(0,) * n_axes, (self.block_size // 2,) * n_axes})


class _Tiling(Module):
    """Blocks that begin so many voxels before the image; beyond its edges there are zeros."""

    block_size: int = eqx.field(static=True)
    offsets: tuple[int, ...] = eqx.field(static=True)

    def blocks(self, image: Array) -> Array:
        """`(*voxels, r)` as `(*blocks, n, r)`."""
        counts = self._counts(image.shape[:-1])
        rest = [n * self.block_size - m - o for n, m, o in zip(counts, image.shape, self.offsets, strict=False)]
        padded = jnp.pad(image, [*zip(self.offsets, rest, strict=True), (0, 0)])
        parted = padded.reshape(*itertools.chain(*((n, self.block_size) for n in counts)), image.shape[-1])
        rank = len(counts)
        order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank)
        return parted.transpose(order).reshape(*counts, -1, image.shape[-1])

    def image(self, blocks: Array, voxels: tuple[int, ...]) -> Array:
        """The inverse of `blocks`."""
        counts, rank = self._counts(voxels), len(voxels)
        parted = blocks.reshape(*counts, *(self.block_size,) * rank, blocks.shape[-1])
        order = (*itertools.chain(*((axis, rank + axis) for axis in range(rank))), 2 * rank)
        whole = parted.transpose(order).reshape(*(n * self.block_size for n in counts), blocks.shape[-1])
        return whole[tuple(slice(o, o + m) for o, m in zip(self.offsets, voxels, strict=True))]

    def _counts(self, voxels: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(-(-(m + o) // self.block_size) for m, o in zip(voxels, self.offsets, strict=True))


def as_complex(unknowns: Float[Array, "*voxels p"]) -> Complex[Array, "*voxels r"]:
    """Coefficients of real parts, then imaginary parts."""
    rank = unknowns.shape[-1] // 2
    return jax.lax.complex(unknowns[..., :rank], unknowns[..., rank:])


def as_real(coefficients: Complex[Array, "*voxels r"]) -> Float[Array, "*voxels p"]:
    """The inverse of `as_complex`."""
    return jnp.concatenate([coefficients.real, coefficients.imag], axis=-1)


@jax.custom_jvp
def inverse_root(matrix: Complex[Array, "*any r r"]) -> Complex[Array, "*any r r"]:
    """Of a positive matrix that is its own adjoint, its power of -1/2."""
    return _of_eigenvalues(*jnp.linalg.eigh(matrix))


def _of_eigenvalues(values: Array, vectors: Array) -> Array:
    return jnp.einsum("...ik,...k,...jk->...ij", vectors, 1 / jnp.sqrt(values), vectors.conj())


@inverse_root.defjvp
def _change_of_inverse_root(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """By differences of the function over differences of eigenvalues, in a form that has a value where these coincide."""
    values, vectors = jnp.linalg.eigh(primals[0])
    root = jnp.sqrt(values)
    one, other = root[..., :, None], root[..., None, :]
    ratios = -1 / (one * other * (one + other))
    turned = jnp.einsum("...ki,...kl,...lj->...ij", vectors.conj(), tangents[0], vectors)
    change = jnp.einsum("...ik,...kl,...jl->...ij", vectors, ratios * turned, vectors.conj())
    return _of_eigenvalues(values, vectors), change
