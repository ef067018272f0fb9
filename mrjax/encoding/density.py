"""Density compensation: weights with which the adjoint comes near the inverse."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding.grids import checked_voxel_size, positions, volume
from mrjax.encoding.nufft import Nufft


def radial_density(spokes: ArrayLike, voxel_size: Any) -> Array:
    r"""The share of k-space of each sample on straight spokes that are spread evenly over all directions.

    $$w_s = \frac{V}{n_\text{spokes}} \, g \, \max(|k_s|, k_0)^{D - 1} \, \mathrm{d}k$$

    with the volume $V$ of a voxel, $D$ axes, $g = \pi$ (2D) or $2 \pi$ (3D) for spokes from $-k$ to $k$ and twice that for
    spokes from the centre. $k_0$ gives samples at k = 0 the disc or ball of diameter $\mathrm{d}k$ that they share.

    **Arguments:**

    - `spokes`: $k$ in cycles/m. Shape `(n_spokes, n_samples, n_axes)`, two or three axes; at least two evenly
        spaced samples on each spoke, which passes through or starts at the centre.
    - `voxel_size`: Of the image that is reconstructed, in m, one number or one for each axis.

    **Returns:** $w$, shape `(n_spokes, n_samples)`; `Nufft.adjoint(w.ravel() * data)` is then the image, blurred by what
    was not sampled and streaked by spokes that are too few. The weights add up to the part of k-space that is covered.

    **Error:** of the kind of a midpoint rule; a ring that is cut by the end of spokes counts half a sample too much.

    **Raises:** `ValueError` for another shape.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import radial_density
        >>> angles = jnp.arange(4) * jnp.pi / 4
        >>> directions = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        >>> spokes = jnp.arange(-4.0, 4.0)[None, :, None] * directions[:, None, :]
        >>> print(radial_density(spokes, voxel_size=0.125)[0].round(4))
        [0.0491 0.0368 0.0245 0.0123 0.0031 0.0123 0.0245 0.0368]

        ```
    """
    k = _checks.real_array(spokes, "spokes")
    if k.ndim != 3 or k.shape[2] not in (2, 3) or k.shape[1] < 2:
        raise ValueError(f"`spokes` must have shape (n_spokes, n_samples >= 2, 2 or 3), but got {k.shape}.")
    n_axes = k.shape[2]
    radius = jnp.linalg.norm(k, axis=-1)
    step = jnp.linalg.norm(k[:, -1:] - k[:, :1], axis=-1) / (k.shape[1] - 1)
    # a spoke that goes beyond the centre has its ends on either side of it
    starts_at_center = (k[:, 0] * k[:, -1]).sum(-1, keepdims=True) > -0.5 * (step * radius.max(1, keepdims=True))
    solid = jnp.where(starts_at_center, 2.0, 1.0) * (math.pi if n_axes == 2 else 2 * math.pi)
    smallest = step / 4 if n_axes == 2 else step / math.sqrt(12)
    voxel = volume(checked_voxel_size(voxel_size, n_axes))
    return voxel * solid * jnp.maximum(radius, smallest) ** (n_axes - 1) * step / k.shape[0]


def iterative_density(encoding: Nufft, n_iterations: int = 30) -> Array:
    r"""The density of any trajectory by a fixed point: weights that a kernel spreads evenly over all samples.

    $$w_s \leftarrow w_s \, \Big/ \sum_{s'} C(k_s - k_{s'}) \, w_{s'}, \qquad
    C(k) = \prod_d \frac{1}{n_d} \left| \sum_{j = 1}^{n_d} e^{2 \pi i j k_d \Delta_d} \right|^2$$

    **Arguments:**

    - `encoding`: The `Nufft` of the trajectory.
    - `n_iterations`: At least 1.

    **Returns:** $w$, shape `(n_samples,)`, in the scale of `radial_density`.

    **Error:** samples at the rim of what is covered, beyond which the kernel finds none, get up to twice their share; within,
    those of 64 radial spokes are right to 5 % after 30 iterations.

    **Derivatives:** in the trajectory, through the iterations.

    **Raises:** `ValueError` for another number of iterations.

    **Source:** Pipe, Menon 1999. The kernel is Fejér's: it is not negative, so that no sum vanishes, and it is the
    transform of a triangle over the grid, which two NUFFTs of twice the grid apply.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Nufft, iterative_density
        >>> line = Nufft(jnp.arange(-8.0, 8.0)[:, None], shape=(16,), voxel_size=1 / 16)
        >>> bool(jnp.allclose(iterative_density(line), 1 / 16, rtol=1e-4))  # evenly spaced
        True

        ```
    """
    _checks.positive_integer(n_iterations, "n_iterations")
    start = jnp.ones(encoding.trajectory.shape[0], encoding.trajectory.dtype)

    shape = tuple(2 * n for n in encoding.shape)
    twice = Nufft(
        encoding.trajectory, shape, encoding.voxel_size, tolerance=encoding.tolerance, threads=encoding.threads
    )
    triangle = jnp.ones(twice.shape, start.dtype)
    for n, j in zip(encoding.shape, positions(twice.shape), strict=True):
        triangle = triangle * jnp.asarray(1 - np.abs(j) / n, start.dtype)

    def improved(weights: Array, _: None) -> tuple[Array, None]:
        return weights / twice.mv(triangle * twice.adjoint(weights)).real, None

    return jax.lax.scan(improved, start, length=n_iterations)[0]
