"""From signals to parameters."""

from . import cest as cest, qsm as qsm
from .dictionary import Dictionary as Dictionary, Match as Match
from .first_guess import first_guess as first_guess
from .fisher import cramer_rao_variances as cramer_rao_variances, fisher_information as fisher_information
from .fit import Fit as Fit, FitStatus as FitStatus
from .jacobian import per_voxel_jacobian as per_voxel_jacobian, signal_and_jacobian as signal_and_jacobian
from .least_squares import least_squares as least_squares
from .polarities import recovery_polarities as recovery_polarities
