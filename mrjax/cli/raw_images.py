"""Images of raw data, whatever their trajectory: of each contrast, slice and repetition one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from mrjax import encoding, reconstruction
from mrjax.encoding.grid_samples import OFF_GRID
from mrjax.io import RawData, write_nifti

Method = Literal["adjoint", "cg-sense"]
APART = ("SLC", "ECO", "PHS", "REP", "SET")
"""Labels that tell images apart, where readouts that differ in one of them read the same line."""
CALIBRATION = (24, 6)
"""Samples along each axis of the middle of k-space from which coil maps are made: at most, and at least."""
ROUND = 0.25
"""Cycles per field of view by which curved trajectories may run past the last sample of the grid."""
ITERATIONS = {True: 30, False: 10}
"""Of conjugate gradients, on the grid and off it, where the density of samples speeds them up."""


@dataclass(frozen=True)
class CoilData:
    """Samples of one image, on the grid of k-space or off it."""

    n_voxels: tuple[int, ...]
    voxel_size: tuple[float, ...]
    samples: Complex[np.ndarray, "n_coils n"]
    trajectory: Float[np.ndarray, "n axes"] | None
    """None on the grid, where `samples` are all of k-space, zero where there are none."""
    sampled: Bool[np.ndarray, " n"] | None
    kind: str

    @property
    def k_space(self) -> Complex[np.ndarray, "n_coils *n_voxels"] | None:
        """On the grid; None off it."""
        return None if self.sampled is None else self.samples.reshape(-1, *self.n_voxels)


def images(
    raw: RawData, method: Method
) -> tuple[Complex[np.ndarray, "*voxels n"] | Float[np.ndarray, "*voxels n"], list]:
    """The images along the last axis, and of which labels each is.

    Pixels have the scale of the magnetisation that is in them. With several coils they are root sums of squares, or weighted by
    maps that have unit norm. Raises `ValueError` where the samples do not say where they are, or allow no maps.
    """
    groups = contrasts(raw)
    each = [image(coil_data(raw, chosen), method) for _, chosen in groups]
    return np.stack(each, axis=-1), [labels for labels, _ in groups]


def contrasts(raw: RawData) -> list[tuple[dict[str, int], Bool[np.ndarray, " n_readouts"]]]:
    """Labels and readouts of each image."""
    imaging = ~np.asarray(raw.labels.get("NAV", np.zeros(raw.signal.shape[1])), bool)
    apart = [name for name in APART if name in raw.labels and _reads_again(raw.labels, name, imaging)]
    if not apart:
        return [({}, imaging)]
    columns = np.stack([raw.labels[name] for name in apart], axis=-1)
    found = np.unique(columns[imaging], axis=0)
    return [
        (dict(zip(apart, map(int, row), strict=True)), imaging & np.all(columns == row[None], axis=-1)) for row in found
    ]


def _reads_again(labels: Mapping[str, np.ndarray], name: str, imaging: np.ndarray) -> bool:
    """Whether some line was read with several values of a label; the echoes of a train read a line each."""
    n = len(imaging)
    others = [key for key in ("LIN", "PAR", *APART) if key != name and key in labels]
    line = np.stack([np.asarray(labels[key]) for key in others] or [np.zeros(n, int)], axis=-1)[imaging]
    both = np.concatenate([line, np.asarray(labels[name])[imaging, None]], axis=-1)
    return len(np.unique(both, axis=0)) > len(np.unique(line, axis=0))


def coil_data(raw: RawData, chosen: Bool[np.ndarray, " n_readouts"]) -> CoilData:
    """Of some readouts; those that read one place of the grid are averaged."""
    rank = 3 if raw.matrix[2] > 1 else 2
    sizes, lengths = raw.matrix[:rank], np.array(raw.fov[:rank])
    voxel_size = tuple((lengths / np.array(sizes)).tolist())
    samples = raw.signal[:, chosen].reshape(len(raw.signal), -1)
    if raw.trajectory is None:
        indices, trajectory = _counted(raw, chosen, sizes), None
    else:
        trajectory = raw.trajectory[chosen].reshape(-1, 3)[:, :rank]
        _require_within(trajectory, sizes, lengths)
        indices = _on_grid(trajectory, sizes, lengths)
    if indices is None:
        return CoilData(sizes, voxel_size, samples, trajectory, None, raw.kind)
    times = np.bincount(indices, minlength=math.prod(sizes))
    grid = np.zeros((math.prod(sizes), len(samples)), samples.dtype)
    np.add.at(grid, indices, samples.T)
    grid /= np.maximum(times, 1)[:, None].astype(grid.dtype)
    return CoilData(sizes, voxel_size, grid.T, None, times > 0, raw.kind)


def _counted(raw: RawData, chosen: np.ndarray, sizes: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """Places by the counters of lines, where files have no trajectory."""
    if raw.kind not in ("cartesian", "epi"):
        raise ValueError(
            f"The file holds a trajectory of kind {raw.kind!r} but not where its samples are; export it with them."
        )
    n_readouts, n_samples = raw.signal.shape[1:]
    lines = [np.asarray(raw.labels.get(name, np.zeros(n_readouts, int)))[chosen] for name in ("LIN", "PAR")]
    if n_samples != sizes[0] or any(np.any(line >= n) for line, n in zip(lines, sizes[1:], strict=False)):
        raise ValueError(
            f"The file holds {n_samples} samples a line and lines up to {', '.join(str(line.max()) for line in lines)}, which "
            f"do not fit its matrix {' x '.join(map(str, sizes))}; export it with its trajectory."
        )
    backwards = np.asarray(raw.labels.get("REV", np.zeros(n_readouts, int)))[chosen] > 0
    along = np.where(backwards[:, None], np.arange(n_samples)[::-1][None], np.arange(n_samples)[None])
    where = (along, *(np.broadcast_to(line[:, None], along.shape) for line in lines[: len(sizes) - 1]))
    return np.ravel_multi_index(where, sizes).ravel()


def _require_within(trajectory: np.ndarray, sizes: tuple[int, ...], lengths: np.ndarray) -> None:
    reach = np.abs(trajectory).max(axis=0) * lengths
    for name, k, n in zip("xyz", reach, sizes, strict=False):
        if k > n / 2 + ROUND:
            raise ValueError(
                f"Samples reach {k:.4g} cycles per field of view along {name}, but {n} pixels hold up to {n / 2:g}: the matrix "
                f"must be at least {math.ceil(2 * (k - ROUND))} there."
            )


def _on_grid(trajectory: np.ndarray, sizes: tuple[int, ...], lengths: np.ndarray) -> Int[np.ndarray, " n"] | None:
    """Which points of k-space the samples are; None where some lie between."""
    places = trajectory * lengths + np.array(sizes) // 2
    whole = np.rint(places).astype(int)
    if np.abs(places - whole).max() > OFF_GRID or np.any(whole < 0) or np.any(whole >= np.array(sizes)):
        return None
    return np.asarray(np.ravel_multi_index(tuple(whole.T), sizes))


def image(data: CoilData, method: Method) -> np.ndarray:
    """One image, shape `n_voxels`; complex where one coil or a solver knows the phase."""
    weights = None if data.trajectory is None else density(data)
    if method == "adjoint":
        each = of_coils(data, weights)
        return np.asarray(each[0] if len(each) == 1 else reconstruction.root_sum_of_squares(each))
    maps = coil_maps(data, weights)
    if data.k_space is not None:
        root = math.sqrt(math.prod(data.n_voxels))
        operator = encoding.sense(maps, mask=np.asarray(data.sampled).reshape(data.n_voxels))
        found = reconstruction.cg_sense(operator, data.k_space, n_iterations=ITERATIONS[True]) / root
    else:
        operator = encoding.Nufft(data.trajectory, data.n_voxels, data.voxel_size) @ encoding.Coils(maps)
        found = reconstruction.cg_sense(operator, data.samples, weights=weights, n_iterations=ITERATIONS[False])
    return np.asarray(found)


def density(data: CoilData) -> Float[Array, " n"]:
    """The share of k-space of each sample off the grid."""
    assert data.trajectory is not None
    return encoding.iterative_density(encoding.Nufft(data.trajectory, data.n_voxels, data.voxel_size))


def of_coils(data: CoilData, weights: Any) -> Complex[Array, "n_coils *n_voxels"]:
    """The adjoint of each coil."""
    if data.trajectory is None:
        return encoding.Fourier(data.n_voxels).adjoint(jnp.asarray(data.k_space)) / math.sqrt(math.prod(data.n_voxels))
    return encoding.Nufft(data.trajectory, data.n_voxels, data.voxel_size).adjoint(
        jnp.asarray(data.samples) * weights[None]
    )


def coil_maps(data: CoilData, weights: Any) -> Complex[Array, "n_coils *n_voxels"]:
    """By ESPIRiT from the middle of k-space, of unit norm; one coil sees all alike."""
    n_coils = len(data.samples)
    if n_coils == 1:
        return jnp.ones((1, *data.n_voxels), data.samples.dtype)
    k_space = data.k_space
    if k_space is None:
        k_space = np.asarray(encoding.Fourier(data.n_voxels)(of_coils(data, weights)))
    sampled = np.ones(data.n_voxels, bool) if data.sampled is None else data.sampled.reshape(data.n_voxels)
    for width in range(CALIBRATION[0], CALIBRATION[1] - 1, -1):
        box = tuple(
            slice(n // 2 - min(width, n) // 2, n // 2 - min(width, n) // 2 + min(width, n)) for n in data.n_voxels
        )
        if sampled[box].all():
            return reconstruction.espirit(k_space[(slice(None), *box)], data.n_voxels)[0]
    raise ValueError(
        f"cg-sense needs the middle {CALIBRATION[1]} lines of k-space fully sampled along each axis, to make coil maps; take "
        "--method adjoint."
    )


def write_images(path: Path, raw: RawData, each: np.ndarray) -> Path:
    """Magnitudes as NIfTI, with an axis of contrasts where there are several; x, y and z as the scanner has them."""
    planes = np.abs(each) if each.ndim == 4 else np.abs(each)[:, :, None]
    return write_nifti(path, planes[..., 0] if planes.shape[-1] == 1 else planes, affine_of(raw))


def affine_of(raw: RawData) -> Float[np.ndarray, "4 4"]:
    """From voxels to mm: x, y and z of the scanner, with voxel n // 2 at its middle."""
    size = np.array(raw.fov) / np.array(raw.matrix) * 1e3
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = -size * (np.array(raw.matrix) // 2)
    return affine
