"""Experiments that measure better: objectives, parametrisations, and what minimises over any leaf of a sequence."""

from .constrained import Constrained as Constrained, Constraint as Constraint
from .cramer_rao import CramerRao as CramerRao, crlb as crlb
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
from .result import DesignResult as DesignResult
from .splines import BSpline as BSpline
from .terms import energy as energy, limit_energy as limit_energy, roughness as roughness, weighted_sum as weighted_sum
