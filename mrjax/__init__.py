"""Differentiable magnetic-resonance physics in JAX."""

from . import (
    inverse as inverse,
    io as io,
    phantoms as phantoms,
    plot as plot,
    protocols as protocols,
    signals as signals,
    units as units,
)
from .physics import (
    EPG as EPG,
    Isochromats as Isochromats,
    bloch as bloch,
    gradient as gradient,
    play as play,
    simulate as simulate,
)
from .sequence import (
    Delay as Delay,
    Dephase as Dephase,
    Pulse as Pulse,
    Repeat as Repeat,
    Sample as Sample,
    Sequence as Sequence,
    Spoil as Spoil,
)
from .tissue import Tissue as Tissue

__version__ = "0.1.0"
