"""Differentiable magnetic-resonance physics in JAX."""

from importlib import import_module

from . import (
    inverse as inverse,
    io as io,
    phantoms as phantoms,
    plot as plot,
    protocols as protocols,
    signals as signals,
    synthesis as synthesis,
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

_ON_DEMAND = ("nn", "zoo")
"""Rooms that import flax, which takes as long as all the rest."""


def __getattr__(name: str):
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'mrjax' has no attribute {name!r}")
    return import_module(f"mrjax.{name}")


def __dir__():
    return sorted([*globals(), *_ON_DEMAND])
