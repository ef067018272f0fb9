"""The figure of `mrjax simulate` and `mrjax reconstruct`: k-space, the image, and what it is of."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrjax.cli.raw_images import CoilData, coil_data, contrasts
from mrjax.cli.scene import Scene
from mrjax.io import RawData
from mrjax.plot import k_space, parameter_map

BRIGHT = 99.5
"""Percentile of an image that is drawn white."""


def draw(path: Path, raw: RawData, images: np.ndarray, scene: Scene | None = None) -> Path:
    """k-space and the first image, and the phantom with its field map where there are any."""
    panels = 2 if scene is None else 3 if scene.fields is None else 4
    figure = Figure(figsize=(4.6 * panels, 4.2), layout="constrained")
    axes = figure.subplots(1, panels)
    (_, chosen), *_ = contrasts(raw)
    _draw_k_space(axes[0], coil_data(raw, chosen))
    _draw_plane(axes[1], np.abs(images[..., 0]), raw.fov, raw.matrix, _title(images.shape[-1]))
    if scene is not None:
        extent = _size(scene)
        _draw_plane(
            axes[2], scene.reference, extent, scene.phantom.shape, "proton density of the phantom", centred=True
        )
        if scene.fields is not None:
            field = np.asarray(scene.fields.off_resonance)
            mask = np.asarray(scene.phantom.mask)
            parameter_map(_plane(field), "off_resonance", mask=_plane(mask), axes=axes[3])
    figure.savefig(path, dpi=130)
    return path


def _title(n: int) -> str:
    return "image" if n == 1 else f"first of {n} images"


def _draw_k_space(axes: Any, data: CoilData) -> None:
    if data.k_space is None:
        k_space(data.samples, data.trajectory, axes=axes)
    else:
        fov = tuple(n * size for n, size in zip(data.n_voxels, data.voxel_size, strict=True))
        k_space(_plane_of_coils(data.k_space), field_of_view=fov[:2], axes=axes)
    axes.set_title("k-space" if len(data.samples) == 1 else f"k-space, {len(data.samples)} coils together")


def _draw_plane(axes: Any, image: np.ndarray, fov: Any, shape: Any, title: str, *, centred: bool = False) -> None:
    """Upright, with a ruler whose zero is the isocentre."""
    plane = _plane(image)
    first = [-(n - 1) / 2 if centred else -(n // 2) for n in shape[:2]]
    step = [length / n * 1e3 for length, n in zip(fov[:2], shape[:2], strict=True)]
    (left, right), (bottom, top) = (
        ((start - 0.5) * size, (start - 0.5 + n) * size) for start, size, n in zip(first, step, shape, strict=False)
    )
    drawn = axes.imshow(
        plane.T,
        origin="lower",
        extent=(left, right, bottom, top),
        cmap="gray",
        vmin=0,
        vmax=np.percentile(plane, BRIGHT),
    )
    axes.set(title=title, xlabel="x (mm)", ylabel="y (mm)")
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)


def _size(scene: Scene) -> tuple[float, ...]:
    return tuple(n * size for n, size in zip(scene.phantom.shape, scene.phantom.voxel_size, strict=True))


def _plane(volume: np.ndarray) -> np.ndarray:
    """The middle one along z."""
    return volume if volume.ndim == 2 else volume[..., volume.shape[2] // 2]


def _plane_of_coils(grid: np.ndarray) -> np.ndarray:
    return grid if grid.ndim == 3 else grid[..., grid.shape[3] // 2]
