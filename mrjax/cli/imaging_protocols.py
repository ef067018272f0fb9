"""Which sequence `mrjax simulate` plays: a Pulseq file, or a protocol by name with settings that most would choose."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrjax import pulseq
from mrjax.io.raw_data import TrajectoryKind
from mrjax.protocols import imaging
from mrjax.sequence import Scanner, Sequence
from mrjax.units import GAMMA_BAR, deg, ms, us

ENDINGS = (".seq", ".seq.gz")
MOST_NAMED = 3
"""Breaches of the scanner's limits that are told."""


@dataclass(frozen=True)
class Protocol:
    """A function of `mr.protocols.imaging`, and what is passed to it where the user says nothing."""

    n_axes: int
    """Of its matrix and field of view; one where both are square."""
    settings: Callable[[tuple[int, ...], float], dict[str, Any]]
    """Of the matrix and the field of view along x."""
    kind: TrajectoryKind | None = None
    """Of the trajectory, where files have a name for it."""


def _echoes(lines: int) -> int:
    """Echoes in a train: at most eight, and as many in each."""
    return max(n for n in range(1, 9) if lines % n == 0)


def _dwell(fov: float) -> float:
    """Of a sample of an echo-planar readout: 4 us, or more where a small field of view takes strong gradients."""
    shortest = 1.05 / (GAMMA_BAR["1H"] * Scanner().max_gradient * fov)
    return max(4.0, math.ceil(2e6 * shortest) / 2) * us


PROTOCOLS = {
    "flash": Protocol(2, lambda n, fov: {"flip_angle": 15 * deg, "te": 5 * ms, "tr": 20 * ms}),
    "bssfp": Protocol(2, lambda n, fov: {"flip_angle": 40 * deg}),
    "mprage": Protocol(3, lambda n, fov: {"flip_angle": 9 * deg, "ti": 0.9, "tr": 2.0}),
    "fse": Protocol(2, lambda n, fov: {"echo_spacing": 12 * ms, "n_echoes": _echoes(n[1]), "tr": 10.0}),
    "gre_epi": Protocol(2, lambda n, fov: {"flip_angle": 90 * deg, "dwell_time": _dwell(fov)}),
    "se_epi": Protocol(2, lambda n, fov: {"te": 80 * ms, "dwell_time": _dwell(fov)}),
    "oled": Protocol(2, lambda n, fov: {"te": (22 * ms, 80 * ms), "dwell_time": _dwell(fov)}),
    "moled": Protocol(2, lambda n, fov: {"dwell_time": _dwell(fov)}),
    "radial": Protocol(1, lambda n, fov: {"flip_angle": 15 * deg, "n_spokes": math.ceil(np.pi / 2 * n[0])}, "radial"),
    "spiral": Protocol(1, lambda n, fov: {"flip_angle": 15 * deg, "n_shots": 8}, "spiral"),
}
"""By name; `spen` and `spamm` are no images by a Fourier transform."""


@dataclass(frozen=True)
class Scan:
    """A sequence, and the grid of the image that it is meant for."""

    name: str
    sequence: Sequence
    fov: tuple[float, ...]
    """In m, along two or three axes."""
    matrix: tuple[int, ...]
    kind: TrajectoryKind | None
    settings: Mapping[str, Any]
    """What the protocol was told, in SI."""


def is_file(name: str) -> bool:
    """Whether a Pulseq file is meant."""
    return name.endswith(ENDINGS)


def scan_called(
    name: str,
    matrix: tuple[int, ...] | None,
    fov: tuple[float, ...] | None,
    settings: Mapping[str, Any],
    scanner: Scanner,
) -> Scan:
    """The scan that a name and options describe.

    `fov` None is what the file states; protocols need it. Raises `ValueError` for another name, settings that the protocol does
    not take, a grid of another rank, and gradients that the scanner cannot play.
    """
    if is_file(name):
        if settings:
            raise ValueError(f"{name} is a file, which says its own {', '.join(settings)}; leave these options out.")
        return _of_file(Path(name), matrix, fov, scanner)
    if name not in PROTOCOLS:
        raise ValueError(f"{name!r} must be a file that ends with .seq, or one of {', '.join(PROTOCOLS)}.")
    assert fov is not None, "of the phantom, if not from the user"
    return _of_protocol(name, matrix or (64,) * PROTOCOLS[name].n_axes, fov, settings, scanner)


def _of_protocol(
    name: str, matrix: tuple[int, ...], fov: tuple[float, ...], settings: Mapping[str, Any], scanner: Scanner
) -> Scan:
    protocol, function = PROTOCOLS[name], getattr(imaging, name)
    rank = max(2, protocol.n_axes)
    sizes = matrix * rank if len(matrix) == 1 else matrix
    if len(sizes) != rank or (protocol.n_axes == 1 and len(set(sizes)) > 1):
        due = {1: "one number", 2: "one number or two", 3: "one number or three"}[protocol.n_axes]
        raise ValueError(f"--matrix must be {due} for {name}, but got {' '.join(map(str, matrix))}.")
    lengths = (fov * rank if len(fov) == 1 else fov)[:rank]
    if len(lengths) != rank or (protocol.n_axes == 1 and len(set(lengths)) > 1):
        due = "one length" if protocol.n_axes == 1 else f"one length or {rank}"
        raise ValueError(f"--fov must be {due} for {name}, but got {' '.join(f'{length:g}' for length in fov)} m.")
    taken = [key for key in inspect.signature(function).parameters if key not in ("fov", "matrix", "scanner")]
    if unknown := [key for key in settings if key not in taken]:
        raise ValueError(f"{name} takes no {' and no '.join(unknown)}; it takes {', '.join(taken)}.")
    chosen = protocol.settings(sizes, lengths[0]) | dict(settings)
    grid = (lengths[0], sizes[0]) if protocol.n_axes == 1 else (lengths, sizes)
    try:
        sequence = function(*grid, **chosen, scanner=scanner)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return Scan(name, sequence, lengths, sizes, protocol.kind, chosen)


def _of_file(path: Path, matrix: tuple[int, ...] | None, fov: tuple[float, ...] | None, scanner: Scanner) -> Scan:
    file = pulseq.read(path)
    sequence = pulseq.to_sequence(file)
    _require_gradients(path, sequence, scanner)
    stated = file.definitions.get("FOV")
    if fov is None and isinstance(stated, tuple) and len(stated) >= 2 and min(stated[:2]) > 0:
        fov = stated[:2]
    if fov is None:
        raise ValueError(f"{path} does not state its field of view (FOV); pass it, as in --fov 220mm.")
    lengths = fov * 2 if len(fov) == 1 else fov
    if matrix is None:
        reach = np.abs(np.asarray(sequence.timeline().trajectory())).max(axis=0)[: len(lengths)]
        matrix = tuple(max(1, round(2 * float(k) * length)) for k, length in zip(reach, lengths, strict=True))
    sizes = matrix * len(lengths) if len(matrix) == 1 else matrix
    if len(sizes) != len(lengths):
        raise ValueError(f"--matrix must be one number or {len(lengths)}, as --fov, but got {len(sizes)}.")
    return Scan(path.name, sequence, lengths, sizes, None, {})


def _require_gradients(path: Path, sequence: Sequence, scanner: Scanner) -> None:
    """Refuse gradients that are too strong or too steep; what else a scanner minds does not change what is simulated."""
    found = _of_gradients(scanner).breaches(sequence)
    if found:
        more = f"; and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise ValueError(
            f"{path} needs more than a scanner of {scanner.max_gradient * 1e3:g} mT/m and {scanner.max_slew:g} T/m/s: "
            f"{'; '.join(found[:MOST_NAMED])}{more}. Pass --max-gradient and --max-slew of the scanner that it is for."
        )


def _of_gradients(scanner: Scanner) -> Scanner:
    return Scanner(
        max_gradient=scanner.max_gradient,
        max_slew=scanner.max_slew,
        gradient_raster=scanner.gradient_raster,
        max_b1=math.inf,
        **dict.fromkeys(
            ("rf_raster", "adc_raster", "block_raster", "rf_dead_time", "rf_ringdown", "adc_dead_time"), 0.0
        ),
    )
