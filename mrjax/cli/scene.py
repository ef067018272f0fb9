"""What `mrjax simulate` puts into the scanner: a phantom around the isocentre, fields and receive coils."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax import phantoms
from mrjax.phantoms import Phantom
from mrjax.tissue import Tissue

PHANTOMS = {
    "brain": (0.218, 0.218, 0.162),
    "shepp_logan": (0.2, 0.2, 0.2),
    "tubes": (0.14, 0.14),
}
"""By name, and how far each reaches along its axes in m."""

STORED = (109, 109, 81)
"""Voxels of the brain as it is kept."""


@dataclass(frozen=True)
class Scene:
    """An object at the isocentre."""

    name: str
    phantom: Phantom
    fields: phantoms.BrainFields | None
    moved: tuple[float, float, float]
    """From where the phantom has its positions, in m."""

    @property
    def reference(self) -> np.ndarray:
        """Proton density on the grid of the phantom."""
        return np.asarray(self.phantom.compartments().m0).sum(0)

    def spins(self, sub_spins: tuple[int, ...]) -> Tissue:
        """With as many spins along each axis of a voxel, and the fields at each."""
        fields = {} if self.fields is None else self.fields._asdict()
        return self.phantom.spins(sub_spins, **fields)

    def coils(self, spins: Tissue, n_coils: int) -> Any:
        """Maps of a birdcage; None for one coil that sees all alike."""
        return None if n_coils == 1 else phantoms.birdcage_coils(spins, n_coils)


def scene(name: str, matrix: tuple[int, ...], slice: int | None, field_strength: float, with_fields: bool) -> Scene:
    """A phantom in at least the resolution of the image, its middle at the isocentre.

    Raises `ValueError` where it has no third axis, no slices or no fields.
    """
    if name != "brain" and (slice is not None or with_fields):
        option = "--slice" if slice is not None else "--fields"
        raise ValueError(f"{option} is of the brain, but --phantom is {name}; leave it out.")
    if len(matrix) > len(PHANTOMS[name]):
        raise ValueError(
            f"--phantom {name} is one plane, but the sequence encodes three axes; take brain or shepp_logan."
        )
    phantom = MAKERS[name](matrix, slice, field_strength)
    fields = phantoms.brain_fields(phantom, b0=field_strength) if with_fields else None
    affine = np.array(phantom.affine)
    middle = affine @ [*((n - 1) / 2 for n in phantom.shape), *(0.0,) * (3 - len(phantom.shape)), 1.0]
    affine[:3, 3] -= middle[:3]
    centred = dataclasses.replace(phantom, affine=affine)
    return Scene(name, centred, fields, tuple((-1e-3 * middle[:3]).tolist()))


def _brain(matrix: tuple[int, ...], slice: int | None, field_strength: float) -> Phantom:
    """In its own resolution, unless that is finer than half a pixel, or coarser than one."""
    if len(matrix) == 3 and slice is not None:
        raise ValueError("--slice must be left out where the sequence encodes three axes: it images the volume.")
    shape = tuple(min(max(stored, n), 2 * n) for stored, n in zip(STORED, matrix, strict=False))
    return phantoms.brain(shape, slice=slice, field_strength=field_strength)


def _twice(maker: Callable[..., Phantom]) -> Callable[..., Phantom]:
    """Twice as fine as the image, so that edges need not lie between its pixels."""
    return lambda matrix, slice, field_strength: maker(tuple(2 * n for n in matrix), field_strength=field_strength)


MAKERS = {"brain": _brain, "shepp_logan": _twice(phantoms.shepp_logan), "tubes": _twice(phantoms.tubes)}
