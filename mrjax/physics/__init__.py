"""How spins answer to a sequence."""

from typing import TYPE_CHECKING

from mrjax import _names

from . import gradient as gradient, motion as motion, transmit as transmit
from .bloch import Magnetisation as Magnetisation, bloch as bloch
from .engine import AbstractEngine as AbstractEngine, AbstractOperator as AbstractOperator
from .epg.engine import EPG as EPG
from .epg.operators import EPGState as EPGState
from .isochromats.state import IsochromatState as IsochromatState
from .simulation import play as play, simulate as simulate
from .slice_profile import SliceProfile as SliceProfile, slice_profile as slice_profile
from .steady_state import steady_state as steady_state

if TYPE_CHECKING:
    from .acquisition import acquire as acquire
    from .isochromats.engine import Isochromats as Isochromats
    from .isochromats.ode import BlochODE as BlochODE, BlochODEState as BlochODEState
    from .pdg.engine import PDG as PDG
    from .pdg.state import PDGState as PDGState
    from .pools import propagation as propagation
    from .pools.engine import BlochMcConnell as BlochMcConnell
    from .pools.operators import BlochMcConnellState as BlochMcConnellState
else:  # the default engine is there at once, the others when they are first used
    __getattr__, __dir__ = _names.on_demand(
        __name__,
        {
            "acquire": "mrjax.physics.acquisition",
            "Isochromats": "mrjax.physics.isochromats.engine",
            "BlochODE": "mrjax.physics.isochromats.ode",
            "BlochODEState": "mrjax.physics.isochromats.ode",
            "PDG": "mrjax.physics.pdg.engine",
            "PDGState": "mrjax.physics.pdg.state",
            "propagation": "mrjax.physics.pools.propagation",
            "BlochMcConnell": "mrjax.physics.pools.engine",
            "BlochMcConnellState": "mrjax.physics.pools.operators",
        },
    )
