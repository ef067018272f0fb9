"""Differentiable magnetic-resonance physics in JAX."""

from . import units as units
from .tissue import Tissue as Tissue

__version__ = "0.1.0"
