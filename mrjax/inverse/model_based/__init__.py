"""Maps straight from k-space: the parameters of a signal model that explain what all coils and contrasts measured."""

from .coefficients import subspace_coefficients as subspace_coefficients
from .low_rank import LocallyLowRank as LocallyLowRank
from .reconstruction import MapsFromKSpace as MapsFromKSpace, maps_from_k_space as maps_from_k_space
from .regularised_fit import regularised_fit as regularised_fit
from .smoothness import Tikhonov as Tikhonov
from .sparsity import SparseDetails as SparseDetails, Sparsity as Sparsity, TotalVariation as TotalVariation
