"""Signal models to estimate parameters with: each says what it needs, what it gives, in which units and limits."""

from .diffusion import (
    ApparentDiffusion as ApparentDiffusion,
    DiffusionKurtosis as DiffusionKurtosis,
    DiffusionTensor as DiffusionTensor,
    IntravoxelIncoherentMotion as IntravoxelIncoherentMotion,
)
from .perfusion import (
    ArterialSpinLabelling as ArterialSpinLabelling,
    ExtendedTofts as ExtendedTofts,
    Tofts as Tofts,
    TwoCompartmentExchange as TwoCompartmentExchange,
)
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
