"""Differentiable magnetic-resonance physics in JAX."""

import sys
from importlib import import_module

from . import (
    _names as _names,
    inverse as inverse,
    io as io,
    lineshapes as lineshapes,
    phantoms as phantoms,
    plot as plot,
    protocols as protocols,
    pulseq as pulseq,
    signals as signals,
    synthesis as synthesis,
    units as units,
)
from ._plausibility import PlausibilityWarning as PlausibilityWarning
from .conventions import Conventions as Conventions
from .physics import (
    EPG as EPG,
    BlochMcConnell as BlochMcConnell,
    BlochODE as BlochODE,
    Isochromats as Isochromats,
    SliceProfile as SliceProfile,
    bloch as bloch,
    gradient as gradient,
    motion as motion,
    play as play,
    simulate as simulate,
    slice_profile as slice_profile,
    steady_state as steady_state,
)
from .physics.pools import propagation as propagation
from .pool import Pool as Pool
from .sequence import (
    ContinuousWave as ContinuousWave,
    Delay as Delay,
    Dephase as Dephase,
    Gradient as Gradient,
    Pulse as Pulse,
    Readout as Readout,
    Repeat as Repeat,
    Reset as Reset,
    Sample as Sample,
    SampleLongitudinal as SampleLongitudinal,
    Scanner as Scanner,
    Sequence as Sequence,
    ShapedPulse as ShapedPulse,
    Spoil as Spoil,
    Timeline as Timeline,
    Together as Together,
)
from .tissue import Tissue as Tissue

__version__ = "0.1.0"

_ON_DEMAND = ("nn", "zoo")
"""Rooms that import flax, which takes as long as all the rest."""


def __getattr__(name: str):
    if name not in _ON_DEMAND:
        _names.refuse_unknown_attribute(sys.modules[__name__], name)
    return import_module(f"mrjax.{name}")


def __dir__():
    return sorted([*globals(), *_ON_DEMAND])
