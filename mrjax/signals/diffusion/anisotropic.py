"""Diffusion weighting along directions: the diffusion tensor and the kurtosis tensor."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import of_one_rank, with_rank
from mrjax.signals._arguments import Numbers
from mrjax.signals.diffusion.tensors import along, mean_diffusivity
from mrjax.signals.diffusion.weighting import gradient_table


def diffusion_tensor(
    bvals: Numbers, bvecs: Numbers, tensor: Numbers, s0: Numbers = 1.0
) -> Float[Array, "*voxels n_samples"]:
    r"""Anisotropic Gaussian diffusion.

    $$S = S_0 \exp\left( -b \sum_{ij} g_i g_j D_{ij} \right)$$

    **Arguments:**

    - `bvals`: b-values in **s/m^2**, shape `(n_samples,)`. Zero or more, finite.
    - `bvecs`: Unit vectors $g$, shape `(n_samples, 3)`.
    - `tensor`: Elements in the order of `TENSOR_ELEMENTS`, in m^2/s. Shape `(*voxels, 6)`.
    - `s0`: Signal without diffusion weighting, in any unit. Shape `(*voxels)`.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `s0`. Exact, differentiable everywhere.

    **Raises:** `ValueError` where shapes do not fit, b-values are negative or directions are no unit vectors. Warns where no
    b-value reaches 1e6 s/m^2: were s/mm^2 meant?

    **Source:** P. J. Basser, J. Mattiello, D. Le Bihan, J Magn Reson B 103 (1994) 247-254.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import diffusion_tensor
        >>> along_a_fibre = np.array([1.7e-9, 0, 0, 0.3e-9, 0, 0.3e-9])
        >>> signal = diffusion_tensor(np.array([1e9, 1e9]), np.array([[1.0, 0, 0], [0, 1, 0]]), along_a_fibre)
        >>> print(np.asarray(signal).round(4))
        [0.1827 0.7408]

        ```
    """
    bvals, directions = gradient_table(bvals, bvecs)
    return _weighted(s0, -_decay(bvals, directions, _elements(tensor, "tensor", 6)))


def diffusion_kurtosis(
    bvals: Numbers, bvecs: Numbers, tensor: Numbers, kurtosis: Numbers, s0: Numbers = 1.0
) -> Float[Array, "*voxels n_samples"]:
    r"""Diffusion that is not Gaussian, to the second order of the cumulant expansion.

    $$\ln \frac{S}{S_0} = -b \sum_{ij} g_i g_j D_{ij} + \frac{b^2}{6} \bar D^2 \sum_{ijkl} g_i g_j g_k g_l W_{ijkl},
    \qquad \bar D = \frac{1}{3} \sum_i D_{ii}$$

    The expansion holds for b-values up to about 2.5e9 s/m^2 in the brain; beyond $3 / (D K)$ its signal grows again.

    **Arguments:**

    - `bvals`, `bvecs`, `tensor`, `s0`: As those of `diffusion_tensor`.
    - `kurtosis`: Elements of $W$ in the order of `KURTOSIS_ELEMENTS`, without unit. Shape `(*voxels, 15)`.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `s0`. Differentiable everywhere.

    **Raises:** as `diffusion_tensor`.

    **Source:** J. H. Jensen et al., Magn Reson Med 53 (2005) 1432-1440.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import diffusion_kurtosis
        >>> isotropic = np.array([1, 0, 0, 1 / 3, 0, 1 / 3, 0, 0, 0, 0, 1, 0, 1 / 3, 0, 1])
        >>> signal = diffusion_kurtosis(
        ...     np.array([2e9]), np.array([[0, 0.6, 0.8]]), 1e-9 * np.array([1.0, 0, 0, 1, 0, 1]), isotropic
        ... )
        >>> print(np.asarray(signal).round(4))
        [0.2636]

        ```
    """
    bvals, directions = gradient_table(bvals, bvecs)
    tensor = _elements(tensor, "tensor", 6)
    curvature = mean_diffusivity(tensor)[..., None] ** 2 * along(_elements(kurtosis, "kurtosis", 15), directions)
    square = with_rank(bvals, curvature.ndim) ** 2
    return _weighted(s0, square / 6 * curvature - _decay(bvals, directions, tensor))


def _decay(
    bvals: Float[Array, " n"], directions: Float[Array, "n 3"], tensor: Float[Array, "*voxels 6"]
) -> Float[Array, "*voxels n"]:
    return with_rank(bvals, tensor.ndim) * along(tensor, directions)


def _weighted(s0: Any, exponent: Float[Array, "*voxels n"]) -> Float[Array, "*voxels n"]:
    s0, weighting = of_one_rank(_checks.real_array(s0, "s0")[..., None], jnp.exp(exponent))
    return s0 * weighting


def _elements(value: Any, name: str, n: int) -> Float[Array, "*voxels n"]:
    array = _checks.real_array(value, name)
    if array.ndim == 0 or array.shape[-1] != n:
        raise ValueError(f"`{name}` must have {n} elements on the last axis, but got shape {np.shape(value)}.")
    return array
