"""Maps of the kurtosis tensor: averages over directions."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.inverse.diffusion._log_linear import UNIT, of_every_voxel
from mrjax.inverse.diffusion.tensor_maps import eigensystem
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS, along, mean_diffusivity
from mrjax.signals.models.diffusion import stacked

POLAR, AZIMUTHAL = 20, 40
AROUND = 24


class KurtosisMaps(NamedTuple):
    """What is made of a kurtosis tensor, with its diffusion tensor. Without unit."""

    mean_kurtosis: Float[Array, "*voxels"]
    """MK, the mean of the apparent kurtosis over all directions."""
    axial_kurtosis: Float[Array, "*voxels"]
    """AK, along the principal direction of diffusion."""
    radial_kurtosis: Float[Array, "*voxels"]
    """RK, the mean over the directions perpendicular to it."""
    mean_kurtosis_tensor: Float[Array, "*voxels"]
    """MKT, the mean of $W$ itself over all directions, which no small diffusivity can blow up."""


def kurtosis_maps(parameters: Mapping[str, Any]) -> KurtosisMaps:
    r"""Mean, axial and radial kurtosis: averages over directions of the apparent kurtosis.

    $$K(g) = \frac{\bar D^2 \, W(g)}{D(g)^2}, \qquad \mathrm{MK} = \frac{1}{4 \pi} \int K(g) \, dg, \qquad
    \mathrm{MKT} = \frac{1}{5} \left( \sum_i W_{iiii} + 2 \sum_{i < j} W_{iijj} \right)$$

    The mean is a sum over the sphere (Gauss-Legendre nodes in $\cos\theta$, equal steps in $\varphi$), off by less than 1e-7
    of itself where the largest eigenvalue of the diffusion tensor is 5 times the smallest, by 5e-6 where it is 10 times. The
    radial kurtosis is a sum over 24 directions around, the axial one and MKT are exact.

    **Arguments:**

    - `parameters`: The elements `d_xx`, ... in m^2/s and `w_xxxx`, ... by name, as `fit.parameters` holds them.
      Shape `(*voxels)`.

    **Returns:** `KurtosisMaps`. Where the diffusivity along some direction is near zero or negative, as noise makes it, the
    first three mean nothing; `constrained_kurtosis_fit` rules out what is negative.

    Differentiable where the largest eigenvalue of the diffusion tensor is single.

    **Raises:** `ValueError` where an element is missing.

    **Source:** J. H. Jensen, J. A. Helpern, NMR Biomed 23 (2010) 698-710; B. Hansen et al., Magn Reson Med 69 (2013)
    1754-1760 (MKT).

    !!! example

        ```python
        >>> from mrjax.inverse.diffusion import kurtosis_maps
        >>> from mrjax.signals.diffusion import KURTOSIS_ELEMENTS
        >>> tensor = {"d_xx": 1.7e-9, "d_xy": 0.0, "d_xz": 0.0, "d_yy": 0.3e-9, "d_yz": 0.0, "d_zz": 0.3e-9}
        >>> kurtosis = dict.fromkeys(KURTOSIS_ELEMENTS, 0.0) | {"w_xxxx": 1.0, "w_yyyy": 0.5, "w_zzzz": 0.5, "w_yyzz": 0.5 / 3}
        >>> maps = kurtosis_maps(tensor | kurtosis)
        >>> print(f"{maps.axial_kurtosis:.3f} {maps.radial_kurtosis:.3f}")
        0.203 3.265

        ```
    """
    both = stacked(parameters, TENSOR_ELEMENTS), stacked(parameters, KURTOSIS_ELEMENTS)
    voxels = jnp.concatenate([both[0] / UNIT, both[1]], axis=-1)
    return _mapped(voxels)


@jax.jit
def _mapped(voxels: Float[Array, "*voxels element"]) -> KurtosisMaps:
    sphere, weights = (jnp.asarray(part, voxels.dtype) for part in half_sphere(POLAR, AZIMUTHAL))
    angle = math.pi * np.arange(AROUND) / AROUND
    circle = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)]), voxels.dtype)

    def of_voxel(elements: Float[Array, " element"]) -> KurtosisMaps:
        tensor, kurtosis = elements[:6], elements[6:]
        vectors = eigensystem(tensor)[1]
        apparent = lambda directions: (
            mean_diffusivity(tensor) ** 2 * along(kurtosis, directions) / along(tensor, directions) ** 2
        )
        around = (vectors[:, 1:] @ circle).T
        diagonal, mixed = kurtosis[jnp.array([0, 10, 14])], kurtosis[jnp.array([3, 5, 12])]
        return KurtosisMaps(
            jnp.sum(weights * apparent(sphere)),
            apparent(vectors[:, :1].T)[0],
            jnp.mean(apparent(around)),
            (jnp.sum(diagonal) + 2 * jnp.sum(mixed)) / 5,
        )

    maps = of_every_voxel(of_voxel, voxels.reshape(-1, voxels.shape[-1]))
    return jax.tree.map(lambda leaf: leaf.reshape(voxels.shape[:-1]), maps)


def half_sphere(n_polar: int, n_azimuthal: int) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Directions and weights, whose sum is one, of a product rule; opposite directions are the same."""
    cosine, weights = np.polynomial.legendre.leggauss(n_polar)
    azimuth = 2 * np.pi * np.arange(n_azimuthal) / n_azimuthal
    upper = cosine > 0
    z, phi = (part.ravel() for part in np.meshgrid(cosine[upper], azimuth, indexing="ij"))
    radius = np.sqrt(1 - z**2)
    directions = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)
    return directions, np.repeat(weights[upper], n_azimuthal) / n_azimuthal
