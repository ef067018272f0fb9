"""From signals to parameters."""

from . import cest as cest, diffusion as diffusion, qsm as qsm
from .compressed_dictionary import CompressedDictionary as CompressedDictionary, compress as compress
from .cramer_rao import CramerRaoBound as CramerRaoBound, crlb as crlb
from .dictionary import Dictionary as Dictionary, Match as Match
from .fingerprint_maps import FingerprintMaps as FingerprintMaps, fingerprint_maps as fingerprint_maps
from .first_guess import first_guess as first_guess
from .fisher import cramer_rao_variances as cramer_rao_variances, fisher_information as fisher_information
from .fit import Fit as Fit, FitStatus as FitStatus
from .jacobian import per_voxel_jacobian as per_voxel_jacobian, signal_and_jacobian as signal_and_jacobian
from .least_squares import least_squares as least_squares
from .model_based import (
    LocallyLowRank as LocallyLowRank,
    MapsFromKSpace as MapsFromKSpace,
    SparseDetails as SparseDetails,
    Tikhonov as Tikhonov,
    TotalVariation as TotalVariation,
    maps_from_k_space as maps_from_k_space,
    regularised_fit as regularised_fit,
    subspace_coefficients as subspace_coefficients,
)
from .non_negative import non_negative_least_squares as non_negative_least_squares
from .polarities import recovery_polarities as recovery_polarities
from .posterior_samples import Posterior as Posterior, posterior as posterior
from .refined_match import refined_match as refined_match
from .simulated_fits import SimulatedFits as SimulatedFits, monte_carlo as monte_carlo
from .spectra import T2Spectrum as T2Spectrum, t2_spectrum as t2_spectrum
