"""Experiments that measure better: objectives, parametrisations, and what minimises over any leaf of a sequence."""

from .batches import Batches as Batches
from .constrained import Constrained as Constrained, Constraint as Constraint
from .cramer_rao import CramerRao as CramerRao, crlb as crlb
from .free_echoes import FreeEchoes as FreeEchoes
from .gradient_free import GradientFree as GradientFree
from .kt_points import KTPoints as KTPoints
from .learned import (
    LearnedDesign as LearnedDesign,
    at_rate as at_rate,
    require_influence as require_influence,
)
from .learned_echoes import EchoError as EchoError, SmallObjects as SmallObjects, small_objects as small_objects
from .learned_trajectory import LearnedTrajectory as LearnedTrajectory, trajectory_loss as trajectory_loss
from .limited_gradient import limited_gradient as limited_gradient
from .limits import (
    acoustic_energy as acoustic_energy,
    limit_constraints as limit_constraints,
    limit_terms as limit_terms,
    relative_power as relative_power,
)
from .objectives import (
    contrast as contrast,
    magnitude_error as magnitude_error,
    relative_error as relative_error,
    side_lobes as side_lobes,
    uncovered as uncovered,
)
from .optimisation import optimise as optimise
from .parallel_pulse import ParallelPulse as ParallelPulse, parallel_response as parallel_response
from .pulse_response import PulseResponse as PulseResponse, pulse_response as pulse_response
from .pulse_task import PulseTask as PulseTask
from .result import DesignResult as DesignResult
from .splines import BSpline as BSpline
from .terms import (
    energy as energy,
    limit_energy as limit_energy,
    limit_sum as limit_sum,
    roughness as roughness,
    squared_excess as squared_excess,
    weighted_sum as weighted_sum,
)
from .trajectories import TrajectoryTask as TrajectoryTask
from .transmit_limits import TransmitLimits as TransmitLimits
from .virtual_observation_points import virtual_observation_points as virtual_observation_points
