"""Signal models to estimate parameters with: each says what it needs, what it gives, in which units and limits."""

from .diffusion import (
    ApparentDiffusion as ApparentDiffusion,
    DiffusionKurtosis as DiffusionKurtosis,
    DiffusionTensor as DiffusionTensor,
    IntravoxelIncoherentMotion as IntravoxelIncoherentMotion,
)
from .gradient_echoes import T2StarWithField as T2StarWithField
from .look_locker import LookLocker as LookLocker
from .mp2rage import MP2RAGE as MP2RAGE
from .multi_exponential import (
    BiExponential as BiExponential,
    MultiExponential as MultiExponential,
    ThreePoolMyelinWater as ThreePoolMyelinWater,
)
from .neurites import DispersedNeurites as DispersedNeurites
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
from .semisolid import (
    MagnetizationTransfer as MagnetizationTransfer,
    PulsedMagnetizationTransfer as PulsedMagnetizationTransfer,
)
from .signal_model import (
    Parameter as Parameter,
    SignalModel as SignalModel,
    amplitude as amplitude,
    need as need,
    settings as settings,
)
from .spectra import DampedExponentials as DampedExponentials, Spectrum as Spectrum
from .spin_lock import SpinLock as SpinLock
from .stimulated_echoes import StimulatedEchoes as StimulatedEchoes
