"""The kinds of measurement that `mrjax fit` knows, each with its model."""

from mrjax.cli.contrasts import decays, diffusion, longitudinal, perfusion
from mrjax.cli.contrasts.contrast import Contrast as Contrast, Derived as Derived, Known as Known

CONTRASTS = {
    contrast.name: contrast
    for contrast in (*decays.CONTRASTS, *longitudinal.CONTRASTS, *diffusion.CONTRASTS, *perfusion.CONTRASTS)
}
"""By name."""
