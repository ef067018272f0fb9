"""How spins answer to a sequence."""

from . import gradient as gradient
from .bloch import Magnetisation as Magnetisation, bloch as bloch
from .engine import AbstractEngine as AbstractEngine, AbstractOperator as AbstractOperator
from .epg import EPG as EPG
from .epg_operators import EPGState as EPGState
from .isochromats import Isochromats as Isochromats, IsochromatState as IsochromatState
from .simulation import play as play, simulate as simulate
