"""Weighted least squares of kurtosis tensors whose signals fall, and fall ever more slowly."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float, Int

from mrjax.inverse.diffusion import _log_linear
from mrjax.inverse.diffusion._log_linear import UNIT
from mrjax.inverse.diffusion.tensor_maps import eigensystem, elements_of
from mrjax.inverse.fit import Fit, FitStatus
from mrjax.signals.diffusion import direction_products
from mrjax.signals.models import DiffusionKurtosis

N_DIRECTIONS = 60
LEAST = 1e-3
"""Of an eigenvalue, in `UNIT`: 1e-12 m^2/s."""
PENALTY, RELAXATION = 0.5, 1.6
TOLERANCE = 1e-4
"""Of the constraints and of the multipliers."""


class _Constraints(NamedTuple):
    """What must not be negative, `matrix @ coefficients`, of the orthonormal design: a row each of norm one."""

    matrix: Float[Array, "row p"]
    kurtosis: Float[Array, "direction 15"]
    diffusion: Float[Array, "direction 6"]
    most_weighted: Float[Array, ""]
    """The largest b-value times `UNIT`."""


class _Iterate(NamedTuple):
    """Of the method of multipliers."""

    coefficients: Float[Array, " p"]
    slack: Float[Array, " row"]
    multiplier: Float[Array, " row"]
    error: Float[Array, ""]
    iterations: Int[Array, ""]


def constrained_kurtosis_fit(model: DiffusionKurtosis, data: Any, *, max_iterations: int = 1000) -> Fit:
    r"""Kurtosis tensors by weighted linear least squares under constraints: a convex quadratic program in each voxel.

    $$\min_\beta \sum_n w_n \left( \ln S_n - (X \beta)_n \right)^2 \quad \text{with} \quad
    W(g) \ge 0, \quad D(g) \ge \tfrac{1}{3} b_\mathrm{max} \bar D^2 \, W(g)$$

    in 60 directions $g$ spread evenly over half the sphere: no kurtosis is negative, and the signal does not grow with the
    b-value up to the largest. The weights are those of `weighted_fit`, and so is the result where that meets the constraints.
    Eigenvalues of the diffusion tensor below 1e-12 m^2/s, which lobes between the directions can have, are lifted to that.

    **Arguments:**

    - `model`: A `mrjax.signals.models.DiffusionKurtosis`.
    - `data`: Magnitudes, `(*voxels, n)`. Samples of zero or below have no weight.
    - `max_iterations`: Where a voxel that has not converged stops.

    **Returns:** A `mrjax.inverse.Fit` whose parameters are those of the model, of shape `(*voxels)`. Every finite tensor has
    positive eigenvalues and meets the constraints. `status` is AT_BOUND where a constraint holds, and standard
    deviations are nan there. It is MAX_ITERATIONS where better parameters that meet them may exist. The solution is
    found to 1e-4 of the signal's logarithm.

    Works inside `jit`. Forward mode differentiates through the iterations; reverse mode is not supported.

    **Raises:** `ValueError` as `weighted_fit`, and where `max_iterations` is below one.

    **Source:** A. Tabesh et al., Magn Reson Med 65 (2011) 823-836 (the constraints); S. Boyd et al., Found Trends Mach Learn 3
    (2011) 1-122 (alternating directions, by which the program is solved).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> bvecs = np.random.default_rng(0).normal(size=(41, 3))
        >>> bvecs = bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True)
        >>> model = mr.signals.models.DiffusionKurtosis(1e9 * np.repeat([0.0, 1.0, 2.0], [1, 20, 20]), bvecs)
        >>> rising = jnp.where(model.bvals > 1.5e9, 0.4, 0.38)  # falls, and grows again
        >>> fit = mr.inverse.diffusion.constrained_kurtosis_fit(model, rising.at[0].set(1.0)[None])
        >>> mr.inverse.FitStatus(int(fit.status[0])).name
        'AT_BOUND'

        ```
    """
    if not isinstance(model, DiffusionKurtosis):
        raise ValueError(f"`model` must be a DiffusionKurtosis, but got {type(model).__name__}.")
    if max_iterations < 1:
        raise ValueError(f"`max_iterations` must be at least 1, but got {max_iterations}.")
    return _fitted(model, _log_linear.checked_data(model, data), jnp.int32(max_iterations))


@eqx.filter_jit
def _fitted(model: DiffusionKurtosis, data: Float[Array, "*voxels n"], max_iterations: Int[Array, ""]) -> Fit:
    basis, to_model = (part.astype(data.dtype) for part in _log_linear.design_of(model))
    constraints = _constraints(model, to_model)

    def of_voxel(signal: Float[Array, " n"]) -> Fit:
        solution = _log_linear.solved(signal, basis)
        last = _minimised(solution, constraints, max_iterations)
        coefficients, lifted = _kept(to_model @ last.coefficients, constraints)
        found = _log_linear.named(coefficients, solution.scale)
        root = _log_linear.deviations_of_coefficients(solution, to_model)
        uncertainty = _log_linear.named_uncertainty(found, root)
        held = jnp.any(last.multiplier < -TOLERANCE) | lifted
        status = jnp.where(held, int(FitStatus.AT_BOUND), int(FitStatus.CONVERGED))
        status = jnp.where(last.error > TOLERANCE, int(FitStatus.MAX_ITERATIONS), status)
        fitted = solution.status == FitStatus.CONVERGED
        status = jnp.where(fitted, status, solution.status).astype(jnp.int32)
        only = lambda tree, where: jax.tree.map(lambda leaf: jnp.where(where, leaf, jnp.nan), tree)
        predicted = solution.scale * jnp.exp(model.log_design(UNIT).astype(data.dtype) @ coefficients)
        deviation, covariance = (only(part, status == FitStatus.CONVERGED) for part in uncertainty)
        residual = only(signal - predicted, fitted)
        return Fit(only(found, fitted), deviation, covariance, residual, last.iterations, status)

    fit = _log_linear.of_every_voxel(of_voxel, data.reshape(-1, data.shape[-1]))
    return jax.tree.map(lambda leaf: leaf.reshape(data.shape[:-1] + leaf.shape[1:]), fit)


def _constraints(model: DiffusionKurtosis, to_model: Float[Array, "p p"]) -> _Constraints:
    directions = jnp.asarray(spread_directions(N_DIRECTIONS), to_model.dtype)
    diffusion, kurtosis = (direction_products(directions, rank) for rank in (2, 4))
    most = UNIT * jnp.max(model.bvals).astype(to_model.dtype)
    positive = jnp.pad(kurtosis, ((0, 0), (7, 0)))
    falling = jnp.concatenate([jnp.zeros_like(diffusion[:, :1]), diffusion, -most / 3 * kurtosis], axis=-1)
    rows = jnp.concatenate([positive, falling]) @ to_model
    return _Constraints(rows / jnp.linalg.norm(rows, axis=-1, keepdims=True), kurtosis, diffusion, most)


def _minimised(solution: _log_linear.LogLinear, constraints: _Constraints, max_iterations: Int[Array, ""]) -> _Iterate:
    """Alternating directions: least squares, and what is negative set to zero, until both are one."""
    rows = constraints.matrix
    size = jnp.trace(solution.normal_matrix) / rows.shape[1]
    matrix, gradient = solution.normal_matrix / size, solution.gradient / size
    factor = jnp.linalg.cholesky(matrix + PENALTY * rows.T @ rows)
    without = cho_solve((factor, True), gradient)
    pull = cho_solve((factor, True), PENALTY * rows.T)

    def improved(it: _Iterate) -> _Iterate:
        coefficients = without + pull @ (it.slack - it.multiplier)
        reached = rows @ coefficients
        relaxed = RELAXATION * reached + (1 - RELAXATION) * it.slack
        slack = jnp.maximum(relaxed + it.multiplier, 0.0)
        moved = jnp.max(jnp.abs(slack - it.slack))
        error = jnp.maximum(jnp.max(jnp.abs(reached - slack)), moved)
        return _Iterate(coefficients, slack, it.multiplier + relaxed - slack, error, it.iterations + 1)

    start = solution.coefficients
    slack = jnp.maximum(rows @ start, 0.0)
    first = _Iterate(start, slack, jnp.zeros_like(slack), jnp.asarray(jnp.inf, start.dtype), jnp.int32(0))
    goes_on = lambda it: (it.error > 0.1 * TOLERANCE) & (it.iterations < max_iterations)
    return jax.lax.while_loop(goes_on, improved, first)


def _kept(coefficients: Float[Array, " 22"], constraints: _Constraints) -> tuple[Float[Array, " 22"], Array]:
    """What the iterations leave of the constraints is closed by isotropic tensors, and eigenvalues are lifted; and whether."""
    tensor, kurtosis = coefficients[1:7], coefficients[7:]
    below = jnp.maximum(-jnp.min(constraints.kurtosis @ kurtosis), 0.0)
    kurtosis = kurtosis + below * jnp.asarray(ISOTROPIC_KURTOSIS, kurtosis.dtype)
    rising = constraints.most_weighted / 3 * constraints.kurtosis @ kurtosis - constraints.diffusion @ tensor
    tensor = tensor + jnp.maximum(jnp.max(rising), 0.0) * jnp.asarray([1.0, 0, 0, 1, 0, 1], tensor.dtype)
    values, vectors = eigensystem(tensor)
    lifted = (vectors * jnp.maximum(values, LEAST)[None, :]) @ vectors.T
    is_lifted = values[2] < LEAST
    tensor = jnp.where(is_lifted, elements_of(lifted), tensor)
    return jnp.concatenate([coefficients[:1], tensor, kurtosis]), is_lifted


ISOTROPIC_KURTOSIS = (1, 0, 0, 1 / 3, 0, 1 / 3, 0, 0, 0, 0, 1, 0, 1 / 3, 0, 1)
"""Elements of a tensor that is one in every direction."""


def spread_directions(n: int) -> Float[np.ndarray, "n 3"]:
    """Unit vectors spread evenly over half the sphere, along a spiral of golden angles."""
    z = (np.arange(n) + 0.5) / n
    azimuth = np.arange(n) * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)
