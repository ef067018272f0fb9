"""Images of one series, and maps that must lie on the same voxels."""

from pathlib import Path

import numpy as np

from mrjax.io import FileError, Image, require_same_place


class CountError(FileError):
    """A file holds another number of signals than it should."""


def series(paths: list[Path], images: list[Image], n: int, option: str) -> Image:
    """One image with `n` measurements on its last, fourth axis; from one series, or from a volume for each measurement.

    Raises `CountError` for another number of measurements than `option` gives, `FileError` for shapes or places that differ.
    """
    if len(images) == 1:
        return _one_series(paths[0], images[0], n, option)
    volumes = [_volume(path, image) for path, image in zip(paths, images, strict=True)]
    shapes = {image.data.shape for image in volumes}
    if len(shapes) > 1:
        raise FileError(f"All images must have the same shape, but got {', '.join(map(str, sorted(shapes)))}.")
    for path, volume in zip(paths[1:], volumes[1:], strict=True):
        require_same_place(str(path), volume, str(paths[0]), volumes[0])
    if len(volumes) != n:
        raise CountError(
            f"There are {len(volumes)} images, but {option} gives {n} values; give one for each, in order."
        )
    return Image(np.stack([volume.data for volume in volumes], axis=-1), volumes[0].affine)


def on_the_grid(name: str, image: Image, images: Image) -> np.ndarray:
    """The values of a map in the shape of the voxels of `images`; `FileError` where it has others, or lies elsewhere."""
    shape = images.data.shape[:-1]
    if np.iscomplexobj(image.data):
        raise FileError(f"{name} must be real, but is complex.")
    if _without_trailing_ones(image.data.shape) != _without_trailing_ones(shape):
        raise FileError(f"{name} must have the shape of the images, {shape}, but got {image.data.shape}.")
    placed = Image(image.data.reshape(shape), image.affine)
    require_same_place(name, placed, "the images", Image(images.data[..., 0], images.affine))
    return placed.data


def _one_series(path: Path, image: Image, n: int, option: str) -> Image:
    data = image.data
    while data.ndim > 4 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim == 3:
        # one slice over time, as some converters store it: a volume alone could not be fitted
        data = data[:, :, None, :] if data.shape[-1] == n > 1 else data[..., None]
    if data.shape[-1] != n:
        count = f"{data.shape[-1]} images"
        if image.data.ndim == 3:
            count = f"one image, or {image.data.shape[-1]} of one slice"
        raise CountError(
            f"{path} has {count} (shape {image.data.shape}), but {option} gives {n} values; give one for each, in order."
        )
    return Image(data, image.affine)


def _volume(path: Path, image: Image) -> Image:
    """One of several images in three axes, without those of length one that some converters append."""
    data = image.data.reshape(*image.data.shape, *(1,) * (3 - image.data.ndim))
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim > 3:
        raise FileError(f"{path} is a series, {data.shape}; pass one series alone, or three-dimensional images.")
    return Image(data, image.affine)


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
