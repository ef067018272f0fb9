"""What a fit returns."""

import enum

import equinox as eqx
from jaxtyping import Array, Float, Inexact, Int, PyTree


class FitStatus(enum.IntEnum):
    """How the fit of a voxel ended."""

    CONVERGED = 0
    """At a minimum: the undamped step from there changes nothing that matters."""
    AT_BOUND = 1
    """Converged with a parameter on a bound; that parameter's standard deviation is nan."""
    MAX_ITERATIONS = 2
    """Still on its way when the iterations ran out."""
    NOT_FINITE = 3
    """Not fitted, because the data, or the model at the start, hold nan or infinity; parameters are nan."""
    UNIDENTIFIABLE = 4
    """The data do not depend on some parameter; its standard deviation is infinite."""
    STALLED = 5
    """Steps were shortened until nothing moved, without a lower cost, though no minimum is there: the model is not defined
    beyond, or has a kink. Parameters are where the search stopped; standard deviations are nan."""
    EXCLUDED = 6
    """Not fitted, because what is known of the voxel (a B1 of nan or zero, say) makes it impossible. `least_squares` does not
    give this status; those who choose its voxels do."""
    OUTSIDE_MASK = 7
    """Not fitted, because it was not asked for. Given as EXCLUDED is."""


class Fit(eqx.Module):
    """What `least_squares` returns; leaves of the PyTrees and arrays have the voxel shape first.

    Only parameters whose `status` is CONVERGED, or AT_BOUND where the bound is meant, are estimates.
    """

    parameters: PyTree
    standard_deviation: PyTree
    """One standard deviation of each parameter, from the Jacobian at the solution and the noise."""
    covariance: Float[Array, "*voxels p p"]
    """Of all parameters, in the order of `jax.tree.leaves(parameters)`, which of a dictionary is that of the sorted names."""
    residual: Inexact[Array, "*voxels n"]
    """Data minus model; for `polarities` or a Rician likelihood minus the magnitude of the model."""
    iterations: Int[Array, "*voxels"]
    status: Int[Array, "*voxels"]
    """`FitStatus` of each voxel."""
