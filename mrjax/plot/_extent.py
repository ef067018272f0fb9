"""Where the pixels of images are."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style

Extent = tuple[float, float, float, float]


def extent_of(shape: tuple[int, ...], voxel_size: Any) -> Extent | None:
    """Edges of an image in mm; None without a size of voxels."""
    return None if voxel_size is None else edges(shape, pair(voxel_size, "voxel_size") * 1e3)


def pair(value: Any, name: str) -> np.ndarray:
    """A positive number, or one for x and one for y, as two."""
    sizes = np.asarray(value, float)
    if sizes.shape not in ((), (2,)) or not np.all((sizes > 0) & np.isfinite(sizes)):
        raise ValueError(f"`{name}` must be a positive number or two (m), but got {value!r}.")
    return np.broadcast_to(sizes, 2)


def edges(shape: tuple[int, ...], step: np.ndarray) -> Extent:
    """Left, right, bottom and top of a grid whose point `n // 2` lies at zero."""
    (left, right), (bottom, top) = (
        (float((-(n // 2) - 0.5) * size), float((n - n // 2 - 0.5) * size)) for n, size in zip(shape, step, strict=True)
    )
    return left, right, bottom, top


def show(axes: Axes, image: np.ndarray, extent: Extent | None, **options: Any) -> Any:
    """Draw an image `(x, y)` or `(x, y, 3)` upright: x to the right, y upwards; with a ruler in mm where its extent is known."""
    drawn = axes.imshow(image.swapaxes(0, 1), origin="lower", extent=extent, interpolation="nearest", **options)
    if extent is None:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        axes.set_xlabel("x (mm)")
        axes.set_ylabel("y (mm)")
    return drawn


def as_images(values: Any, name: str) -> np.ndarray:
    """One image or several as `(n, nx, ny)`."""
    images = _style.as_numbers(values)
    if images.ndim not in (2, 3) or not images.size:
        raise ValueError(
            f"`{name}` must be one image, (nx, ny), or several, (n, nx, ny), but got shape {images.shape}."
        )
    return images if images.ndim == 3 else images[None]


def largest(values: np.ndarray, percentile: float = 99.5) -> float:
    """A percentile of finite magnitudes, so that a single pixel does not darken the rest."""
    finite = np.abs(values[np.isfinite(values)])
    found = float(np.percentile(finite, percentile)) if finite.size else 0.0
    return found or float(finite.max(initial=0.0)) or 1.0
