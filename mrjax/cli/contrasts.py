"""The signal models that `mrjax fit` knows, and how each is made from the settings of a measurement."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.cli.acquisition import Acquisition
from mrjax.signals.models import Decay, InversionRecovery, SignalModel, VariableFlipAngle


@dataclass(frozen=True)
class Contrast:
    """A kind of measurement that can be fitted."""

    name: str
    help: str
    parameter: str
    """The parameter of interest."""
    sample_option: str
    """Command-line option with one entry per image."""
    model: Callable[[Acquisition, bool, Any], SignalModel]
    """From the settings of the sequence, whether an offset is fitted, and the B1 map of the voxels or None."""


def _decay(parameter: str) -> Callable[[Acquisition, bool, Any], Decay]:
    return lambda played, offset, b1: Decay(played.samples, parameter, offset)


def _vfa(played: Acquisition, offset: bool, b1: Any) -> VariableFlipAngle:
    return VariableFlipAngle(played.samples, played.tr, 1.0 if b1 is None else b1)


def _ir(played: Acquisition, offset: bool, b1: Any) -> InversionRecovery:
    time, tr = played.samples, float(played.tr[0])
    if np.any(played.tr != tr):
        raise ValueError(f"--tr must be the same for all images, but the sidecars hold {played.tr.tolist()} s.")
    if time.min() < 0 or time.max() > tr:
        raise ValueError(f"--ti must lie between 0 and --tr ({tr:g} s), but got {time.min():g} to {time.max():g} s.")
    return InversionRecovery(time, tr)


CONTRASTS = {
    contrast.name: contrast
    for contrast in (
        Contrast("t2star", "T2* from gradient echoes at several echo times", "t2star", "te", _decay("t2star")),
        Contrast("t2", "T2 from spin echoes at several echo times", "t2", "te", _decay("t2")),
        Contrast("vfa", "T1 from spoiled gradient echoes at several flip angles", "t1", "flip_angle", _vfa),
        Contrast("ir", "T1 from inversion recovery, signed or in magnitude", "t1", "ti", _ir),
    )
}
