"""Where a sequence exceeds what a scanner can play."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mrjax.sequence.base import AbstractContainer, AbstractIdealEvent
from mrjax.sequence.events import Delay
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.hardware.event_times import EventTimes, PartTimes, event_times
from mrjax.sequence.hardware.findings import ROUNDING, SLACK, name_of, off_raster, relative, worst
from mrjax.sequence.hardware.gradient_joints import breaches_between
from mrjax.sequence.hardware.gradient_limits import gradient_breaches
from mrjax.sequence.hardware.limits import Limits
from mrjax.sequence.hardware.whole_sequence import breaches_of_the_whole
from mrjax.sequence.labels import AbstractNote
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import AbstractRF
from mrjax.sequence.tracks import AbstractScannerEvent

CHECKED = (AbstractRF, Gradient, Readout, Delay)
"""The events of channels whose limits are known."""


def limit_breaches(limits: Limits, sequence: AbstractContainer) -> list[str]:
    """What the scanner cannot play, in the order of the sequence."""
    playings = event_times(sequence)
    found = [(number, breach) for number, one in enumerate(playings) for breach in _breaches_of(limits, one)]
    found += breaches_between(limits, playings)
    of_events = [breach for _, breach in sorted(found, key=lambda numbered: numbered[0])]
    return [*of_events, *breaches_of_the_whole(limits, sequence)]


def _breaches_of(limits: Limits, one: EventTimes) -> Iterator[str]:
    yield from _kind_breaches(one)
    duration = one.duration
    if (at := worst(np.where(np.isfinite(duration), 0.0, np.inf))) is not None:
        yield f"{name_of(one, repetition=at)}: lasts forever"
    elif (at := worst(off_raster(duration, limits.block_raster))) is not None:
        yield f"{name_of(one, repetition=at)}: {_no_multiple('lasts', duration[at], 'block_raster', limits)}"
    for part in one.parts:
        yield from _rf_breaches(limits, one, part)
        yield from _raster_breaches(limits, one, part)
    yield from _dead_times(limits, one, [part for part in one.parts if isinstance(part.event, AbstractRF | Readout)])
    yield from gradient_breaches(limits, one)


def _kind_breaches(one: EventTimes) -> Iterator[str]:
    """Events that no scanner plays, and those of which it is not known how one does."""
    match one.event:
        case AbstractIdealEvent():
            if not one.event.is_nothing:
                yield f"{name_of(one)}: cannot be played; write {one.event.instead}"
        case AbstractScannerEvent():
            unknown = (type(part.event) for part in one.parts if not isinstance(part.event, CHECKED))
            for kind in dict.fromkeys(unknown):
                yield f"{name_of(one)}: {kind.__name__} is no RF, gradient, readout or delay, and is not checked"
        case AbstractNote():
            pass
        case _:
            yield (
                f"{name_of(one)}: {type(one.event).__name__} does not say how a scanner plays it; its class must be an "
                "AbstractIdealEvent, an AbstractScannerEvent or an AbstractNote"
            )


def _rf_breaches(limits: Limits, one: EventTimes, part: PartTimes) -> Iterator[str]:
    if not isinstance(part.event, AbstractRF):
        return
    strength = np.abs(part.event.b1_samples)
    begin = part.start[..., None] + np.asarray(part.event.dt)[..., None] * np.arange(strength.shape[-1])
    if (at := worst(relative(strength, limits.max_b1))) is not None:
        shape = np.broadcast_shapes(strength.shape, begin.shape)
        time = np.broadcast_to(begin, shape)[(*(0,) * (len(shape) - len(at)), *at)]
        yield (
            f"{name_of(one, [part], at[:-1])}: {strength[at] * 1e6:.6g} uT at {time * 1e3:.6g} ms of the event exceeds "
            f"max_b1 {limits.max_b1 * 1e6:.6g} uT"
        )


def _raster_breaches(limits: Limits, one: EventTimes, part: PartTimes) -> Iterator[str]:
    match part.event:
        case AbstractRF():
            verb = "lasts" if part.event.b1_samples.shape[-1] == 1 else "samples last"
            rasters = [(verb, part.event.dt, "rf_raster"), ("begins at", part.start, "rf_raster")]
        case Readout():
            rasters = [("dwells", part.event.dwell, "adc_raster"), ("begins at", part.start, "rf_raster")]
        case _:
            return
    for verb, time, raster in rasters:
        time = np.asarray(time)
        if (at := worst(off_raster(time, getattr(limits, raster)))) is not None:
            yield f"{name_of(one, [part], at)}: {_no_multiple(verb, time[at], raster, limits)}"


def _no_multiple(verb: str, time: Any, raster: str, limits: Limits) -> str:
    return f"{verb} {time * 1e6:.7g} us, no multiple of {raster} {getattr(limits, raster) * 1e6:.6g} us"


def _dead_times(limits: Limits, one: EventTimes, parts: list[PartTimes]) -> Iterator[str]:
    """Gaps before, between and after the pulses and readouts of an event, which follow each other in one track."""
    before = lambda part: ("adc_dead_time",) if isinstance(part.event, Readout) else ("rf_dead_time",)
    after = lambda part: ("adc_dead_time",) if isinstance(part.event, Readout) else ("rf_ringdown",)
    kind = lambda part: "readout" if isinstance(part.event, Readout) else "pulse"
    for i, part in enumerate(parts):
        since, needs = (parts[i - 1].end, after(parts[i - 1])) if i else (np.zeros(()), ())
        whence = f"after the {kind(parts[i - 1])} before it" if i else "after the event does"
        yield from _gap(
            limits, one, part, part.start - since, needs + before(part), f"the {kind(part)} begins {{}} {whence}"
        )
    if parts:
        gap = one.duration - parts[-1].end
        yield from _gap(
            limits, one, parts[-1], gap, after(parts[-1]), f"the event ends {{}} after the {kind(parts[-1])}"
        )


def _gap(
    limits: Limits, one: EventTimes, part: PartTimes, gap: Any, needs: tuple[str, ...], what: str
) -> Iterator[str]:
    needed = sum(getattr(limits, name) for name in needs)
    # gaps are differences of times, whose rounding is that of the longer ones
    lacking = relative(needed - gap, needed * SLACK + ROUNDING * float(np.max(one.duration)))
    if (at := worst(lacking)) is not None:
        reason = " and ".join(f"{name} {getattr(limits, name) * 1e6:.6g} us" for name in needs)
        passed = what.format(f"{np.asarray(gap)[at] * 1e6:.6g} us")
        yield f"{name_of(one, [part], at)}: {passed}, but {reason} must pass; put a Delay there"
