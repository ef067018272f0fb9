"""Ready sequences, one file each."""

from . import cest as cest, imaging as imaging
from .bssfp import bssfp as bssfp
from .cpmg import cpmg as cpmg
from .inversion_recovery import inversion_recovery as inversion_recovery
from .mrf_fisp import mrf_fisp as mrf_fisp, published_fisp_schedule as published_fisp_schedule
from .multi_echo_gre import multi_echo_gre as multi_echo_gre
from .spgr import spgr as spgr
from .spin_echo import spin_echo as spin_echo
