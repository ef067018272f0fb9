"""Networks, physics inside them, and their training."""

from . import consistency as consistency
from ._run import Loss as Loss
from .bloch_decoder import BlochDecoder as BlochDecoder
from .decoders import RecurrentDecoder as RecurrentDecoder
from .encoders import FullyConnected as FullyConnected, RecurrentEncoder as RecurrentEncoder, normalised as normalised
from .history import History as History
from .hydra import Hydra as Hydra
from .training import TrainingSchedule as TrainingSchedule, train as train
