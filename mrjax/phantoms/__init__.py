"""Objects with known tissues: a brain, the Shepp-Logan head, the spheres of the NIST/ISMRM system phantom."""

from ._brain import brain as brain
from ._shepp_logan import shepp_logan as shepp_logan
from ._tubes import tubes as tubes
from .phantom import Phantom as Phantom
