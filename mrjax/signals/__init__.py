"""Closed forms: what a sequence gives where the Bloch equations can be solved on paper.

Fast models for fits, and the answers that the engines are tested against. `mrjax.signals.relaxation` holds
T1, T2 and T2* decay and recovery, and steady states; `magnetization_transfer` and `cest` hold saturation transfer;
`susceptibility` the field of magnetised matter; `spectroscopy` the spectra of coupled spins;
`diffusion` holds diffusion weighting, `perfusion` contrast agents and labelled blood. `models` dresses them for fits: what
each needs and gives.
"""

from . import (
    cest as cest,
    diffusion as diffusion,
    magnetization_transfer as magnetization_transfer,
    models as models,
    perfusion as perfusion,
    relaxation as relaxation,
    spectroscopy as spectroscopy,
    susceptibility as susceptibility,
)
