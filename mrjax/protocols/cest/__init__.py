"""Saturation transfer: CEST, magnetisation transfer, and what is measured beside them.

Each function returns a `Sequence` for `BlochMcConnell`. Offsets are in ppm of the Larmor frequency, from the frequency of the
scanner, with `b0` in T; the engine should be given the same `b0`, and the same gyromagnetic ratio where another than the
proton's is used.
"""

from . import pulse_shapes as pulse_shapes
from .adiabatic_recovery import (
    adiabatic_inversion_recovery as adiabatic_inversion_recovery,
    adiabatic_saturation_recovery as adiabatic_saturation_recovery,
)
from .continuous_wave import continuous_wave as continuous_wave
from .fingerprinting import fingerprinting as fingerprinting, played_fingerprinting as played_fingerprinting
from .pulse_train import pulse_train as pulse_train
from .quantitative_mt_spgr import quantitative_mt_spgr as quantitative_mt_spgr
from .spin_lock import spin_lock as spin_lock
from .wasabi import wasabi as wasabi
