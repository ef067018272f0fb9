"""Objects with known tissues and positions: a brain, the Shepp-Logan head, the spheres of the NIST/ISMRM system phantom.

And what surrounds them: receive coils.
"""

from ._brain import brain as brain
from ._coils import birdcage_coils as birdcage_coils, gaussian_coils as gaussian_coils, loop_coils as loop_coils
from ._shepp_logan import shepp_logan as shepp_logan
from ._tubes import tubes as tubes
from .phantom import Phantom as Phantom
