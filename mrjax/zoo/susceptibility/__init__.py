"""The task of susceptibility mapping: local fields to learn from, volumes to be judged on, losses and scores."""

from .data import (
    FIELD_SCALE as FIELD_SCALE,
    FILLED_CUBE as FILLED_CUBE,
    SCALE as SCALE,
    Measured as Measured,
    SusceptibilityConfig as SusceptibilityConfig,
    dipoles as dipoles,
    measured_volume as measured_volume,
    phase_per_ppm as phase_per_ppm,
    stream as stream,
)
from .evaluation import (
    EVALUATION as EVALUATION,
    Estimate as Estimate,
    SusceptibilityScores as SusceptibilityScores,
    score as score,
)
from .losses import (
    absolute_error as absolute_error,
    centred_absolute_error as centred_absolute_error,
    centred_square_error as centred_square_error,
    field_error as field_error,
    gradient_difference as gradient_difference,
    square_error as square_error,
)
from .networks import (
    SHORT as SHORT,
    LearnedProximalGradient as LearnedProximalGradient,
    NetworkOfField as NetworkOfField,
    Problem as Problem,
    ProximalGradientConfig as ProximalGradientConfig,
    SeveralDipoles as SeveralDipoles,
    divided as divided,
    fidelities as fidelities,
    proximal_gradient as proximal_gradient,
    step_then_network_within as step_then_network_within,
    within as within,
)
from .task import Network as Network, susceptibility_system as susceptibility_system
from .test_sets import brains as brains, measured as measured, simulated as simulated
