"""Where a sequence exceeds what a scanner can play."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mrjax.sequence.events import AbstractContainer, AbstractSample, Dephase, Pulse, Reset, Spoil
from mrjax.sequence.hardware.findings import ROUNDING, SLACK, name_of, off_raster, relative, worst
from mrjax.sequence.hardware.gradient_joints import breaches_between
from mrjax.sequence.hardware.gradient_limits import gradient_breaches
from mrjax.sequence.hardware.placed import Part, Placed, placed
from mrjax.sequence.hardware.scanner import Scanner
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave, ShapedPulse
from mrjax.sequence.together import RF

INSTEAD = {
    Pulse: "a ShapedPulse or a ContinuousWave",
    Dephase: "a Gradient",
    Spoil: "a Gradient",
    AbstractSample: "a Readout",
    Reset: "a Delay that is long enough",
}
"""What to write in place of events that no scanner can play."""


def limit_breaches(scanner: Scanner, sequence: AbstractContainer) -> list[str]:
    """What the scanner cannot play, in the order of the sequence."""
    playings = placed(sequence)
    found = [(number, breach) for number, one in enumerate(playings) for breach in _breaches_of(scanner, one)]
    found += breaches_between(scanner, playings)
    return [breach for _, breach in sorted(found, key=lambda numbered: numbered[0])]


def _breaches_of(scanner: Scanner, one: Placed) -> Iterator[str]:
    for kind, instead in INSTEAD.items():
        if isinstance(one.event, kind) and not _is_nothing(one.event):
            yield f"{name_of(one)}: cannot be played; write {instead}"
    duration = one.duration
    if (at := worst(np.where(np.isfinite(duration), 0.0, np.inf))) is not None:
        yield f"{name_of(one, repetition=at)}: lasts forever"
    elif (at := worst(off_raster(duration, scanner.block_raster))) is not None:
        yield f"{name_of(one, repetition=at)}: {_no_multiple('lasts', duration[at], 'block_raster', scanner)}"
    for part in one.parts:
        yield from _rf_breaches(scanner, one, part)
        yield from _raster_breaches(scanner, one, part)
    yield from _dead_times(scanner, one, [part for part in one.parts if isinstance(part.event, (*RF, Readout))])
    yield from gradient_breaches(scanner, one)


def _is_nothing(event: Any) -> bool:
    """Whether playing the event changes nothing, so that nothing has to be played."""
    match event:
        case Pulse():
            return not np.any(event.flip_angle)
        case Dephase():
            return event.order == 0
        case _:
            return False


def _rf_breaches(scanner: Scanner, one: Placed, part: Part) -> Iterator[str]:
    match part.event:
        case ShapedPulse():
            strength = np.abs(part.event.waveform)
            begin = part.start[..., None] + np.asarray(part.event.dt)[..., None] * np.arange(strength.shape[-1])
        case ContinuousWave():
            strength, begin = np.abs(np.asarray(part.event.b1)[..., None]), part.start[..., None]
        case _:
            return
    if (at := worst(relative(strength, scanner.max_b1))) is not None:
        shape = np.broadcast_shapes(strength.shape, begin.shape)
        time = np.broadcast_to(begin, shape)[(*(0,) * (len(shape) - len(at)), *at)]
        yield (
            f"{name_of(one, [part], at[:-1])}: {strength[at] * 1e6:.6g} uT at {time * 1e3:.6g} ms of the event exceeds "
            f"max_b1 {scanner.max_b1 * 1e6:.6g} uT"
        )


def _raster_breaches(scanner: Scanner, one: Placed, part: Part) -> Iterator[str]:
    match part.event:
        case ShapedPulse():
            rasters = [("samples last", part.event.dt, "rf_raster"), ("begins at", part.start, "rf_raster")]
        case ContinuousWave():
            rasters = [("lasts", part.event.duration, "rf_raster"), ("begins at", part.start, "rf_raster")]
        case Readout():
            rasters = [("dwells", part.event.dwell, "adc_raster"), ("begins at", part.start, "rf_raster")]
        case _:
            return
    for verb, time, raster in rasters:
        time = np.asarray(time)
        if (at := worst(off_raster(time, getattr(scanner, raster)))) is not None:
            yield f"{name_of(one, [part], at)}: {_no_multiple(verb, time[at], raster, scanner)}"


def _no_multiple(verb: str, time: Any, raster: str, scanner: Scanner) -> str:
    return f"{verb} {time * 1e6:.7g} us, no multiple of {raster} {getattr(scanner, raster) * 1e6:.6g} us"


def _dead_times(scanner: Scanner, one: Placed, parts: list[Part]) -> Iterator[str]:
    """Gaps before, between and after the pulses and readouts of an event, which follow each other in one track."""
    before = lambda part: ("adc_dead_time",) if isinstance(part.event, Readout) else ("rf_dead_time",)
    after = lambda part: ("adc_dead_time",) if isinstance(part.event, Readout) else ("rf_ringdown",)
    kind = lambda part: "readout" if isinstance(part.event, Readout) else "pulse"
    for i, part in enumerate(parts):
        since, needs = (parts[i - 1].end, after(parts[i - 1])) if i else (np.zeros(()), ())
        whence = f"after the {kind(parts[i - 1])} before it" if i else "after the event does"
        yield from _gap(
            scanner, one, part, part.start - since, needs + before(part), f"the {kind(part)} begins {{}} {whence}"
        )
    if parts:
        gap = one.duration - parts[-1].end
        yield from _gap(
            scanner, one, parts[-1], gap, after(parts[-1]), f"the event ends {{}} after the {kind(parts[-1])}"
        )


def _gap(scanner: Scanner, one: Placed, part: Part, gap: Any, needs: tuple[str, ...], what: str) -> Iterator[str]:
    needed = sum(getattr(scanner, name) for name in needs)
    # gaps are differences of times, whose rounding is that of the longer ones
    lacking = relative(needed - gap, needed * SLACK + ROUNDING * float(np.max(one.duration)))
    if (at := worst(lacking)) is not None:
        reason = " and ".join(f"{name} {getattr(scanner, name) * 1e6:.6g} us" for name in needs)
        passed = what.format(f"{np.asarray(gap)[at] * 1e6:.6g} us")
        yield f"{name_of(one, [part], at)}: {passed}, but {reason} must pass; put a Delay there"
