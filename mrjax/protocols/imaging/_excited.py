"""An excitation with what follows it at once."""

from collections.abc import Mapping
from typing import Any

from mrjax.protocols.imaging import _timing
from mrjax.protocols.imaging._lobes import least_time, lobes
from mrjax.protocols.imaging._pulses import excitation
from mrjax.sequence import Scanner


def excited(
    flip_angle: Any,
    winding: Mapping[str, Any],
    timing: tuple[float | None, float, str, int],
    pulse: tuple[Any, Any],
    scanner: Scanner,
) -> tuple[tuple, float]:
    """A pulse, lobes that wind and refocus the slice, and a wait; and the duration of all, in s.

    **Arguments:**

    - `winding`: By axis in cycles/m, beside the slice's.
    - `timing`: A time in s that begins when the pulse acts, None for the shortest; what is played in it after all this, in s;
      what the user calls it; and how many times as long that is.
    - `pulse`: The thickness of a slice in m, if there is one, and the duration of the pulse in s, if it is not the usual.
    """
    whole, spent, name, times = timing
    block_of = excitation(*pulse, scanner)
    nominal = block_of(1.0, 0.0)
    with_slice = lambda block: {**winding, **({"z": -block.k_after} if block.k_after else {})}
    lasting = max((least_time(k, scanner) for k in with_slice(nominal).values()), default=0.0)
    wait, late = (0.0, 0.0)
    if whole is not None:
        wait, late = _timing.left_for(whole, nominal.after + lasting + spent, name, scanner, times)
    block = block_of(flip_angle, 0.0, late=late)
    lobe = (lobes(with_slice(block), scanner, lasting).event,) if lasting else ()
    return (block.event, *lobe, *_timing.delays(wait)), block.duration + lasting + wait
