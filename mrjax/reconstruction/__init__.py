"""From k-space to images.

What each function takes is an encoding of `mrjax.encoding` and the data that it makes. Off-resonance, low-rank subspaces and
trajectories are the encoding's: give `sense` a field map, and every method here corrects for it.
"""

from .adjoint import adjoint as adjoint, root_sum_of_squares as root_sum_of_squares
from .conjugate_gradient import cg_sense as cg_sense
from .espirit import espirit as espirit
from .homodyne import homodyne as homodyne
from .proximal import total_variation as total_variation, wavelet_sparse as wavelet_sparse
from .wavelets import Wavelets as Wavelets
