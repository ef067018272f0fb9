"""Imaging sequences as a scanner plays them, one file each: pulses that last, gradients within its limits, readouts.

Names that idealised protocols bear too, such as `mrjax.protocols.bssfp`, stand here for real waveforms. Readouts carry labels
(`LIN`, `PAR`, `ECO`, `SEG`, and `REV` where a line is read backwards), by which `cartesian_kspace` sorts samples.
"""

from .bssfp import bssfp as bssfp
from .cartesian_kspace import cartesian_kspace as cartesian_kspace
from .flash import flash as flash
from .fse import fse as fse
from .gre_epi import gre_epi as gre_epi
from .moled import moled as moled
from .mprage import mprage as mprage
from .oled import oled as oled
from .radial import radial as radial
from .se_epi import se_epi as se_epi
from .spamm import spamm as spamm
from .spen import spen as spen
from .spiral import spiral as spiral
