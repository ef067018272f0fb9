"""Orders for what gradients wind: the axis, the voxel size, and the grid on which they have to lie."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.physics.epg.events import PulseRotation, WindingInterval, area_of, in_runs, intervals_of, wholes
from mrjax.physics.waveforms.scanner_events import is_waveform, together_of
from mrjax.physics.waveforms.winding import WHOLE, gradient_axes
from mrjax.sequence import AbstractContainer, AbstractEvent, Together
from mrjax.sequence.partial_orders import Order, near_fraction
from mrjax.sequence.walk import Located
from mrjax.tissue import Tissue

LARGEST_DENOMINATOR = 16
"""Of the parts of a cycle that gradients may wind, unless `orders_per_cycle` is given."""

BALANCED = 1e-5
"""PartOfTogether of what a gradient could wind by which it may miss balance: rounding in float32."""

NEAR = 0.1
"""PartOfTogether by which a voxel size may be changed rather than cut cycles more finely."""

HINT = (
    "change its area or `voxel_size`, play `Dephase`, use `engine=Isochromats(...)`, or give `EPG(orders_per_cycle=)` of which "
    "it is a multiple"
)

Container = TypeVar("Container", bound=AbstractContainer)


@dataclass(frozen=True)
class Extent:
    """Of a voxel: the axis along which gradients wind, and cycles per T s/m."""

    axis: str | None
    cycles_per_area: float | None
    """None where it is traced."""
    orders_per_cycle: int | None
    suggestion: str = ""
    """What voxel size would serve, for errors."""

    @classmethod
    def of(
        cls,
        sequence: AbstractContainer,
        tissue: Tissue,
        axis: str | None,
        voxel_size: Float[Array, ""] | None,
        gyromagnetic_ratio: float,
        orders_per_cycle: int | None,
    ) -> "Extent":
        """That of a sequence: gradients wind along the axis that is given, or along the only one they can wind along."""
        idle = () if tissue.has("diffusion") else idle_axes(sequence)
        used = tuple(
            name for name in gradient_axes(sequence) if name not in idle or (name == axis and voxel_size is not None)
        )
        winding = _winding_axis(used, tissue, axis, voxel_size is not None)
        if tissue.has("diffusion") and (others := [name for name in used if name != winding]):
            raise ValueError(
                f"With `diffusion`, EPG needs all gradients along the axis that winds, but the sequence has gradients along "
                f"{' and '.join(others)}."
            )
        if winding is None or not _checks.is_concrete(voxel_size):
            return cls(winding, None, orders_per_cycle)
        size = float(np.asarray(voxel_size))
        per_area = size * gyromagnetic_ratio / (2 * math.pi)
        return cls(winding, per_area, orders_per_cycle, suggested(sequence, winding, per_area, size, orders_per_cycle))


def in_parts(container: Container, extent: Extent, path: tuple[int, ...] = ()) -> Container:
    """A sequence with everything that lasts in parts."""
    entries = []
    for position, entry in in_runs(container):
        here = (*path, position)
        if isinstance(entry, AbstractContainer):
            entries.append(in_parts(entry, extent, here))
        elif is_waveform(entry):
            whole = together_of(entry, "EPG")
            entries += _parts(whole, extent, _name(container, position, here))
        else:
            entries.append(entry)
    return eqx.tree_at(lambda container: container.events, container, tuple(entries))


def _name(container: AbstractContainer, position: int, path: tuple[int, ...]) -> str:
    """How messages call an event, or the first of a row."""
    event = container.events[position]
    assert isinstance(event, AbstractEvent), "containers have no name"
    return Located(event, path, ()).name


def _parts(whole: Together, extent: Extent, name: str) -> Iterator[AbstractEvent]:
    for interval in intervals_of(whole, extent.axis):
        yield dataclasses.replace(interval, order=_order(interval, extent, name))
        if interval.number % 3 == 1:
            yield PulseRotation(whole, interval.number)


def idle_axes(sequence: AbstractContainer) -> tuple[str, ...]:
    """Axes along which gradients wind nothing between pulses, and no sample is taken while they are on."""
    played = list(wholes(sequence))
    return tuple(axis for axis in gradient_axes(sequence) if all(_is_idle(whole, axis) for whole in played))


def _is_idle(whole: Together, axis: str) -> bool:
    for interval in intervals_of(whole, axis):
        gradients = [gradient for _, gradient in interval.winding_gradients]
        if not gradients:
            continue
        known = all(map(_checks.is_concrete, jax.tree.leaves(gradients)))
        peak = lambda leaf: np.max(np.abs(np.asarray(leaf)))
        swept = sum(peak(gradient.waveform) * peak(gradient.times) for gradient in gradients) if known else 0.0
        if interval.n_samples or not known or not np.all(np.abs(area_of(interval)) <= BALANCED * swept):
            return False
    return True


def suggested(
    sequence: AbstractContainer, axis: str | None, per_area: float, size: float, orders_per_cycle: int | None
) -> str:
    """The voxel size nearest to the given one at which all gradients wind whole cycles, or simple fractions; a sentence."""
    areas = [
        np.ravel(area_of(i)) for whole in wholes(sequence) for i in intervals_of(whole, axis) if i.winding_gradients
    ]
    cycles = np.abs(per_area * np.concatenate([np.zeros(1), *areas]))
    cycles = np.unique(np.round(cycles[np.isfinite(cycles) & (cycles > WHOLE)], 6))
    parts = (orders_per_cycle,) if orders_per_cycle else range(1, LARGEST_DENOMINATOR + 1)
    fitting = []
    for n in parts if len(cycles) else ():
        whole = np.unique(np.maximum(1, np.round(cycles[0] * n) + np.arange(-3, 4)))
        scales = whole / n / cycles[0]
        misses = np.abs(cycles * scales[:, None] * n - np.round(cycles * scales[:, None] * n)) / n
        fitting += [float(scale) for scale in scales[np.all(misses < WHOLE / 10, axis=1)]]
        if any(abs(scale - 1) < NEAR for scale in fitting):
            break
    if not fitting:
        return ""
    nearest = size * min(fitting, key=lambda scale: abs(math.log(scale)))
    return f" The nearest `voxel_size` at which all gradients of the sequence do is {nearest:.8g} m."


def _order(interval: WindingInterval, extent: Extent, name: str) -> Order:
    """The cycles that are wound, where they are known and a multiple of the grid; an error that names the event otherwise."""
    if not interval.winding_gradients:
        return 0
    area = area_of(interval)
    if extent.cycles_per_area is None or np.any(np.isnan(area)):
        raise ValueError(
            f"{name}: EPG must know how far gradients wind before it computes, but gradients, times or `voxel_size` are traced "
            "(by jit, grad or vmap); make them outside of the function that is transformed, play `Dephase`, or use "
            "`engine=Isochromats(...)`."
        )
    return _whole_orders(np.ravel(extent.cycles_per_area * area), extent, name)


def _whole_orders(cycles: np.ndarray, extent: Extent, name: str) -> Order:
    parts, first = extent.orders_per_cycle, float(cycles[0])
    nearest = lambda parts: Fraction(round(first * parts), parts)
    order = near_fraction(first, LARGEST_DENOMINATOR, WHOLE) if parts is None else nearest(parts)
    if order is None or abs(first - order) > WHOLE:
        due = f"of 1/{parts} cycle" if parts else "of a cycle or a simple fraction of one"
        raise ValueError(
            f"{name}: EPG needs gradients that wind a multiple {due} over `voxel_size`, but this winds {first:.6g}; {HINT}."
            + extent.suggestion
        )
    if np.any(np.abs(cycles - first) > WHOLE):
        raise ValueError(
            f"{name}: EPG needs gradients that wind as much in every repetition, but this winds {cycles.min():.6g} to "
            f"{cycles.max():.6g} cycles over `voxel_size`; use `engine=Isochromats(...)`."
        )
    return int(order) if order.denominator == 1 else order


def _winding_axis(used: tuple[str, ...], tissue: Tissue, axis: str | None, has_size: bool) -> str | None:
    """Along which gradients wind: the one that is given, or the only one that can."""
    without = [name for name in used if not tissue.has(name)]
    if axis is None:
        candidates = without or list(used) if has_size else without
        if len(candidates) > 1:
            raise ValueError(
                f"EPG winds along one axis, but the sequence has gradients along {' and '.join(candidates)}; give the tissue "
                f"positions ({', '.join(candidates)}, in m) and say `EPG(axis=)`, or use `engine=Isochromats(...)`."
            )
        axis = candidates[0] if candidates else None
    elif missing := [name for name in without if name != axis]:
        raise ValueError(
            f"EPG winds along {axis} alone, but the sequence has gradients along {' and '.join(missing)}; give the tissue "
            "positions there (m), or use `engine=Isochromats(...)`."
        )
    if axis in used and not has_size:
        raise ValueError(
            f"Gradients along {axis} wind across the voxel: pass `voxel_size` (m) to EPG, or give the tissue its positions "
            f"`{axis}` (m), at which voxels are points."
        )
    return axis if axis in used else None
