"""Arguments that the imaging protocols share: known numbers, for what is played is laid on rasters of time."""

import dataclasses
import math
from typing import Any

import jax

from mrjax import _checks, _plausibility
from mrjax.pulseq.rasters import Rasters
from mrjax.sequence import Scanner, Sequence
from mrjax.sequence.pulses._arguments import known_positive


def hardware(scanner: Any) -> Scanner:
    """The scanner, the usual one by default, with the usual rasters where it has none.

    **Raises:** `ValueError` where it is none, or no gradient is too strong for it: waveforms follow from the limits.
    """
    scanner = Scanner() if scanner is None else scanner
    if not isinstance(scanner, Scanner):
        raise ValueError(f"`scanner` must be a Scanner, but got {type(scanner).__name__}.")
    for name in ("max_gradient", "max_slew"):
        if not 0 < getattr(scanner, name) < math.inf:
            raise ValueError(
                f"`{name}` of `scanner` must be positive and finite, for gradients are made with it, but is "
                f"{getattr(scanner, name):g}."
            )
    rasters = Rasters.of(scanner)
    names = ("rf", "gradient", "adc", "block")
    return dataclasses.replace(scanner, **{f"{name}_raster": getattr(rasters, name) for name in names})


def lengths(value: Any, name: str, n_axes: int) -> tuple[float, ...]:
    """Positive lengths in m along so many axes; one stands for all."""
    given = value if isinstance(value, tuple | list) else (value,) * n_axes
    if len(given) != n_axes:
        raise ValueError(f"`{name}` must be one length in m or one for each of {n_axes} axes, but got {len(given)}.")
    found = tuple(known_positive(length, name) for length in given)
    for length in found:
        _plausibility.warn_if_implausible(length, name, "voxel_size")
    return found


def counts(value: Any, name: str, n_axes: int) -> tuple[int, ...]:
    """Numbers of samples along so many axes; one stands for all."""
    given = value if isinstance(value, tuple | list) else (value,) * n_axes
    if len(given) != n_axes:
        raise ValueError(f"`{name}` must be one integer or one for each of {n_axes} axes, but got {len(given)}.")
    return tuple(_checks.positive_integer(count, name) for count in given)


def time(value: Any, name: str, quantity: str | None = None) -> float:
    """A positive time in s, known; warns where it is longer than is plausible of a quantity."""
    if quantity is not None and _checks.is_concrete(value):
        _plausibility.warn_if_implausible(value, name, quantity)
    return known_positive(value, name)


def checked_on(scanner: Scanner, sequence: Sequence) -> Sequence:
    """The sequence, after a check that the scanner can play it, as far as its numbers are known."""
    is_known = all(map(_checks.is_concrete, jax.tree.leaves(sequence)))
    return scanner.check(sequence) if is_known else sequence
