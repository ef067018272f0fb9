"""What the RF pulses of a Pulseq file are for: stated, told by the caller, or to be judged by their flip angles."""

import math
import warnings
from collections.abc import Collection, Mapping
from typing import get_args

import numpy as np

from mrjax import _checks
from mrjax.pulseq.errors import PulseqError
from mrjax.pulseq.events import PulseqFile, RfEvent
from mrjax.pulseq.rf_samples import rf_samples
from mrjax.sequence.rf import Use
from mrjax.sequence.steps import REFOCUSES_FROM

USES: Mapping[str, str | None] = {
    "e": "excitation", "r": "refocusing", "i": "inversion", "s": "saturation", "p": "preparation", "o": "other", "u": None,
}  # fmt: skip

EQUAL = 0.01
"""Relative difference of flip angles that are taken for one: files round amplitudes to some digits."""


def uses_of(file: PulseqFile, told: Mapping[int, str]) -> dict[int, str | None]:
    """By id of the RF event: what `told` says, else what the file states; None where neither does.

    Such pulses are later taken for refocusing ones where they turn by more than 120 degrees, and else for excitations.
    Warns where that is in doubt and decides k-space: where a readout follows a pulse that is taken for refocusing, or one
    for an excitation although not all of these turn by the same angle of at most 90 degrees.

    **Raises:** `ValueError` where `told` names an event that the file does not have, or another use.
    """
    for identifier, use in told.items():
        if identifier not in file.rf:
            raise ValueError(f"`uses` must name RF events of {file.path} by id, but it has none of id {identifier!r}.")
        if use not in get_args(Use):
            raise ValueError(f"`uses` must be among {', '.join(get_args(Use))}, but event {identifier} has {use!r}.")
    uses = {i: told[i] if i in told else USES[event.use] for i, event in file.rf.items()}
    angles = {i: _flip_angle(file, i, event) for i, event in file.rf.items() if uses[i] is None}
    refocusing = {i for i, angle in angles.items() if angle > REFOCUSES_FROM}
    doubtful = refocusing if _are_excitations([angles[i] for i in angles.keys() - refocusing]) else angles.keys()
    certain = {i for i, use in uses.items() if use == "excitation"} | (angles.keys() - doubtful)
    if _decide_k_space(file, doubtful, certain):
        warnings.warn(
            f"{file.path} does not say what all RF pulses are for, and k-space depends on it: {_listed(refocusing)} turn by "
            f"more than 120 degrees and count as refocusing, {_listed(angles.keys() - refocusing)} as excitations. Pass "
            '`uses`, such as `{1: "excitation", 2: "refocusing"}`, to say so.',
            stacklevel=_checks.frames_to_the_caller(),
        )
    return uses


def _flip_angle(file: PulseqFile, identifier: int, event: RfEvent) -> float:
    """In rad, on resonance."""
    try:
        samples = rf_samples(file, event)
    except ValueError as error:
        raise PulseqError(file.path, None, f"RF event {identifier}: {error}") from None
    turns = np.sum(samples.magnitude * np.exp(1j * samples.phase) * samples.counts) * samples.dt
    return 2 * math.pi * abs(complex(turns))


def _are_excitations(angles: list[float]) -> bool:
    """Whether pulses that turn by these angles can hardly be anything else: the sequence has none that could excite besides."""
    return not angles or (max(angles) <= math.pi / 2 * (1 + EQUAL) and max(angles) <= min(angles) * (1 + EQUAL))


def _decide_k_space(file: PulseqFile, doubtful: Collection[int], certain: Collection[int]) -> bool:
    """Whether a readout follows a doubtful pulse, without a certain excitation between them, in a file with gradients."""
    if not doubtful or not (file.gradients or file.trapezoids):
        return False
    is_doubtful = False
    for block in file.blocks:
        if block.rf in doubtful:
            is_doubtful = True
        elif block.rf in certain:
            is_doubtful = False
        if block.adc and is_doubtful:
            return True
    return False


def _listed(identifiers: Collection[int]) -> str:
    shown = sorted(identifiers)[:5]
    more = f" and {len(identifiers) - len(shown)} more" if len(identifiers) > len(shown) else ""
    return f"{len(identifiers)} ({', '.join(map(str, shown))}{more})" if shown else "none"
