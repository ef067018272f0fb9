"""How much there is of a sequence and a tissue: spins that suffice, and bounds of what RF meets."""

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.physics.isochromats.operators import lorentzian
from mrjax.physics.isochromats.tables.courses import Asked
from mrjax.physics.motion import AbstractMotion, reached
from mrjax.physics.waveforms import rf_steps
from mrjax.physics.waveforms.winding import gradient_axes, reads_under_gradients
from mrjax.sequence import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.flattening import flattened
from mrjax.sequence.precision import Numbers, is_known
from mrjax.sequence.walk import orders_per_cycle
from mrjax.tissue import Tissue

ENOUGH_FOR_T2_PRIME = 2000
"""Spins over which a Lorentzian is spread by default."""

ENOUGH_FOR_PARTS, TIMES_WOUND = 1000, 10
"""Spins by default at least, in all and for each cycle that is wound, where parts of a cycle are wound, and their mean is an
integral by the midpoint rule."""


LEFT = 1e-3
"""Of the transverse magnetisation at the next excitation, from where on it counts."""


def field_strength(value: Any) -> Array | None:
    """A static field in T, checked; None where there is none."""
    if value is None:
        return None
    b0 = _checks.real_array(value, "concomitant_b0")
    if b0.ndim:
        raise ValueError(f"`concomitant_b0` must be one number (T), but got shape {b0.shape}.")
    return _checks.positive(b0, "concomitant_b0", "T") if _checks.is_concrete(b0) else b0


def enough_spins(needed: int, sequence: AbstractContainer, tissue: Tissue, engine: Any) -> int:
    """How many spins a voxel has by default; `needed` are those that tell what is wound from what is not."""
    n = max(needed, ENOUGH_FOR_T2_PRIME) if _spreads(tissue, engine) else needed
    under_gradients = engine.voxel_size is not None and bool(gradient_axes(sequence))
    winds_whole_cycles = tissue.has("diffusion") and not reads_under_gradients(sequence)
    if orders_per_cycle(sequence) > 1 or (under_gradients and not winds_whole_cycles):
        n = max(n, ENOUGH_FOR_PARTS, TIMES_WOUND * needed)
    return n


def bounds_of(sequence: AbstractContainer, tissue: Tissue, engine: Any) -> rf_steps.Bounds:
    """What RF meets at most, from which follows how finely it is cut."""
    bounds = rf_steps.Bounds.of(tissue, engine.gyromagnetic_ratio, relaxes=True)
    if _spreads(tissue, engine):
        widest = lorentzian(engine.n or ENOUGH_FOR_T2_PRIME)[0].max() / (2 * math.pi)
        shortest = rf_steps.smallest(tissue.t2_prime, rf_steps.PLAUSIBLE["t2"])
        bounds = dataclasses.replace(bounds, off_resonance=bounds.off_resonance + float(widest) / shortest)
    if engine.voxel_size is not None:
        bounds = bounds.reaching(rf_steps.largest(engine.voxel_size, rf_steps.PLAUSIBLE["position"]) / 2)
    if tissue.moves or engine.motion is not None:
        bounds = reached(bounds, sequence, engine.motion)
    return bounds


def _spreads(tissue: Tissue, engine: Any) -> bool:
    return tissue.has("t2_prime") and engine.line_shape == "spins"


def require_line_shape(value: str) -> None:
    """Refuse another answer to `t2_prime` than those there are."""
    if value not in ("spins", "analytic"):
        raise ValueError(f'`line_shape` must be "spins" or "analytic", but got {value!r}.')


def require_motion(motion: Any) -> None:
    """Refuse what is no motion."""
    if motion is not None and not isinstance(motion, AbstractMotion):
        raise ValueError(
            f"`motion` must be a motion such as mrjax.motion.RigidMotion(...), but got {type(motion).__name__}."
        )


def asked_of(tissue: Tissue, engine: Any) -> Asked:
    """What an engine must know of gradients besides their areas."""
    is_line = tissue.has("t2_prime") and engine.line_shape == "analytic"
    return Asked(tissue.moves or engine.motion is not None, engine.concomitant_b0 is not None, is_line)


def require_playable_diffusion(sequence: AbstractContainer, tissue: Tissue) -> None:
    """Refuse what diffusing spins cannot be played with."""
    if orders_per_cycle(sequence) > 1:
        raise ValueError("`Isochromats` knows diffusion for whole orders of `Dephase` alone; use `engine=EPG(...)`.")
    if tissue.has("t2_prime"):
        raise ValueError("`Isochromats` cannot combine `diffusion` with a finite `t2_prime`; leave one of them out.")


def require_table_for(asked: Asked, sequence: AbstractContainer) -> None:
    """Refuse what tables alone know where a sequence is played in another way."""
    name = 'line_shape="analytic"' if asked.dephasing else "concomitant_b0=..."
    if asked.dephasing or (asked.products and gradient_axes(sequence)):
        raise ValueError(
            f"`Isochromats({name})` knows no diffusion, no waits without end beside others that end, and no events of other "
            "kinds than its own; leave one of them out."
        )


def dephasing_times(sequence: AbstractContainer, tissue: Tissue) -> Float[Numbers, " n_samples"]:
    """For how long off-resonances have dephased at each sample in s; warns where signal may have gone other ways."""
    timeline = flattened(as_sequence(sequence), None)
    if is_known((timeline, tissue.t2)):
        turns, at = np.asarray(timeline.rf_turns), np.asarray(timeline.rf_centers)
        excited = at[turns == 0]
        rest = np.exp(-np.diff(excited) / np.max(np.asarray(tissue.t2)))
        if np.any(turns > 0) or np.any(rest > LEFT):
            warnings.warn(
                'Isochromats(line_shape="analytic") takes all signal to come from the last excitation by refocusing alone, but '
                'the sequence has pulses that do something else, or excites again before T2 is over. Use line_shape="spins".',
                stacklevel=_checks.frames_to_the_caller(),
            )
    return timeline.dephasing_time()
