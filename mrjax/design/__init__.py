"""Experiments that measure better: objectives, parametrisations, and what minimises over any leaf of a sequence."""

from .constrained import Constrained as Constrained, Constraint as Constraint
from .cramer_rao import CramerRao as CramerRao, crlb as crlb
from .learned import (
    LearnedDesign as LearnedDesign,
    at_rate as at_rate,
    require_influence as require_influence,
)
from .optimisation import optimise as optimise
from .result import DesignResult as DesignResult
from .splines import BSpline as BSpline
from .terms import (
    energy as energy,
    limit_energy as limit_energy,
    limit_sum as limit_sum,
    roughness as roughness,
    weighted_sum as weighted_sum,
)
