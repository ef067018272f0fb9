"""How spins answer to a sequence."""

from . import gradient as gradient, motion as motion, propagation as propagation
from .bloch import Magnetisation as Magnetisation, bloch as bloch
from .bloch_mcconnell import BlochMcConnell as BlochMcConnell
from .bloch_ode import BlochODE as BlochODE, BlochODEState as BlochODEState
from .engine import AbstractEngine as AbstractEngine, AbstractOperator as AbstractOperator
from .epg import EPG as EPG
from .epg_operators import EPGState as EPGState
from .isochromat_state import IsochromatState as IsochromatState
from .isochromats import Isochromats as Isochromats
from .pool_operators import BlochMcConnellState as BlochMcConnellState
from .simulation import play as play, simulate as simulate
from .slice_profile import SliceProfile as SliceProfile, slice_profile as slice_profile
from .steady_state import steady_state as steady_state
