"""Coil maps from the fully sampled centre of k-space: ESPIRiT."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding.grids import checked_shape


def espirit(
    calibration: ArrayLike,
    shape: tuple[int, ...],
    *,
    kernel_width: int = 6,
    threshold: float = 0.02,
    crop: float = 0.95,
) -> tuple[Array, Array]:
    r"""Coil maps as eigenvectors of what calibration data have in common.

    Patches of the calibration region span a space of few dimensions. An image's k-space has all its patches in it, and so at
    each position the sensitivities are the eigenvector, with eigenvalue 1, of

    $$G_{c d}(r) = \frac{1}{w^D} \sum_{p, q} P_{c p, \, d q} \, e^{2 \pi i (p - q) \cdot r}$$

    with the projection $P$ onto the patches, of width $w$.

    **Arguments:**

    - `calibration`: The centre of k-space, zero frequency at n // 2, of one to three axes. Shape `(n_coils, *n)`; about 24 an
        axis.
    - `shape`: Voxels of the maps along each axis.
    - `kernel_width`: $w$, at least 2 and at most the smallest axis of `calibration`.
    - `threshold`: Singular values of the patches below this part of the largest count as noise, 0..1.
    - `crop`: Maps are zero where the eigenvalue is below it, 0..1: no signal is there, or no one map explains it.

    **Returns:** The maps, shape `(n_coils, *shape)`, of unit norm over coils, the phase of the first coil zero; and the
    eigenvalues, shape `shape`.

    **Error:** the maps are exact for sensitivities whose k-space fits into the kernel; of an object's edge they know nothing.

    **Derivatives:** none: eigenvectors whose eigenvalues coincide, as those of noise do, have none, and JAX then gives nan.
    Maps are usually taken as known: differentiate what follows.

    **Raises:** `ValueError` for a calibration region smaller than the kernel or larger than the image, or numbers out of range.

    **Source:** Uecker, Lai, Murphy, Virtue, Elad, Pauly, Vasanawala, Lustig 2014.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Coils, Fourier
        >>> from mrjax.reconstruction import espirit
        >>> coils = jnp.stack([jnp.linspace(0.2, 1.0, 32), jnp.linspace(1.0, 0.2, 32) + 0j])
        >>> k_space = (Fourier(32) @ Coils(coils))(jnp.ones(32))
        >>> maps, eigenvalues = espirit(k_space[:, 4:28], shape=(32,))
        >>> ratio = maps[1] / maps[0]
        >>> bool(jnp.abs(ratio[12:20] - (coils[1] / coils[0])[12:20]).max() < 0.05)
        True

        ```
    """
    center = _checks.finite(_checks.number_array(calibration, "calibration"), "calibration")
    voxels = checked_shape(shape)
    _check(center.shape, voxels, kernel_width, threshold, crop)
    maps, value = _eigenmaps(center, voxels, kernel_width, threshold)
    return jnp.where((value > crop)[None], maps, 0.0), value


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _eigenmaps(center: Array, voxels: tuple[int, ...], kernel_width: int, threshold: float) -> tuple[Array, Array]:
    projection = _patch_space(center, kernel_width, threshold)
    matrices = _in_image(projection, center.shape[0], kernel_width, voxels)
    values, vectors = jnp.linalg.eigh(matrices)
    value, vector = values[..., -1], jnp.moveaxis(vectors[..., -1], -1, 0)
    size = jnp.abs(vector[:1])
    return vector * jnp.where(size > 0, vector[:1].conj() / jnp.where(size > 0, size, 1.0), 1.0), value


def _check(given: tuple[int, ...], voxels: tuple[int, ...], width: Any, threshold: float, crop: float) -> None:
    axes = given[1:]
    if len(axes) != len(voxels) or not axes:
        raise ValueError(f"`calibration` must have shape (n_coils, *n) with {len(voxels)} axes n, but got {given}.")
    if not 2 <= _checks.positive_integer(width, "kernel_width") <= min(axes):
        raise ValueError(f"`kernel_width` must be from 2 to the calibration's {min(axes)}, but got {width}.")
    if any(n > m for n, m in zip(axes, voxels, strict=True)) or any(2 * width > m + 1 for m in voxels):
        raise ValueError(f"`shape` must be that of the whole image, at least {axes}, but got {voxels}.")
    for name, value in (("threshold", threshold), ("crop", crop)):
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be at least 0 and below 1, but got {value}.")


def _patch_space(center: Array, width: int, threshold: float) -> Array:
    """The projection onto the patches; shape `(n_coils * width**D,) * 2`."""
    n_coils, axes = center.shape[0], center.shape[1:]
    starts = [range(n - width + 1) for n in axes]
    offsets = list(itertools.product(range(width), repeat=len(axes)))
    columns = [
        center[(slice(None), *(slice(o, o + len(s)) for o, s in zip(offset, starts, strict=True)))].reshape(n_coils, -1)
        for offset in offsets
    ]
    patches = jnp.stack(columns, axis=1).reshape(n_coils * len(offsets), -1)
    left, singular, _ = jnp.linalg.svd(patches, full_matrices=False)
    kept = left * (singular > threshold * singular[0])[None]
    return kept @ kept.conj().T


def _in_image(projection: Array, n_coils: int, width: int, voxels: tuple[int, ...]) -> Array:
    """The matrices at all voxels, `(*voxels, n_coils, n_coils)`: entries of the projection with one lag are summed first."""
    rank = len(voxels)
    offsets = np.array(list(itertools.product(range(width), repeat=rank)))
    lags = offsets[:, None] - offsets[None] + np.array(voxels) // 2
    places = np.ravel_multi_index(tuple(np.moveaxis(lags, -1, 0)), voxels)
    n = len(offsets)
    pairs = projection.reshape(n_coils, n, n_coils, n).transpose(0, 2, 1, 3).reshape(n_coils**2, n * n)
    summed = jnp.zeros((n_coils**2, int(np.prod(voxels))), projection.dtype).at[:, places.ravel()].add(pairs)
    grid = summed.reshape(n_coils**2, *voxels)
    axes = tuple(range(1, rank + 1))
    image = jnp.fft.fftshift(jnp.fft.ifftn(jnp.fft.ifftshift(grid, axes), axes=axes, norm="forward"), axes) / n
    return jax.lax.reshape(jnp.moveaxis(image, 0, -1), (*voxels, n_coils, n_coils))
