"""Signal models to estimate parameters with: each says what it needs, what it gives, in which units and limits."""

from .relaxation import (
    Decay as Decay,
    InversionRecovery as InversionRecovery,
    VariableFlipAngle as VariableFlipAngle,
)
from .signal_model import (
    Parameter as Parameter,
    SignalModel as SignalModel,
    amplitude as amplitude,
    need as need,
    settings as settings,
)
