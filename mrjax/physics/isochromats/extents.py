"""How much there is of a sequence and a tissue: spins that suffice, and bounds of what RF meets."""

import dataclasses
import math
from typing import Any

from jaxtyping import Array

from mrjax import _checks
from mrjax.physics.isochromats.operators import lorentzian
from mrjax.physics.motion import reached
from mrjax.physics.waveforms import rf_steps
from mrjax.physics.waveforms.winding import reads_under_gradients
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import orders_per_cycle
from mrjax.tissue import Tissue

ENOUGH_FOR_T2_PRIME = 2000
"""Spins over which a Lorentzian is spread by default."""

ENOUGH_FOR_PARTS, TIMES_WOUND = 1000, 10
"""Spins by default at least, in all and for each cycle that is wound, where parts of a cycle are wound, and their mean is an
integral by the midpoint rule."""


def field_strength(value: Any) -> Array | None:
    """A static field in T, checked; None where there is none."""
    if value is None:
        return None
    b0 = _checks.real_array(value, "concomitant_b0")
    if b0.ndim:
        raise ValueError(f"`concomitant_b0` must be one number (T), but got shape {b0.shape}.")
    return _checks.positive(b0, "concomitant_b0", "T") if _checks.is_concrete(b0) else b0


def enough_spins(needed: int, sequence: AbstractContainer, tissue: Tissue, under_gradients: bool) -> int:
    """How many spins a voxel has by default.

    **Arguments:**

    - `needed`: To tell what is wound from what is not.
    - `under_gradients`: Whether spins spread over the voxel are wound by gradients.
    """
    n = max(needed, ENOUGH_FOR_T2_PRIME) if tissue.has("t2_prime") else needed
    winds_whole_cycles = tissue.has("diffusion") and not reads_under_gradients(sequence)
    if orders_per_cycle(sequence) > 1 or (under_gradients and not winds_whole_cycles):
        n = max(n, ENOUGH_FOR_PARTS, TIMES_WOUND * needed)
    return n


def bounds_of(sequence: AbstractContainer, tissue: Tissue, engine: Any) -> rf_steps.Bounds:
    """What RF meets at most, from which follows how finely it is cut."""
    bounds = rf_steps.Bounds.of(tissue, engine.gyromagnetic_ratio, relaxes=True)
    if tissue.has("t2_prime"):
        widest = lorentzian(engine.n or ENOUGH_FOR_T2_PRIME)[0].max() / (2 * math.pi)
        shortest = rf_steps.smallest(tissue.t2_prime, rf_steps.PLAUSIBLE["t2"])
        bounds = dataclasses.replace(bounds, off_resonance=bounds.off_resonance + float(widest) / shortest)
    if engine.voxel_size is not None:
        bounds = bounds.reaching(rf_steps.largest(engine.voxel_size, rf_steps.PLAUSIBLE["position"]) / 2)
    if tissue.moves or engine.motion is not None:
        bounds = reached(bounds, sequence, engine.motion)
    return bounds
