"""From the k-space of a fingerprinting scan to maps, through the subspace of its dictionary."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax._module import Module
from mrjax.encoding import LinearOperator
from mrjax.inverse.compressed_dictionary import CompressedDictionary
from mrjax.inverse.dictionary import Match
from mrjax.inverse.fit import Fit
from mrjax.inverse.jacobian import Model
from mrjax.inverse.model_based import LocallyLowRank, Sparsity, subspace_coefficients
from mrjax.inverse.refined_match import refined_match


class FingerprintMaps(eqx.Module):
    """What `fingerprint_maps` returns."""

    coefficients: Complex[Array, "rank *voxels"]
    """Of the basis of the dictionary."""
    match: Match
    """The best atom of every voxel."""
    fit: Fit | None
    """What least squares made of it, if a model was given."""

    @property
    def parameters(self) -> dict[str, Float[Array, "*voxels"]]:
        """By name, refined if a model was given."""
        if self.fit is None:
            return self.match.parameters
        refined = {name: value for name, value in self.fit.parameters.items() if name in self.match.parameters}
        return self.match.parameters | refined

    @property
    def m0(self) -> Inexact[Array, "*voxels"]:
        """The scale of the signals."""
        if self.fit is None:
            return self.match.m0
        return self.fit.parameters["m0_real"] + 1j * self.fit.parameters["m0_imaginary"]


def fingerprint_maps(
    dictionary: CompressedDictionary,
    k_space: Any,
    encoding: LinearOperator,
    *,
    known: Mapping[str, Any] | None = None,
    model: Model | None = None,
    regularisation: Sparsity | LocallyLowRank | None = None,
    noise_std: Any | None = None,
    n_iterations: int = 30,
    n_steps: int = 5,
    batch_size: int | None = None,
) -> FingerprintMaps:
    r"""Maps of T1, T2 and what else a dictionary knows, from the undersampled k-space of a fingerprinting scan.

    First the coefficients of the dictionary's basis in every voxel, then the atom that correlates best with them, then, if a
    model is given, least squares from there: `subspace_coefficients`, `Dictionary.match` and `refined_match`, of which these are
    the options. No image of a single time is made, so that each time may be sampled far below what an image needs.

    **Arguments:**

    - `dictionary`: See `compress`.
    - `k_space`: What was measured, of the shape that the encoding makes.
    - `encoding`: Of coefficients: `mrjax.encoding.sense(coils, ..., basis=...)` with the `basis` of the dictionary.
    - `known`: Maps `(*voxels)` of parameters of the dictionary that were measured otherwise, such as B1.
    - `model`: What the dictionary was built of, to refine the match with.
    - `regularisation`, `noise_std`, `n_iterations`, `n_steps`: As of `subspace_coefficients`.
    - `batch_size`: Voxels that are fitted at a time.

    **Returns:** A `FingerprintMaps`. Standard deviations of its `fit` are from the residual of the coefficients, as if noise and
    aliasing were the same in all coefficients: a measure of the misfit rather than of the precision.

    **Derivatives:** of the coefficients, see there. The match is piecewise constant; the fit is a minimum.

    **Raises:** `ValueError` where the encoding does not take coefficients of the dictionary, and as the functions above.

    **Source:** J. Assländer et al., Magn Reson Med 79 (2018) 83-96 (low rank and the dictionary, there in one iteration).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> te = jnp.linspace(0.01, 0.2, 20)
        >>> decay = lambda p: jnp.exp(-te / p["t2"][..., None]) + 0j
        >>> dictionary = mr.inverse.Dictionary.build(decay, {"t2": jnp.geomspace(0.02, 0.3, 50)})
        >>> compressed = mr.inverse.compress(dictionary, rank=3)
        >>> masks = jnp.arange(8)[:, None] % 2 == jnp.arange(20)[:, None, None] % 2  # every second line, others each time
        >>> coils = jnp.ones((1, 8, 8), complex)
        >>> images = jnp.moveaxis(decay({"t2": jnp.full((8, 8), 0.07)}), -1, 0)
        >>> k_space = mr.encoding.sense(coils, mask=masks)(images)
        >>> encoding = mr.encoding.sense(coils, mask=masks, basis=compressed.basis)
        >>> found = mr.inverse.fingerprint_maps(compressed, k_space, encoding, model=decay)
        >>> round(float(found.parameters["t2"][2, 5]), 3)
        0.07

        ```
    """
    if encoding.in_shape[0] != dictionary.rank or len(encoding.in_shape) < 2:
        raise ValueError(
            f"`encoding` must take ({dictionary.rank}, *voxels), the coefficients of the dictionary, but takes "
            f"{encoding.in_shape}; `mrjax.encoding.sense` makes one with `basis`."
        )
    options = {
        "regularisation": regularisation,
        "noise_std": noise_std,
        "n_iterations": n_iterations,
        "n_steps": n_steps,
    }
    coefficients = subspace_coefficients(encoding, k_space, **options)
    signals = jnp.moveaxis(coefficients, 0, -1)
    match = dictionary.match(signals, known)
    fit = None
    if model is not None:
        compressed = CompressedModel(model, dictionary.basis)
        fit = refined_match(dictionary.atoms, compressed, signals, known, batch_size=batch_size)
    return FingerprintMaps(coefficients, match, fit)


class CompressedModel(Module):
    """The coefficients of a model's signals."""

    model: Model
    basis: Inexact[Array, "n rank"]

    def __call__(self, parameters: dict[str, Array]) -> Inexact[Array, "*voxels rank"]:
        return jnp.tensordot(self.model(parameters), self.basis.conj(), 1, precision="highest")

    def at(self, voxels: Any) -> "CompressedModel":
        """Of some voxels."""
        at = getattr(self.model, "at", None)
        return self if at is None else CompressedModel(at(voxels), self.basis)
