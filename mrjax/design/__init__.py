"""Experiments that measure better: objectives, parametrisations, and what minimises over any leaf of a sequence."""

from .batches import Batches as Batches
from .constrained import Constrained as Constrained, Constraint as Constraint
from .cramer_rao import CramerRao as CramerRao, crlb as crlb
from .free_echoes import FreeEchoes as FreeEchoes
from .gradient_free import GradientFree as GradientFree
from .learned import (
    LearnedDesign as LearnedDesign,
    at_rate as at_rate,
    require_influence as require_influence,
)
from .learned_echoes import EchoError as EchoError, SmallObjects as SmallObjects, small_objects as small_objects
from .limits import (
    acoustic_energy as acoustic_energy,
    limit_constraints as limit_constraints,
    limit_terms as limit_terms,
    relative_power as relative_power,
)
from .objectives import (
    contrast as contrast,
    relative_error as relative_error,
    side_lobes as side_lobes,
    uncovered as uncovered,
)
from .optimisation import optimise as optimise
from .pulse_response import PulseResponse as PulseResponse, pulse_response as pulse_response
from .pulse_task import PulseTask as PulseTask
from .result import DesignResult as DesignResult
from .splines import BSpline as BSpline
from .terms import (
    energy as energy,
    limit_energy as limit_energy,
    limit_sum as limit_sum,
    roughness as roughness,
    weighted_sum as weighted_sum,
)
from .trajectories import TrajectoryTask as TrajectoryTask
