"""Closed forms of perfusion: contrast agent in tissue, its signal, and labelled blood.

Times are in s, concentrations in mol/m^3 (which is mmol/L), rates in 1/s: a Ktrans of 0.25 /min is `0.25 / minute`. Volume
fractions are of the tissue.
"""

from .arterial_input import ArterialInput as ArterialInput, parker_input as parker_input
from .concentration import (
    concentration_from_spgr as concentration_from_spgr,
    spgr_of_concentration as spgr_of_concentration,
)
from .convolution import exponential_convolution as exponential_convolution
from .labelling import pasl as pasl, pcasl as pcasl
from .tissue import (
    extended_tofts as extended_tofts,
    patlak as patlak,
    tofts as tofts,
    two_compartment_exchange as two_compartment_exchange,
)
