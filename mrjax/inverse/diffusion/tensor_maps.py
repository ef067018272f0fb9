"""Maps of the diffusion tensor: anisotropy, diffusivities, directions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.signals.diffusion import TENSOR_ELEMENTS, mean_diffusivity
from mrjax.signals.models.diffusion import stacked


class TensorMaps(NamedTuple):
    """What is made of a diffusion tensor."""

    fractional_anisotropy: Float[Array, "*voxels"]
    """FA."""
    mean_diffusivity: Float[Array, "*voxels"]
    """MD in m^2/s."""
    axial_diffusivity: Float[Array, "*voxels"]
    """AD, the largest eigenvalue, in m^2/s."""
    radial_diffusivity: Float[Array, "*voxels"]
    """RD, the mean of the two others, in m^2/s."""
    eigenvalues: Float[Array, "*voxels 3"]
    """In m^2/s, the largest first."""
    principal_direction: Float[Array, "*voxels 3"]
    """Unit vector of the largest eigenvalue; its sign means nothing."""
    colour: Float[Array, "*voxels 3"]
    """Red, green and blue for x, y and z: the magnitudes of the principal direction times the anisotropy, at most one."""


def tensor_maps(parameters: Mapping[str, Any]) -> TensorMaps:
    r"""Anisotropy, diffusivities and principal direction of diffusion tensors.

    $$\mathrm{FA} = \sqrt{\frac{3}{2}} \frac{\| D - \bar D I \|}{\| D \|}, \qquad \mathrm{MD} = \bar D = \frac{\mathrm{tr} D}{3},
    \qquad \mathrm{AD} = \lambda_1, \qquad \mathrm{RD} = \frac{\lambda_2 + \lambda_3}{2}$$

    **Arguments:**

    - `parameters`: Elements of the tensor by name, `d_xx`, `d_xy`, `d_xz`, `d_yy`, `d_yz`, `d_zz` in m^2/s, as
      `fit.parameters` holds them. Shape `(*voxels)`.

    **Returns:** `TensorMaps`. Where a tensor is not finite, maps are nan; of a tensor of zeros the anisotropy is zero.
    The anisotropy exceeds one where an eigenvalue is negative, which `positive_tensor_fit` rules out.

    Differentiable; the direction only where the largest eigenvalue is single, the anisotropy where the tensor is not isotropic.

    **Raises:** `ValueError` where an element is missing.

    **Source:** P. J. Basser, C. Pierpaoli, J Magn Reson B 111 (1996) 209-219.

    !!! example

        ```python
        >>> from mrjax.inverse.diffusion import tensor_maps
        >>> tensor = {"d_xx": 0.3e-9, "d_xy": 0.0, "d_xz": 0.0, "d_yy": 1.7e-9, "d_yz": 0.0, "d_zz": 0.3e-9}
        >>> maps = tensor_maps(tensor)
        >>> print(f"{maps.fractional_anisotropy:.3f} {1e9 * maps.mean_diffusivity:.3f} {abs(maps.principal_direction[1]):.1f}")
        0.799 0.767 1.0

        ```
    """
    return _mapped(stacked(parameters, TENSOR_ELEMENTS))


@jax.jit
def _mapped(elements: Float[Array, "*voxels 6"]) -> TensorMaps:
    mean = mean_diffusivity(elements)
    values, vectors = eigensystem(elements)
    anisotropy = _anisotropy(elements, mean)
    direction = vectors[..., :, 0]
    colour = jnp.clip(jnp.abs(direction) * anisotropy[..., None], 0.0, 1.0)
    return TensorMaps(
        anisotropy, mean, values[..., 0], (values[..., 1] + values[..., 2]) / 2, values, direction, colour
    )


def matrix(elements: Float[Array, "*voxels 6"]) -> Float[Array, "*voxels 3 3"]:
    """The matrix of a tensor given by its distinct elements."""
    rows = [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    return jnp.stack([jnp.stack([elements[..., i] for i in row], axis=-1) for row in rows], axis=-2)


def elements_of(matrix: Float[Array, "*voxels 3 3"]) -> Float[Array, "*voxels 6"]:
    """The distinct elements of a symmetric matrix."""
    return jnp.stack([matrix[..., i, j] for i in range(3) for j in range(i, 3)], axis=-1)


def eigensystem(elements: Float[Array, "*voxels 6"]) -> tuple[Float[Array, "*voxels 3"], Float[Array, "*voxels 3 3"]]:
    """Eigenvalues, the largest first, and eigenvectors as columns; nan where the tensor is not finite."""
    finite = jnp.all(jnp.isfinite(elements), axis=-1)
    values, vectors = jnp.linalg.eigh(matrix(jnp.where(finite[..., None], elements, 0.0)))
    values = jnp.where(finite[..., None], values[..., ::-1], jnp.nan)
    return values, jnp.where(finite[..., None, None], vectors[..., ::-1], jnp.nan)


def _anisotropy(elements: Float[Array, "*voxels 6"], mean: Float[Array, "*voxels"]) -> Float[Array, "*voxels"]:
    scale = jnp.max(jnp.abs(elements), axis=-1)
    scale = jnp.where(scale > 0, scale, 1.0)
    full = matrix(elements / scale[..., None])
    size = jnp.sum(full**2, axis=(-2, -1))
    identity = jnp.expand_dims(jnp.eye(3, dtype=full.dtype), range(full.ndim - 2))
    apart = jnp.sum((full - (mean / scale)[..., None, None] * identity) ** 2, axis=(-2, -1))
    share = apart / jnp.where(size == 0, 1.0, size)
    anisotropic = share != 0  # nan is
    return jnp.where(anisotropic, jnp.sqrt(1.5 * jnp.where(anisotropic, share, 1.0)), 0.0)
