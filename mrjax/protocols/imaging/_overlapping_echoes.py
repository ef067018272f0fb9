"""Several echoes of different echo times in one echo-planar readout."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mrjax import _checks
from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._lobes import least_time, lobes
from mrjax.protocols.imaging._plane import PlaneOfShots, plane_of
from mrjax.protocols.imaging._pulses import PulseBlock, excitation
from mrjax.protocols.imaging._refocusing import CRUSHING, refocusing
from mrjax.sequence import Delay, Repeat, Scanner, Sequence


def overlapping_echoes(
    fov: Any,
    matrix: Any,
    flip_angle: Any,
    te: Any,
    echo_shifts: np.ndarray,
    acceleration: int,
    dwell_time: Any,
    slice_thickness: Any,
    scanner: Scanner | None,
) -> Sequence:
    """Excitations with echo-shifting gradients, a refocusing pulse and an echo-planar readout.

    **Arguments:**

    - `te`: Of the echoes in s, rising.
    - `echo_shifts`: Along kx in samples, one for each.
    """
    scanner = _arguments.hardware(scanner)
    plane = plane_of(fov, matrix, dwell_time, scanner, acceleration=acceleration)
    te = _rising(te, scanner)
    latest = (te[0] + te[-1]) / 4
    ky = (te / 2 - latest) / plane.train.line.duration * plane.train.k_blip
    _require_within(plane, ky, te)
    shifts = {"x": echo_shifts / _arguments.lengths(fov, "fov", 2)[0], "y": ky}
    # the longest is excited first, and sees the gradients of all that follow
    lobe_of = {axis: (k - np.concatenate([[0.0], k[:-1]]))[::-1] for axis, k in shifts.items()}
    crusher = CRUSHING * plane.train.line.k_total
    thickness = None if slice_thickness is None else _arguments.lengths(slice_thickness, "slice_thickness", 1)[0]
    start = {"x": plane.train.kx_start, "y": plane.ky[0]}
    echo = refocusing(crusher, start, latest, plane.time_of_center, thickness, scanner)
    excitations = _excitations(flip_angle, te, lobe_of, echo.before, thickness, scanner)
    train = plane.train.events(plane.lines[0])
    return _arguments.checked_on(scanner, Sequence(excitations, *echo.events, train))


def _excitations(
    flip_angle: Any,
    te: np.ndarray,
    winding: Mapping[str, np.ndarray],
    until_refocused: float,
    thickness: float | None,
    scanner: Scanner,
) -> Repeat:
    """The excitations, that of the longest echo time first, with what each winds and a wait."""
    pulse = excitation(thickness, None, scanner)
    nominal = pulse(1.0, 0.0)
    lasting = max(least_time(k, scanner) for k in (*winding.values(), _slice_lobes(nominal, te.size)))
    last, late = _timing.left_for(te[0] / 2, nominal.after + lasting + until_refocused, "te", scanner, times=2)
    waits = np.diff(te)[::-1] / 2 - nominal.duration - lasting
    if np.any(waits < -1e-9):
        raise ValueError(
            f"`te` must rise by {2 * (nominal.duration + lasting):.6g} s or more from echo to echo, for the excitations and "
            f"their gradients, but rises by {float(np.min(np.diff(te))):.6g} s."
        )
    angle = _checks.real_array(flip_angle, "flip_angle")
    block = pulse(angle[::-1] if angle.ndim else angle, 0.0, late=late)
    shifted = lobes(dict(winding) | {"z": _slice_lobes(block, te.size)}, scanner, lasting)
    wait = Delay(np.array([*np.maximum(waits, 0.0), last]))
    return Repeat(block.event, shifted.event, wait, n_repetitions=te.size)


def _rising(te: Any, scanner: Scanner) -> np.ndarray:
    """Echo times whose differences are even numbers of block rasters."""
    times = [_arguments.time(one, "te", "te") for one in np.ravel(np.asarray(te, float))]
    raster = 2 * scanner.block_raster
    found = times[0] + np.round((np.array(times) - times[0]) / raster) * raster
    if found.size < 2 or np.any(np.diff(found) <= 0):
        raise ValueError(f"`te` must be two or more echo times in s that rise, but got {te!r}.")
    return found


def _require_within(plane: PlaneOfShots, ky: np.ndarray, te: np.ndarray) -> None:
    """Refuse echoes beyond the lines that are read."""
    lines = np.abs(ky / plane.train.k_blip)
    if np.max(lines) > plane.train.n_lines // 2 - 1:
        raise ValueError(
            f"`te` must let all spin echoes fall into the readout, but those of {te[0] * 1e3:.4g} and {te[-1] * 1e3:.4g} ms are "
            f"{2 * np.max(lines):.1f} lines apart, and it has {plane.train.n_lines}; bring them nearer, or lengthen the readout."
        )


def _slice_lobes(pulse: PulseBlock, n: int) -> np.ndarray:
    """What is wound along z after each of the pulses, so that none of them leaves anything."""
    return -pulse.k_after - pulse.k_before * (np.arange(n) < n - 1)
