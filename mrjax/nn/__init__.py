"""Networks, physics inside them, and their training."""

from . import consistency as consistency
from ._run import Loss as Loss
from .bloch_decoder import BlochDecoder as BlochDecoder
from .complex_channels import channels_as_complex as channels_as_complex, complex_as_channels as complex_as_channels
from .decoders import RecurrentDecoder as RecurrentDecoder
from .dncnn import DnCNN as DnCNN
from .encoders import FullyConnected as FullyConnected, RecurrentEncoder as RecurrentEncoder, normalised as normalised
from .fields_of_experts import FieldsOfExperts as FieldsOfExperts
from .history import History as History
from .hydra import Hydra as Hydra
from .modl import MoDL as MoDL
from .nc_pdnet import NCPDNet as NCPDNet
from .patches import in_patches as in_patches
from .residual_network import ResidualNetwork as ResidualNetwork
from .training import TrainingSchedule as TrainingSchedule, train as train
from .unet import UNet as UNet
