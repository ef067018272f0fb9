"""How fast the signal of a voxel may change between two pulses."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax.sequence.base import with_fields
from mrjax.tissue import Tissue

PLAUSIBLE = {"off_resonance": 500.0, "t2": 0.005}
"""Taken for what is traced: the largest in Hz, and the shortest in s."""


SHARE = 0.1
"""Of a tolerance, that may be lost in each voxel: all together count for several times the largest sample at most."""


@dataclass(frozen=True)
class Rates:
    """How fast spins precess and decay at most."""

    lowest: float
    """Off-resonance in Hz."""
    highest: float
    spread: float
    """In rad/s, besides."""
    decay: float
    """In 1/s."""

    @property
    def middle(self) -> float:
        """Off-resonance in Hz."""
        return (self.lowest + self.highest) / 2

    def reach(self, half_width: float) -> float:
        """How far a spin gets in a time, in rad or in powers of e."""
        return float(np.hypot(np.pi * (self.highest - self.lowest) + self.spread, self.decay)) * half_width


def rates_of(tissue: Tissue, spread: float) -> Rates:
    """Of voxels of which some numbers may be traced; `spread` is in units of 1/T2'."""
    lowest = highest = further = 0.0
    if tissue.has("off_resonance"):
        limit = PLAUSIBLE["off_resonance"]
        known = _checks.is_concrete(tissue.off_resonance)
        lowest, highest = ends_of(tissue.off_resonance) if known else (-limit, limit)
    if spread:
        shortest = ends_of(tissue.t2_prime)[0] if _checks.is_concrete(tissue.t2_prime) else PLAUSIBLE["t2"]
        further = spread / shortest
    t2 = ends_of(tissue.t2)[0] if _checks.is_concrete(tissue.t2) else PLAUSIBLE["t2"]
    return Rates(lowest, highest, further, 1 / t2)


def ends_of(values: object) -> tuple[float, float]:
    """The least and the greatest of known numbers."""
    numbers = np.asarray(values)
    return float(numbers.min()), float(numbers.max())


def within_rates(tissue: Tissue) -> Tissue:
    """A tissue whose traced numbers are checked, when they are known, to be as plausible as was taken for granted."""
    off_resonance, t2 = jnp.asarray(tissue.off_resonance), tissue.t2
    remedy = "where it is traced by `acquire` with a tolerance; use tolerance=0 for other tissues"
    changes = {}
    if tissue.has("off_resonance") and not _checks.is_concrete(tissue.off_resonance):
        limit = PLAUSIBLE["off_resonance"]
        message = f"`off_resonance` must be within -{limit:g} to {limit:g} Hz {remedy}"
        changes["off_resonance"] = _checks.require(off_resonance, jnp.abs(off_resonance) <= limit, message)
    if not _checks.is_concrete(t2):
        shortest = PLAUSIBLE["t2"]
        message = f"`t2` must be at least {shortest * 1e3:g} ms {remedy}"
        changes["t2"] = _checks.require(t2, t2 >= shortest, message)
    return with_fields(tissue, changes) if changes else tissue
