"""Differentiable magnetic-resonance physics in JAX."""

from typing import TYPE_CHECKING

from . import _names as _names, lineshapes as lineshapes, units as units
from ._cache import cache as cache
from ._plausibility import PlausibilityWarning as PlausibilityWarning
from ._progress import progress as progress
from .conventions import Conventions as Conventions
from .physics import (
    EPG as EPG,
    SliceProfile as SliceProfile,
    bloch as bloch,
    gradient as gradient,
    motion as motion,
    play as play,
    simulate as simulate,
    slice_profile as slice_profile,
    steady_state as steady_state,
    transmit as transmit,
)
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
    hardware as hardware,
)
from .tissue import Tissue as Tissue

__version__ = "0.1.0"

_ROOMS = (
    *("design", "encoding", "inverse", "io", "nn", "phantoms", "plot", "protocols", "pulseq", "reconstruction"),
    *("signals", "synthesis", "zoo"),
)
_OF_PHYSICS = ("acquire", "BlochMcConnell", "BlochODE", "Isochromats", "PDG", "propagation")

if TYPE_CHECKING:
    from . import (
        design as design,
        encoding as encoding,
        inverse as inverse,
        io as io,
        nn as nn,
        phantoms as phantoms,
        plot as plot,
        protocols as protocols,
        pulseq as pulseq,
        reconstruction as reconstruction,
        signals as signals,
        synthesis as synthesis,
        zoo as zoo,
    )
    from .physics import (
        PDG as PDG,
        BlochMcConnell as BlochMcConnell,
        BlochODE as BlochODE,
        Isochromats as Isochromats,
        acquire as acquire,
        propagation as propagation,
    )
else:  # what these import, such as matplotlib, scipy and flax, takes three times as long as all the rest
    __getattr__, __dir__ = _names.on_demand(
        __name__, {name: f"mrjax.{name}" for name in _ROOMS} | dict.fromkeys(_OF_PHYSICS, "mrjax.physics")
    )
