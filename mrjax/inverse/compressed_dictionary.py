"""A dictionary in the subspace that its signals nearly fill."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax.inverse.dictionary import SIGNALS_AT_ONCE, Dictionary, Match


class CompressedDictionary(eqx.Module):
    """What `compress` returns."""

    basis: Inexact[Array, "n rank"]
    """Orthonormal: the `basis` of `mrjax.encoding.sense` and of `mrjax.encoding.Subspace`."""
    singular_values: Float[Array, " n_values"]
    """Of all signals scaled to length one, the largest first; those beyond the rank are what is left out."""
    atoms: Dictionary
    """The coefficients of the signals, `(n_atoms, rank)`."""

    @property
    def rank(self) -> int:
        """How many coefficients stand for a signal."""
        return self.basis.shape[1]

    @property
    def error(self) -> Float[Array, ""]:
        """The root mean square, over all signals, of what is left out relative to the signal."""
        return jnp.sqrt(jnp.sum(self.singular_values[self.rank :] ** 2) / self.atoms.n_atoms)

    def coefficients(self, signals: Any) -> Inexact[Array, "*voxels rank"]:
        """Of measured signals, `(*voxels, n)`: their products with the basis."""
        array = _checks.number_array(signals, "signals")
        if array.ndim == 0 or array.shape[-1] != self.basis.shape[0]:
            raise ValueError(
                f"`signals` must have {self.basis.shape[0]} samples on the last axis, but got {array.shape}."
            )
        return jnp.tensordot(array, self.basis.conj(), 1, precision="highest")

    def match(
        self, coefficients: Any, known: Mapping[str, Any] | None = None, *, batch_size: int = SIGNALS_AT_ONCE
    ) -> Match:
        """As `Dictionary.match`, of coefficients `(*voxels, rank)`."""
        return self.atoms.match(coefficients, known, batch_size=batch_size)


def compress(dictionary: Dictionary, rank: int) -> CompressedDictionary:
    r"""The dictionary in the space of its first right singular vectors.

    With the signals scaled to length one, $\tilde d_i = d_i / \|d_i\|$,

    $$\tilde D = W S V^H, \qquad b_{t l} = V^*_{t l}, \qquad
      a_{i l} = \sum_t b^*_{t l} \, d_{i t}, \qquad
      \sum_i \| \tilde d_i - B B^H \tilde d_i \|^2 = \sum_{l > \mathrm{rank}} S_l^2$$

    Inner products of signals are those of their coefficients, so that matching does not change but for what is left out.

    **Arguments:**

    - `dictionary`: Signals that are real or complex; those of zero length count for nothing.
    - `rank`: Coefficients, from 1 to the number of samples, or of atoms if these are fewer.

    **Returns:** A `CompressedDictionary`.

    **Raises:** `ValueError` for a rank out of range, or signals that are not finite.

    **Source:** D. F. McGivney et al., IEEE Trans Med Imaging 33 (2014) 2311-2322.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> te = jnp.linspace(0.01, 0.2, 20)
        >>> decay = lambda p: jnp.exp(-te / p["t2"][:, None])
        >>> dictionary = mr.inverse.Dictionary.build(decay, {"t2": jnp.geomspace(0.02, 0.3, 50)})
        >>> compressed = mr.inverse.compress(dictionary, rank=4)
        >>> compressed.basis.shape, bool(compressed.error < 1e-2)
        ((20, 4), True)

        ```
    """
    signals = _checks.finite(dictionary.signals, "dictionary.signals")
    most = min(signals.shape)
    if _checks.positive_integer(rank, "rank") > most:
        raise ValueError(f"`rank` must be at most {most} for signals of shape {signals.shape}, but got {rank}.")
    length = jnp.linalg.norm(signals, axis=-1, keepdims=True)
    _, values, rows = jnp.linalg.svd(signals / jnp.where(length > 0, length, 1), full_matrices=False)
    basis = rows[:rank].T
    atoms = jnp.matmul(signals, basis.conj(), precision="highest")
    return CompressedDictionary(basis, values, Dictionary(dictionary.parameters, atoms))
