"""Weighted least squares in the logarithm of the signal, one voxel at a time.

Designs are orthonormal: the normal matrix of equal weights is then the identity, and single precision does.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float, Int

from mrjax import _checks
from mrjax.inverse.fit import FitStatus
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS, mean_diffusivity
from mrjax.signals.models import DiffusionKurtosis, DiffusionTensor

UNIT = 1e-9
"""In which diffusion coefficients are about one; m^2/s."""

VOXELS_AT_ONCE = 2048

LogLinearModel = DiffusionTensor | DiffusionKurtosis


class LogLinear(NamedTuple):
    """The solution of a voxel."""

    coefficients: Float[Array, " p"]
    """Of the orthonormal design; the signal is in units of `scale`."""
    normal_matrix: Float[Array, "p p"]
    gradient: Float[Array, " p"]
    """The data's side of the normal equations."""
    scale: Float[Array, ""]
    residual: Float[Array, " n"]
    noise: Float[Array, ""]
    """Standard deviation in units of `scale`."""
    status: Int[Array, ""]


def design_of(model: LogLinearModel) -> tuple[Float[Array, "n p"], Float[Array, "p p"]]:
    """An orthonormal basis of the model's design, and what takes its coefficients to those of the model, in `UNIT`."""
    basis, triangle = jnp.linalg.qr(model.log_design(UNIT))
    return basis, solve_triangular(triangle, jnp.eye(triangle.shape[0], dtype=triangle.dtype))


def checked_data(model: LogLinearModel, data: object) -> Float[Array, "*voxels n"]:
    """Magnitudes, after a check that they go with the model and that its directions tell all of its elements."""
    array = _checks.real_array(data, "data")
    if not isinstance(model, LogLinearModel):
        raise ValueError(f"`model` must be a DiffusionTensor or a DiffusionKurtosis, but got {type(model).__name__}.")
    if array.ndim == 0 or array.shape[-1] != model.n_samples:
        raise ValueError(f"`data` must have shape (*voxels, {model.n_samples}) for this model, but got {array.shape}.")
    design = model.log_design(UNIT)
    if _checks.is_concrete(design):
        known = np.asarray(design, np.float64)
        rank, n = (
            np.linalg.matrix_rank(known / np.abs(known).max(0, initial=1e-30), tol=1e-5 * len(known)),
            known.shape[1],
        )
        if rank < n:
            raise ValueError(
                f"`model` must have b-values and directions that tell its {n} coefficients apart, but got {rank} that differ; "
                "a tensor needs 6 directions and b = 0, a kurtosis tensor 15 directions and two b-values above zero."
            )
    dtype = jnp.result_type(array, design)
    return array.astype(dtype)


def solved(data: Float[Array, " n"], basis: Float[Array, "n p"]) -> LogLinear:
    """Two passes: with equal weights, then with the squares of the signals that the first predicts.

    Samples that are not positive, whose logarithm says nothing, have no weight.
    """
    usable = data > 0
    scale = jnp.max(jnp.where(usable, data, 0.0))
    scale = jnp.where(jnp.isfinite(scale) & (scale > 0), scale, 1.0)
    logarithm = jnp.log(jnp.where(usable & jnp.isfinite(data), data, scale) / scale)
    equal, telling = _solution(logarithm, usable.astype(data.dtype), basis)
    predicted = basis @ equal
    weights = jnp.where(usable, jnp.exp(2 * (predicted - jnp.max(predicted))), 0.0)
    matrix = _normal_matrix(weights, basis)
    # as a correction, whose rounding is that of the residual
    gradient = (weights * (logarithm - predicted)) @ basis
    coefficients = equal + _solve(jnp.linalg.cholesky(matrix), gradient)
    log_residual = logarithm - basis @ coefficients
    freedom = jnp.sum(usable) - basis.shape[1]
    variance = jnp.sum(weights * log_residual**2) / jnp.where(freedom > 0, freedom, jnp.nan)
    is_finite = jnp.all(jnp.isfinite(data))
    status = _status(is_finite, telling & jnp.all(jnp.isfinite(coefficients)))
    residual = data - scale * jnp.exp(basis @ coefficients)
    return LogLinear(coefficients, matrix, gradient + matrix @ equal, scale, residual, jnp.sqrt(variance), status)


def deviations_of_coefficients(solution: LogLinear, to_model: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """A root of the covariance of the model's coefficients: the norm of a combination of its columns is its deviation."""
    factor = jnp.linalg.cholesky(solution.normal_matrix)
    return solution.noise * solve_triangular(factor, to_model.T, lower=True)


def named(
    coefficients: Float[Array, "*voxels p"], scale: Float[Array, "*voxels"]
) -> dict[str, Float[Array, "*voxels"]]:
    """The parameters of a model from the coefficients of its design, in `UNIT`."""
    tensor, rest = coefficients[..., 1:7], coefficients[..., 7:]
    values = {"s0": scale * jnp.exp(coefficients[..., 0])}
    values |= {name: UNIT * tensor[..., i] for i, name in enumerate(TENSOR_ELEMENTS)}
    if rest.shape[-1]:
        square = mean_diffusivity(tensor)[..., None] ** 2
        values |= {name: (rest / square)[..., i] for i, name in enumerate(KURTOSIS_ELEMENTS)}
    return values


def named_uncertainty(
    parameters: dict[str, Array], root: Float[Array, "p p"]
) -> tuple[dict[str, Array], Float[Array, "p p"]]:
    """Standard deviations of the parameters of one voxel, to first order, and their covariance in the order of names."""
    columns = {"s0": parameters["s0"] * root[:, 0]}
    columns |= {name: UNIT * root[:, 1 + i] for i, name in enumerate(TENSOR_ELEMENTS)}
    if root.shape[1] > 7:
        mean = (parameters["d_xx"] + parameters["d_yy"] + parameters["d_zz"]) / (3 * UNIT)
        of_mean = mean_diffusivity(root[:, 1:7])
        for i, name in enumerate(KURTOSIS_ELEMENTS):
            columns[name] = root[:, 7 + i] / mean**2 - 2 * parameters[name] / mean * of_mean
    stacked_columns = jnp.stack([columns[name] for name in sorted(columns)])
    return {name: jnp.linalg.norm(column) for name, column in columns.items()}, stacked_columns @ stacked_columns.T


def _status(is_finite: Bool[Array, ""], telling: Bool[Array, ""]) -> Int[Array, ""]:
    status = jnp.where(telling, int(FitStatus.CONVERGED), int(FitStatus.UNIDENTIFIABLE))
    return jnp.where(is_finite, status, int(FitStatus.NOT_FINITE)).astype(jnp.int32)


def _solution(
    logarithm: Float[Array, " n"], weights: Float[Array, " n"], basis: Float[Array, "n p"]
) -> tuple[Float[Array, " p"], Bool[Array, ""]]:
    """The coefficients, and whether the samples that have weight tell all of them."""
    factor = jnp.linalg.cholesky(_normal_matrix(weights, basis))
    telling = jnp.min(jnp.diagonal(factor)) > 1e-3  # of an identity, where all have weight; nan where there is none
    return _solve(factor, (weights * logarithm) @ basis), telling


def _normal_matrix(weights: Float[Array, " n"], basis: Float[Array, "n p"]) -> Float[Array, "p p"]:
    n, p = basis.shape
    return (weights @ (basis[:, :, None] * basis[:, None, :]).reshape(n, p * p)).reshape(p, p)


def _solve(factor: Float[Array, "p p"], right: Float[Array, " p"]) -> Float[Array, " p"]:
    return cho_solve((factor, True), right)


def of_every_voxel(function: object, voxels: Float[Array, "voxel n"]) -> object:
    """A function of one voxel, of so many at once that what they need stays in the cache."""
    return jax.lax.map(function, voxels, batch_size=min(VOXELS_AT_ONCE, max(1, voxels.shape[0])))
