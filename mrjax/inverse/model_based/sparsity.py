"""What is known of maps before they are measured: few edges, or few wavelets, at the same places in all of them."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.inverse.model_based.penalty import Penalty
from mrjax.reconstruction import Wavelets

Details = tuple[Float[Array, "*any p"], ...]


class Sparsity(Penalty):
    r"""A penalty on maps whose details are rarely other than zero, and jointly so.

    $$R(u) = \lambda \sum_j \sqrt{\textstyle\sum_p |(D u_p)_j|^2 + \epsilon^2}$$

    over the details $j$ and the unknowns $p$, which are of order one. It is met by weighted squares: at $u_0$ the root is held in
    $\tfrac{\lambda}{2} \sum_j |(D u)_j|^2 / \sqrt{|(D u_0)_j|^2 + \epsilon^2}$, which touches $R$ there.
    """

    strength: float = eqx.field(static=True)
    rounding: float = eqx.field(static=True)

    def __check_init__(self):
        for name in ("strength", "rounding"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"`{name}` must be positive, but got {value}.")

    @abc.abstractmethod
    def details(self, unknowns: Float[Array, "*voxels p"]) -> Details:
        """$D u$ along each axis, the unknowns last."""

    @abc.abstractmethod
    def from_details(self, details: Details) -> Float[Array, "*voxels p"]:
        """$D^T d$."""

    def curvature(
        self, unknowns: Float[Array, "*voxels p"]
    ) -> tuple[Callable[[Array], Array], Float[Array, "*voxels"]]:
        """What the penalty's weighted squares add to the matrix of a search at `unknowns`, and nearly its diagonal."""
        size = jnp.sqrt(
            sum(jnp.sum(one**2, axis=-1, keepdims=True) for one in self.details(unknowns)) + self.rounding**2
        )
        weight = self.strength / size
        added = lambda change: self.from_details(tuple(weight * one for one in self.details(change)))
        return added, self.diagonal(weight[..., 0])

    @abc.abstractmethod
    def diagonal(self, weight: Float[Array, "*voxels"]) -> Float[Array, "*voxels"]:
        """Of $D^T W D$, nearly."""


class TotalVariation(Sparsity):
    r"""Few edges, at the same places in all maps: the joint total variation, rounded near zero.

    See `mrjax.inverse.maps_from_k_space`, whose data are in units of the noise.

    **Arguments:**

    - `strength`: $\lambda$; about the signal-to-noise ratio of the maps times what an edge of 1, that is a factor of e in a
        relaxation time, may cost. 1 to 30 is usual.
    - `rounding`: $\epsilon$, the differences of neighbours that are no edges.

    **Raises:** `ValueError` where one is not positive.

    !!! example

        ```python
        >>> from mrjax.inverse import TotalVariation
        >>> TotalVariation(3.0).rounding
        0.02

        ```
    """

    def __init__(self, strength: float, rounding: float = 0.02):
        self.strength, self.rounding = float(strength), float(rounding)

    def details(self, unknowns: Float[Array, "*voxels p"]) -> Details:
        return differences(unknowns)

    def from_details(self, details: Details) -> Float[Array, "*voxels p"]:
        return from_differences(details)

    def diagonal(self, weight: Float[Array, "*voxels"]) -> Float[Array, "*voxels"]:
        return 2 * weight.ndim * weight


class SparseDetails(Sparsity):
    r"""Few wavelets, the same in all maps; the coarsest scale is free.

    **Arguments:**

    - `shape`: Of the maps, each side divisible by `2**n_levels`.
    - `strength`, `rounding`: As of `TotalVariation`.
    - `n_levels`, `wavelet`: See `mrjax.reconstruction.Wavelets`.

    **Raises:** `ValueError` where a number is not positive, or a side cannot be halved so often.

    !!! example

        ```python
        >>> from mrjax.inverse import SparseDetails
        >>> SparseDetails((32, 32), 3.0).n_levels
        3

        ```
    """

    transform: Wavelets

    def __init__(
        self,
        shape: tuple[int, ...],
        strength: float,
        rounding: float = 0.02,
        *,
        n_levels: int = 3,
        wavelet: str = "db2",
    ):
        self.strength, self.rounding = float(strength), float(rounding)
        self.transform = Wavelets(shape, n_levels, wavelet)

    @property
    def n_levels(self) -> int:
        """Halvings."""
        return self.transform.n_levels

    def details(self, unknowns: Float[Array, "*voxels p"]) -> Details:
        coefficients = jnp.moveaxis(self.transform.mv(jnp.moveaxis(unknowns, -1, 0)), 0, -1)
        return (jnp.where(self.transform.is_detail()[..., None], coefficients, 0),)

    def from_details(self, details: Details) -> Float[Array, "*voxels p"]:
        kept = jnp.where(self.transform.is_detail()[..., None], details[0], 0)
        return jnp.moveaxis(self.transform.adjoint(jnp.moveaxis(kept, -1, 0)), 0, -1)

    def diagonal(self, weight: Float[Array, "*voxels"]) -> Float[Array, "*voxels"]:
        return jnp.full(weight.shape, jnp.mean(weight))


def differences(unknowns: Float[Array, "*voxels p"]) -> Details:
    """Of neighbours along each axis of the voxels; the last along an axis is zero."""
    axes = range(unknowns.ndim - 1)
    return tuple(jnp.diff(unknowns, axis=axis, append=_last(unknowns, axis)) for axis in axes)


def from_differences(details: Details) -> Float[Array, "*voxels p"]:
    """The transpose of `differences`."""
    parts = []
    for axis, one in enumerate(details):
        # the last difference along an axis is to the voxel itself
        inner = jnp.take(one, jnp.arange(one.shape[axis] - 1), axis=axis)
        rim = [(0, 0)] * one.ndim
        forth, back = [*rim], [*rim]
        forth[axis], back[axis] = (1, 0), (0, 1)
        parts.append(jnp.pad(inner, forth) - jnp.pad(inner, back))
    return sum(parts[1:], parts[0])


def _last(array: Array, axis: int) -> Array:
    return jnp.take(array, jnp.array([array.shape[axis] - 1]), axis=axis)
