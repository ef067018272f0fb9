"""What a fit minimises: the choice of a likelihood or of a robust loss."""

import equinox as eqx
from jaxtyping import Array, Float, Inexact

from mrjax.inverse import likelihoods, robust_losses
from mrjax.inverse.likelihoods import Expansion
from mrjax.inverse.noncentral_chi import MOST_COILS, noncentral_chi

LIKELIHOODS = ("gaussian", "rician", "noncentral_chi")


class Objective(eqx.Module):
    """A choice that is known when a fit is compiled."""

    likelihood: str = eqx.field(static=True)
    loss: str = eqx.field(static=True)
    n_coils: int = eqx.field(static=True)

    @property
    def is_of_magnitudes(self) -> bool:
        """Whether data are magnitudes of which noise has lifted the small ones."""
        return self.likelihood != "gaussian"

    @property
    def first(self) -> "Objective":
        """What leads near the minimum: of several maxima of a likelihood of magnitudes, the one that least squares find."""
        return Objective("gaussian", self.loss, 1)

    def expand(
        self,
        signal: Inexact[Array, "*voxels n"],
        columns: Inexact[Array, "p *voxels n"],
        data: Inexact[Array, "*voxels n"],
        precision: Float[Array, "*voxels n"],
    ) -> Expansion:
        """The cost to second order."""
        if self.loss != "squared":
            return robust_losses.expansion(self.loss, signal, columns, data, precision)
        if self.likelihood == "noncentral_chi":
            return noncentral_chi(signal, columns, data, precision, self.n_coils)
        return getattr(likelihoods, self.likelihood)(signal, columns, data, precision)


def objective(likelihood: str, loss: str, n_coils: int, noise_is_known: bool) -> Objective:
    """The choice that the options name, or `ValueError`."""
    if likelihood not in LIKELIHOODS:
        named = ", ".join(map(repr, LIKELIHOODS[:-1]))
        raise ValueError(f"`likelihood` must be {named} or {LIKELIHOODS[-1]!r}, but got {likelihood!r}.")
    if loss not in ("squared", *robust_losses.LOSSES):
        named = ", ".join(map(repr, ("squared", *robust_losses.LOSSES)))
        raise ValueError(f"`loss` must be one of {named}, but got {loss!r}.")
    if isinstance(n_coils, bool) or not isinstance(n_coils, int) or not 1 <= n_coils <= MOST_COILS:
        raise ValueError(f"`n_coils` must be an integer from 1 to {MOST_COILS}, but got {n_coils!r}.")
    if n_coils > 1 and likelihood != "noncentral_chi":
        raise ValueError(f"`n_coils` of {n_coils} needs `likelihood='noncentral_chi'`, but got {likelihood!r}.")
    if loss != "squared" and likelihood != "gaussian":
        raise ValueError(f"`loss` of {loss!r} goes with a Gaussian `likelihood` alone, but got {likelihood!r}.")
    if loss != "squared" and not noise_is_known:
        raise ValueError(f"`noise_std` must be given for `loss={loss!r}`, whose scale it is, but got None.")
    return Objective(likelihood, loss, n_coils)
