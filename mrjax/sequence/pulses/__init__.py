"""RF pulses by name: amplitude-modulated, Shinnar-Le Roux, adiabatic and multiband ones, and what a pulse amounts to.

All are for protons. A sample is constant over its interval and taken at the interval's middle. A pulse of phase 0 turns about
+x: 90 degrees take +z to -y. `offset` and `phase` are those of `ShapedPulse`. Arguments are single
numbers; `jax.vmap` over them gives a pulse with one entry per repetition, for a `Repeat`.
"""

from .adiabatic_half_passage import adiabatic_half_passage as adiabatic_half_passage
from .bir4 import bir4 as bir4
from .calibration import (
    b1_rms as b1_rms,
    bandwidth_of as bandwidth_of,
    energy as energy,
    flip_angle_of as flip_angle_of,
    peak_b1 as peak_b1,
    time_bandwidth_product as time_bandwidth_product,
    with_flip_angle as with_flip_angle,
)
from .chirp import chirp as chirp
from .gaussian import gaussian as gaussian
from .hard import hard as hard
from .hyperbolic_secant import hyperbolic_secant as hyperbolic_secant
from .multiband import multiband as multiband
from .shinnar_le_roux import forward_slr as forward_slr, inverse_slr as inverse_slr
from .sinc import sinc as sinc
from .slr import slr as slr
