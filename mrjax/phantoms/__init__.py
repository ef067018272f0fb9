"""Objects with known tissues and positions: a brain, the Shepp-Logan head, the spheres of the NIST/ISMRM system phantom.

And what they are measured with: receive coils, transmit arrays, the field of the magnet and the transmit field.
"""

from ._brain import brain as brain
from ._brain_fields import BrainFields as BrainFields, brain_fields as brain_fields
from ._coils import birdcage_coils as birdcage_coils, gaussian_coils as gaussian_coils, loop_coils as loop_coils
from ._shepp_logan import shepp_logan as shepp_logan
from ._transmit_array import TransmitArray as TransmitArray, transmit_array as transmit_array
from ._tubes import tubes as tubes
from .phantom import Phantom as Phantom
