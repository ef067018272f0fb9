"""Maps straight from k-space: the parameters of a signal model that explain what all coils and contrasts measured."""

from .reconstruction import MapsFromKSpace as MapsFromKSpace, maps_from_k_space as maps_from_k_space
from .sparsity import SparseDetails as SparseDetails, TotalVariation as TotalVariation
