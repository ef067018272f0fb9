"""What a signal with Gaussian noise says about its parameters at best: Fisher information and the Cramér-Rao bound."""

from typing import Any

import jax.numpy as jnp
import jax.scipy.linalg as linalg
import numpy as np
from jaxtyping import Array, Float, PyTree

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.inverse import _parameters
from mrjax.inverse._objective import Objective, objective
from mrjax.inverse.jacobian import Model, signal_and_columns

RIDGE = 10.0
"""Added to each correlation matrix in units of its size and the rounding error, which it has to outweigh."""


def fisher_information(model: Model, params: PyTree, noise_std: Any) -> Float[Array, "*voxels p p"]:
    r"""The Fisher information of a signal with Gaussian noise about the parameters of each voxel.

    $$F_{pq} = \frac{1}{\sigma^2} \, \mathrm{Re} \sum_n
      \frac{\partial s_n^*}{\partial p} \frac{\partial s_n}{\partial q}$$

    **Arguments:**

    - `model`: Takes a PyTree like `params` and returns signals of shape `(*voxels, n)`, real or complex. A voxel's signal
      must depend on that voxel's parameters alone.
    - `params`: A PyTree (a dict, say) of floating-point arrays of shape `(*voxels)`.
    - `noise_std`: $\sigma$, in the unit of the signal; of complex signals that of the real and of the imaginary part. A number
      or an array that broadcasts to `(*voxels)`. Positive.

    **Returns:** the matrices, `(*voxels, p, p)`, parameters in the order of `jax.tree.leaves(params)`. `crlb` inverts the same
    matrix as it is; `cramer_rao_variances` stays finite, with finite derivatives, where parameters can hardly be told apart.

    **Derivatives:** forward mode over the parameters, at the cost of about a signal for each; exact. Differentiable itself.

    **Raises:** `ValueError` where parameters are integers or complex, shapes do not fit, or the noise is not positive.

    **Source:** the definition, for a mean that depends on the parameters and white Gaussian noise that does not.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.05, 0.1])
        >>> tissue = {"t2": jnp.array([0.05, 0.1]), "m0": jnp.ones(2)}
        >>> mr.inverse.fisher_information(model, tissue, noise_std=0.01).shape
        (2, 2, 2)

        ```
    """
    params = _parameters.checked(params)
    noise_std = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "in the unit of the signal")
    voxels = _parameters.voxel_shape(params)
    try:
        np.broadcast_shapes(noise_std.shape, voxels)
    except ValueError:
        raise ValueError(f"`noise_std` must broadcast to the voxels {voxels}, but got {noise_std.shape}.") from None
    noise = with_rank(noise_std, len(voxels))[..., None]
    return information_matrix(model, params, noise, objective("gaussian", "squared", 1, noise_is_known=True))


def information_matrix(model: Model, params: PyTree, noise: Array, kind: Objective) -> Float[Array, "*voxels p p"]:
    """Of parameters in one shape, from noise that broadcasts to the samples, Gaussian or that of magnitudes.

    `crlb` inverts it as it is; `cramer_rao_variances` regularises it, as a design needs.
    """
    signal, columns = signal_and_columns(model, params)
    _parameters.check_signal(signal, params)
    precision = 1 / noise_of_samples(noise, signal, of_magnitudes=kind.is_of_magnitudes)
    data = jnp.abs(signal) if kind.is_of_magnitudes else signal
    return kind.expand(signal, columns, data, precision).information


def noise_of_samples(noise: Array, signal: Array, of_magnitudes: bool) -> Float[Array, "*voxels n"]:
    """The noise of each sample of a signal that may have it."""
    if of_magnitudes and jnp.iscomplexobj(signal):
        raise ValueError(
            f"`model` must return real signals, with their sign, for magnitudes, but returns {signal.dtype}."
        )
    shape = _checks.broadcast_shape({"noise_std": noise, "the signal": signal})
    if shape != signal.shape:
        raise ValueError(f"`noise_std` must broadcast to the signal, {signal.shape}, but got {noise.shape}.")
    return jnp.broadcast_to(noise, signal.shape).astype(signal.real.dtype)


def cramer_rao_variances(information: Float[Array, "*voxels p p"]) -> Float[Array, "*voxels p"]:
    r"""The least variance that an unbiased estimate of each parameter can have: the diagonal of the inverse information.

    Each matrix is written as $F = D C D$ with ones on the diagonal of $C$, and $C + \epsilon I$ is solved by a Cholesky
    factor, with $\epsilon = 10 p$ times the rounding error (3e-6 in single precision for three parameters, 7e-15 in double). So
    the variance of parameters that the data can hardly tell apart is finite, as is its derivative: it stops growing at about
    $1/\epsilon$ times the variance that a parameter has alone. A variance that is $k$ times that has a relative error of about
    $k \epsilon$. The variance of a parameter on which the signal does not depend is infinite, and that of others what it is
    without it.

    **Arguments:**

    - `information`: Symmetric and positive semidefinite, as `fisher_information` gives it. Shape `(*voxels, p, p)`.

    **Returns:** the variances, `(*voxels, p)`, in the units of the parameters squared.

    **Source:** C. R. Rao, Bull Calcutta Math Soc 37 (1945) 81-91.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> mr.inverse.cramer_rao_variances(jnp.array([[4.0, 0.0], [0.0, 0.25]])).round(3).tolist()
        [0.25, 4.0]

        ```
    """
    size = information.shape[-1]
    diagonal = jnp.diagonal(information, axis1=-2, axis2=-1)
    depends = diagonal > 0
    scale = jnp.sqrt(jnp.where(depends, diagonal, 1.0))
    correlation = information / scale[..., :, None] / scale[..., None, :]
    ridge = RIDGE * size * jnp.finfo(information.dtype).eps
    identity = jnp.broadcast_to(with_rank(jnp.eye(size, dtype=information.dtype), information.ndim), information.shape)
    factor = jnp.linalg.cholesky(correlation + ridge * identity)
    inverse_factor = linalg.solve_triangular(factor, identity, lower=True)
    return jnp.where(depends, jnp.sum(inverse_factor**2, axis=-2) / scale**2, jnp.inf)
