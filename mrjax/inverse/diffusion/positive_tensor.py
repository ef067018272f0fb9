"""Nonlinear least squares of diffusion tensors that are positive definite."""

import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax._module import Module
from mrjax.inverse.diffusion import _log_linear
from mrjax.inverse.diffusion._log_linear import UNIT
from mrjax.inverse.diffusion.tensor_maps import eigensystem, elements_of
from mrjax.inverse.diffusion.weighted import weighted_fit
from mrjax.inverse.fit import Fit, FitStatus
from mrjax.inverse.jacobian import signal_and_columns
from mrjax.inverse.least_squares import least_squares
from mrjax.signals.diffusion import TENSOR_ELEMENTS
from mrjax.signals.models import DiffusionTensor
from mrjax.signals.models.diffusion import stacked

LEAST, MOST = 1e-3, 100.0
"""Limits of the diagonal of the factors, in `UNIT`: 1e-12 and 1e-7 m^2/s."""

FACTORS = ("first", "second", "third", "xy", "xz", "yz")
"""The diagonal, and the elements below the diagonal, of the factors."""


class FactoredTensor(Module):
    r"""A `DiffusionTensor` by the factors of $D = V L \, \mathrm{diag}(d) \, L^T V^T$, positive definite for positive $d$."""

    model: DiffusionTensor
    frame: Float[Array, "*voxels 3 3"]
    """$V$, whose columns are the axes that the factors refer to."""

    def __call__(self, factors: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return self.model(tensor_of(factors, self.frame))


def positive_tensor_fit(model: DiffusionTensor, data: Any, noise_std: Any | None = None, **options: Any) -> Fit:
    r"""Diffusion tensors without negative eigenvalues: nonlinear least squares in a Cholesky factorisation.

    $$D = V L \, \mathrm{diag}(d_1, d_2, d_3) \, L^T V^T, \qquad d_i \ge 10^{-12} \; \mathrm{m^2/s}$$

    with ones on the diagonal of the triangular $L$, and $V$ the axes of the tensor that the fit starts with.
    That is `weighted_fit`, with its eigenvalues lifted where they are too small; it ends at the least squares of the signal
    itself, without the bias of a logarithm.

    **Arguments:**

    - `model`: A `mrjax.signals.models.DiffusionTensor`.
    - `data`: Magnitudes, `(*voxels, n)`.
    - `noise_std`: As that of `mrjax.inverse.least_squares`; None estimates it in each voxel.
    - `options`: `likelihood` and `max_iterations` of `mrjax.inverse.least_squares`; with `likelihood="rician"` the noise floor
      is not taken for signal.

    **Returns:** A `mrjax.inverse.Fit` whose parameters are those of the model, of shape `(*voxels)`. Every finite tensor has
    positive eigenvalues. `status` is AT_BOUND where the constraint holds one of them; standard deviations, which are those
    without a constraint, are nan there.

    Works inside `jit`. Forward mode differentiates through the iterations.

    **Raises:** as `weighted_fit` and `mrjax.inverse.least_squares`.

    **Source:** C. G. Koay et al., J Magn Reson 182 (2006) 115-125 (constrained nonlinear least squares of tensors).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> bvecs = jnp.array([[0, 0, 0], [1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1.0]]) / 2**0.5
        >>> model = mr.signals.models.DiffusionTensor(1e9 * jnp.array([0.0, 1, 1, 1, 1, 1, 1]), bvecs)
        >>> data = jnp.array([[100.0, 20, 40, 40, 40, 105, 95]])  # louder than without weighting
        >>> for fit in (mr.inverse.diffusion.weighted_fit, mr.inverse.diffusion.positive_tensor_fit):
        ...     print(mr.inverse.diffusion.tensor_maps(fit(model, data).parameters).eigenvalues[0, 2] > 0)
        False
        True

        ```
    """
    if not isinstance(model, DiffusionTensor):
        raise ValueError(f"`model` must be a DiffusionTensor, but got {type(model).__name__}.")
    data = _log_linear.checked_data(model, data)
    frame, start = _start(weighted_fit(model, data).parameters, data)
    limits = {name: (LEAST, MOST) if name in FACTORS[:3] else (-jnp.inf, jnp.inf) for name in FACTORS}
    limits["s0"] = (0.0, jnp.inf)
    lower, upper = ({name: limit[i] for name, limit in limits.items()} for i in range(2))
    found = least_squares(FactoredTensor(model, frame), data, start, (lower, upper), noise_std, **options)
    return _in_elements(
        FactoredTensor(model, frame), found, data, None if noise_std is None else jnp.asarray(noise_std, data.dtype)
    )


def tensor_of(factors: Mapping[str, Array], frame: Float[Array, "*voxels 3 3"]) -> dict[str, Array]:
    """The elements of the tensor, in m^2/s, and s0."""
    first, second, third, xy, xz, yz = (factors[name] for name in FACTORS)
    columns = frame[..., 0] + xy[..., None] * frame[..., 1] + xz[..., None] * frame[..., 2]
    others = frame[..., 1] + yz[..., None] * frame[..., 2], frame[..., 2]
    dyad = lambda size, column: size[..., None, None] * column[..., :, None] * column[..., None, :]
    full = dyad(first, columns) + dyad(second, others[0]) + dyad(third, others[1])
    elements = UNIT * elements_of(full)
    return {"s0": factors["s0"]} | {name: elements[..., i] for i, name in enumerate(TENSOR_ELEMENTS)}


@jax.jit
def _start(parameters: dict[str, Array], data: Float[Array, "*voxels n"]) -> tuple[Array, dict[str, Array]]:
    """Axes, and factors with eigenvalues of 2 % of the largest at least; those of water where there is no tensor."""
    elements = stacked(parameters, TENSOR_ELEMENTS) / UNIT
    known = jnp.all(jnp.isfinite(elements), axis=-1)
    water = jnp.broadcast_to(jnp.asarray([1.0, 0, 0, 1, 0, 1], elements.dtype), elements.shape)
    values, frame = eigensystem(jnp.where(known[..., None], elements, water))
    largest = jnp.clip(values[..., :1], 0.05, MOST / 3)
    values = jnp.clip(values, 0.02 * largest, MOST / 3)
    nothing = jnp.zeros_like(values[..., 0])
    s0 = jnp.where(known, parameters["s0"], jnp.max(data, axis=-1))
    factors = (*(values[..., i] for i in range(3)), nothing, nothing, nothing)
    return frame, {"s0": s0} | dict(zip(FACTORS, factors, strict=True))


@eqx.filter_jit
def _in_elements(factored: FactoredTensor, fit: Fit, data: Float[Array, "*voxels n"], noise_std: Array | None) -> Fit:
    """The fit of factors as one of the elements of the tensor."""
    parameters = tensor_of(fit.parameters, factored.frame)
    held = functools.reduce(jnp.logical_or, (fit.parameters[name] <= LEAST for name in FACTORS[:3]))
    # below a diffusivity of zero nothing depends on
    ended = (fit.status == FitStatus.CONVERGED) | (fit.status == FitStatus.UNIDENTIFIABLE)
    status = jnp.where(held & ended, int(FitStatus.AT_BOUND), fit.status)
    columns = signal_and_columns(factored.model, parameters)[1]
    size = jnp.linalg.norm(columns, axis=-1)
    unit = columns / jnp.where(size > 0, size, 1.0)[..., None]
    if noise_std is not None:
        unit = unit / jnp.broadcast_to(noise_std, data.shape)[None]
    covariance = jnp.linalg.inv(jnp.einsum("i...n,j...n->...ij", unit, unit))
    size = jnp.moveaxis(size, 0, -1)
    covariance = covariance / (size[..., :, None] * size[..., None, :])
    if noise_std is None:
        freedom = max(data.shape[-1] - 7, 0)
        covariance = covariance * (jnp.sum(fit.residual**2, axis=-1) / freedom)[..., None, None]
    variance = jnp.diagonal(covariance, axis1=-2, axis2=-1)
    usable = (status == FitStatus.CONVERGED)[..., None] & (variance >= 0)
    deviation = jnp.moveaxis(jnp.where(usable, jnp.sqrt(jnp.where(usable, variance, 1.0)), jnp.nan), -1, 0)
    covariance = jnp.where((status == FitStatus.CONVERGED)[..., None, None], covariance, jnp.nan)
    spread = jax.tree.unflatten(jax.tree.structure(parameters), list(deviation))
    return Fit(parameters, spread, covariance, fit.residual, fit.iterations, status)
