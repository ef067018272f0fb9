"""From image to k-space: linear operators that know their adjoint.

Axes of images are those of increasing position x, y, z, and voxel n // 2 of each axis is at position 0. The signal is
$\\sum_j m_j e^{-2 \\pi i k \\cdot r_j}$ with k in cycles/m. `sense` composes what a scan needs; `@` composes anything else.
`patterns` makes sampling masks.
"""

from . import patterns as patterns
from .coils import Coils as Coils
from .contraction import Contraction as Contraction
from .density import iterative_density as iterative_density, radial_density as radial_density
from .dipole import Dipole as Dipole
from .fourier import Fourier as Fourier
from .grid_samples import GridSamples as GridSamples
from .nufft import Nufft as Nufft
from .off_resonance import off_resonance as off_resonance
from .operator import LinearOperator as LinearOperator, Mask as Mask
from .sense import sense as sense
from .subspace import Subspace as Subspace
