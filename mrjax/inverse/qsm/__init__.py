"""From phases to susceptibility: fields, their background, and the inversion of the dipole.

Fields and susceptibilities are in ppm, volumes have shape `(nx, ny, nz)`, and `mrjax.encoding.Dipole` says how one makes the
other.
"""

from .closed_form import tikhonov as tikhonov, tkd as tkd
from .nonlinear import ndi as ndi
from .scores import hfen as hfen, nrmse as nrmse, slope as slope, xsim as xsim
from .total_variation import medi as medi, tv as tv
