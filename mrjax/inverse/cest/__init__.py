"""From saturated images to maps: normalisation, asymmetry, Lorentzian and WASABI fits.

Spectra have shape `(*voxels, n_offsets)`, offsets in ppm shape `(n_offsets,)`, in any order; a positive offset is above the
water. A shift in ppm is where the water of a voxel resonates.
"""

from .contrasts import apt_weighted as apt_weighted, arex as arex, glucest_ratio as glucest_ratio
from .lorentzian import (
    LORENTZIAN_LINES as LORENTZIAN_LINES,
    LorentzianLine as LorentzianLine,
    lorentzian_difference as lorentzian_difference,
    lorentzian_fit as lorentzian_fit,
    lorentzian_spectrum as lorentzian_spectrum,
)
from .spectra import correct_b0 as correct_b0, mtr_asymmetry as mtr_asymmetry, z_spectrum as z_spectrum
from .wasabi import wasabi_fit as wasabi_fit, wasabi_spectrum as wasabi_spectrum
