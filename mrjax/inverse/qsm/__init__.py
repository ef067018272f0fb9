"""From phases to susceptibility: fields, their background, and the inversion of the dipole.

Fields and susceptibilities are in ppm, volumes have shape `(nx, ny, nz)`, and `mrjax.encoding.Dipole` says how one makes the
other.
"""

from .boundary_values import lbv as lbv
from .closed_form import tikhonov as tikhonov, tkd as tkd
from .echoes import EchoFit as EchoFit, fit_echoes as fit_echoes
from .local_field import LocalField as LocalField
from .masks import signal_mask as signal_mask
from .nonlinear import ndi as ndi
from .outer_sources import pdf as pdf
from .pipeline import SusceptibilityMap as SusceptibilityMap, qsm as qsm
from .scores import hfen as hfen, nrmse as nrmse, slope as slope, xsim as xsim
from .spherical_means import resharp as resharp, v_sharp as v_sharp
from .total_variation import medi as medi, tv as tv
from .unwrapping import unwrap as unwrap, unwrap_by_path as unwrap_by_path
