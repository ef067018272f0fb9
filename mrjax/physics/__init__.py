"""How spins answer to a sequence."""

from . import gradient as gradient, propagation as propagation
from .bloch import Magnetisation as Magnetisation, bloch as bloch
from .bloch_mcconnell import BlochMcConnell as BlochMcConnell
from .engine import AbstractEngine as AbstractEngine, AbstractOperator as AbstractOperator
from .epg import EPG as EPG
from .epg_operators import EPGState as EPGState
from .isochromats import Isochromats as Isochromats, IsochromatState as IsochromatState
from .pool_operators import BlochMcConnellState as BlochMcConnellState
from .simulation import play as play, simulate as simulate
from .steady_state import steady_state as steady_state
