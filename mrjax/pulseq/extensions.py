"""What the extensions of a Pulseq block say: labels, triggers, rotations and soft delays."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mrjax import _checks
from mrjax.pulseq.file import PulseqError, PulseqFile
from mrjax.pulseq.plain_events import PlainEvent
from mrjax.sequence.labels import Annotation, Label

MICROSECONDS = 1e6

LABELS = {"LABELSET": False, "LABELINC": True}
"""Whether the label counts up."""

UNDERSTOOD = (*LABELS, "TRIGGERS", "ROTATIONS", "DELAYS")


@dataclass(frozen=True)
class SoftDelay:
    """A block whose duration in s is `input / factor + offset`, where the input is asked for by `hint`."""

    hint: str
    offset: float
    factor: float


@dataclass(frozen=True, eq=False)
class Notes:
    """What the extensions of a block say: labels and annotations before it, and how it is to be changed."""

    parts: tuple[PlainEvent, ...]
    rotation: Float[np.ndarray, "3 3"] | None
    soft_delay: SoftDelay | None


NOTHING = Notes((), None, None)


def notes_of(file: PulseqFile, first: int) -> Notes:
    """What the list of extensions that begins with this id says; labels are set before any of them counts up.

    **Raises:** `PulseqError` where it is not understood.
    """
    parts: dict[str, list[PlainEvent]] = {}
    rotation = soft_delay = None
    for name, reference, words in _linked(file, first):
        try:
            if name in LABELS:
                value, label = words
                static = (("name", label), ("increment", LABELS[name]))
                parts.setdefault(name, []).append(PlainEvent(Label, static, (_number(value),)))
            elif name == "ROTATIONS":
                rotation = _matrix(words)
            else:
                parts.setdefault(name, []).append(PlainEvent(Annotation, (("name", name), ("words", words))))
            if name == "DELAYS":
                _, offset, factor, hint = words
                soft_delay = SoftDelay(hint, _number(offset) / MICROSECONDS, _not_zero(factor))
        except ValueError:
            raise PulseqError(
                file.path, None, f"row {reference} of extension {name}, '{' '.join(words)}', is not understood."
            ) from None
    ordered = [*LABELS, *(name for name in parts if name not in LABELS)]
    return Notes(tuple(part for name in ordered for part in parts.get(name, ())), rotation, soft_delay)


def warn_of_unknown(file: PulseqFile) -> None:
    """Warn of extensions that may change what is played in a way that is not known here."""
    used = {link.type for link in file.extensions.values()}
    unknown = [e.name for i, e in file.extension_specifications.items() if i in used and e.name not in UNDERSTOOD]
    if unknown:
        warnings.warn(
            f"{file.path} has extensions that are kept as annotations, but not played: {', '.join(unknown)}.",
            stacklevel=_checks.frames_to_the_caller(),
        )


def _linked(file: PulseqFile, identifier: int) -> list[tuple[str, int, tuple[str, ...]]]:
    found = []
    while identifier:
        link = file.extensions[identifier]
        specification = file.extension_specifications[link.type]
        found.append((specification.name, link.reference, specification.rows[link.reference]))
        identifier = link.next
    return found


def _matrix(words: tuple[str, ...]) -> Float[np.ndarray, "3 3"]:
    """Of a rotation by a quaternion, its scalar first."""
    w, x, y, z = map(_number, words)
    length = w * w + x * x + y * y + z * z
    if not 0.99 < length < 1.01:
        raise ValueError("no unit quaternion")
    w, x, y, z = (part / length**0.5 for part in (w, x, y, z))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _number(word: str) -> float:
    value = float(word)
    if not abs(value) < 1e15:
        raise ValueError("not finite")
    return value


def _not_zero(word: str) -> float:
    value = _number(word)
    if value == 0:
        raise ValueError("zero")
    return value
