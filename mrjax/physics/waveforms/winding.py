"""What gradients of a sequence wind across a voxel."""

import math
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence import AbstractContainer, AbstractRF, AbstractScannerEvent, Gradient
from mrjax.sequence.gradients import AXES
from mrjax.sequence.walk import Located, events_of

WHOLE = 1e-3
"""Part of a cycle by which a winding may miss a whole number."""


def gradient_axes(sequence: AbstractContainer) -> tuple[str, ...]:
    """Along which the sequence plays gradients."""
    used = {gradient.axis for _, gradient in _gradients(sequence)}
    return tuple(axis for axis in AXES if axis in used)


def wound_by_gradients(sequence: AbstractContainer, per_area: Float[Array, " 3"], known: int | None) -> int:
    """Cycles that all gradients together wind at most, along the axis where they wind most.

    **Arguments:**

    - `per_area`: Cycles per T s/m along x, y and z.
    - `known`: The number of spins, where it is given.

    **Raises:** `ValueError` where gradients are traced and the number of spins is not known.
    """
    found = list(_gradients(sequence))
    if not _known([gradient for _, gradient in found], per_area):
        if known is None:
            raise ValueError(
                "`n`, the number of spins, must be given where gradients or `voxel_size` are traced: how many are needed is "
                "not known then."
            )
        return 0
    cycles = dict.fromkeys(AXES, 0.0)
    for located, gradient in found:
        area = np.broadcast_to(_absolute_area(gradient), located.repeats).sum()
        cycles[gradient.axis] += float(area * per_area[AXES.index(gradient.axis)])
    return math.ceil(max(cycles.values()) - 1e-6)


def reads_under_gradients(sequence: AbstractContainer) -> bool:
    """Whether samples are taken while a gradient is on, when what is wound is no whole number of cycles."""
    together = [located.event for located in events_of((sequence,)) if isinstance(located.event, AbstractScannerEvent)]
    return any(event.n_samples and any(True for _ in event.played(Gradient)) for event in together)


def require_whole_cycles(sequence: AbstractContainer, per_area: Float[Array, " 3"]) -> None:
    """Refuse what diffusion over a periodic voxel cannot be computed for; traced gradients pass.

    **Raises:** `ValueError` that names the event.
    """
    if len(gradient_axes(sequence)) > 1:
        raise ValueError("`diffusion` needs all gradients along one axis; leave it out, or play along one axis.")
    for located in events_of((sequence,)):
        event = located.event
        if not isinstance(event, AbstractScannerEvent):
            continue
        gradients = list(event.played(Gradient))
        if gradients and any(True for _ in event.played(AbstractRF)):
            raise ValueError(
                f"{located.name}: with `diffusion`, RF cannot be played while a gradient is on; leave out the gradient or the "
                "diffusion, or use an instantaneous Pulse."
            )
        if not gradients or not _known(gradients, per_area):
            continue
        cycles = np.asarray(sum(gradient.area for gradient in gradients) * per_area[AXES.index(gradients[0].axis)])
        if np.any(np.abs(cycles - np.round(cycles)) > WHOLE):
            raise ValueError(
                f"{located.name}: with `diffusion`, gradients must wind a whole number of cycles over `voxel_size`, but wind "
                f"{cycles.flat[0]:.4g}; choose `voxel_size` accordingly."
            )


def _known(gradients: list[Gradient], per_area: Array) -> bool:
    return all(map(_checks.is_concrete, jax.tree.leaves((gradients, per_area))))


def _absolute_area(gradient: Gradient) -> np.ndarray | np.floating:
    waveform, times = np.asarray(gradient.waveform), np.asarray(gradient.times)
    means = (np.abs(waveform[..., 1:]) + np.abs(waveform[..., :-1])) / 2
    return np.sum(means * np.diff(times, axis=-1), axis=-1)


def _gradients(sequence: AbstractContainer) -> Iterator[tuple[Located, Gradient]]:
    for located in events_of((sequence,)):
        if isinstance(located.event, AbstractScannerEvent):
            for gradient in located.event.played(Gradient):
                yield located, gradient
