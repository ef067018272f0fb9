"""The task of myelin water: fractions of it from multi-echo gradient echoes of three pools."""

from .data import (
    LIMITS as LIMITS,
    Estimate as Estimate,
    MyelinWaterConfig as MyelinWaterConfig,
    Samples as Samples,
    echo_times as echo_times,
    stream as stream,
    three_pools as three_pools,
)
from .evaluation import EVALUATION as EVALUATION, root_mean_square_error as root_mean_square_error
