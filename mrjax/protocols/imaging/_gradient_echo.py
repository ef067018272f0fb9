"""What a gradient echo consists of, and its times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._lobes import least_time, lobes
from mrjax.protocols.imaging._pulses import PulseBlock
from mrjax.sequence import Repeat, Scanner

Winding = Mapping[str, Any]
"""What lobes wind by axis, in cycles/m."""


@dataclass(frozen=True)
class GradientEcho:
    """A repetition: a pulse, lobes, a wait, a readout, lobes, and a rest.

    **Arguments:**

    - `pulse`: A `PulseBlock` by flip angle and phase.
    - `first`, `last`: Durations of the lobes before and after the readout, in s.
    - `balanced`: Whether the lobes after it rewind what the next slice gradient winds before its pulse acts.
    - `wait`, `rest`: In s.
    - `tr`: Duration of all of it, in s.
    """

    pulse: Callable[..., PulseBlock]
    first: float
    last: float
    balanced: bool
    wait: float
    rest: float
    tr: float
    scanner: Scanner

    def events(self, flip_angle: Any, phase: Any, before: Winding, readout: Any, after: Winding) -> tuple:
        """What is played in one repetition, with what the lobes wind beside the slice's."""
        pulse = self.pulse(flip_angle, phase)
        first, last = _with_slice(pulse, before, after, self.balanced)
        blocks = (lobes(ks, self.scanner, time).event for ks, time in ((first, self.first), (last, self.last)))
        begin, end = blocks
        waits, rests = _timing.delays(self.wait), _timing.delays(self.rest)
        return (pulse.event, begin, *waits, readout, end, *rests)

    def dummies(self, flip_angle: Any, phases: Any, before: Winding, readout: Any, after: Winding) -> tuple:
        """Repetitions with a scalar flip angle and one phase each; none where there are no phases."""
        if not phases.size:
            return ()
        return (Repeat(*self.events(flip_angle, phases, before, readout, after), n_repetitions=phases.size),)


def timed(
    pulse: Callable[..., PulseBlock],
    winding: tuple[Winding, Winding],
    readout: tuple[float, float],
    times: tuple[Any, Any],
    scanner: Scanner,
    *,
    balanced: bool = False,
) -> GradientEcho:
    """A gradient echo with its waits, in the least time that the winding of all repetitions allows.

    **Arguments:**

    - `pulse`: A `PulseBlock` by flip angle, phase and how much later it is played.
    - `winding`: What the lobes before and after the readout wind beside the slice's.
    - `readout`: When the echo is in it, and its duration, in s.
    - `times`: TE and TR in s; None for the shortest.
    """
    te, tr = times
    nominal = pulse(1.0, 0.0)
    first, last = lobe_times(pulse, winding, scanner, balanced)
    center, lasting = readout
    wait, late = (0.0, 0.0)
    if te is not None:
        te = _arguments.time(te, "te", "te")
        wait, late = _timing.left_for(te, nominal.after + first + center, "te", scanner)
    played = nominal.duration + first + wait + lasting + last
    rest = _timing.wait_of(None if tr is None else _arguments.time(tr, "tr", "tr"), played, "tr", scanner)
    return GradientEcho(partial(pulse, late=late), first, last, balanced, wait, rest, played + rest, scanner)


def lobe_times(
    pulse: Callable[..., PulseBlock], winding: tuple[Winding, Winding], scanner: Scanner, balanced: bool
) -> tuple[float, float]:
    """How long the lobes before and after the readout last, in s, however late the pulse is within its block."""
    found = []
    for late in (0.0, scanner.block_raster):
        pair = _with_slice(pulse(1.0, 0.0, late=late), *winding, balanced)
        found.append([max(least_time(k, scanner) for k in (ks or {"x": 0.0}).values()) for ks in pair])
    first, last = (max(times) for times in zip(*found, strict=True))
    return (max(first, last),) * 2 if balanced else (first, last)


def _with_slice(pulse: PulseBlock, before: Winding, after: Winding, balanced: bool) -> tuple[Winding, Winding]:
    """With what refocuses the slice, and rewinds it."""
    rewound = {"z": -pulse.k_before} if balanced and pulse.k_before else {}
    return {**before, **({"z": -pulse.k_after} if pulse.k_after else {})}, {**after, **rewound}
