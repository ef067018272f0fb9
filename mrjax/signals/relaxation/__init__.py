"""Closed forms of relaxation: transverse decay, longitudinal recovery, steady states.

Conventions, the same in every function:

- SI units; angles in rad, off-resonance in Hz.
- Tissue parameters (`t1`, `t2`, `m0`, `b1`, ...) have the shape of the voxels, `(*voxels)`, or broadcast to
    it.
- Arguments of the sequence (`te`, `tr`, angles, ...) are numbers or have one axis, that of the samples;
  several such axes go together entry by entry.
- The result has shape `(*voxels, n_samples)`, as that of `mrjax.simulate`; if all sequence arguments are
  numbers, `(*voxels, 1)`.
- Python numbers take the precision of the arrays beside them, so float32 stays float32.
- Pulses are instantaneous rotations; `b1` scales their angles.
- Relaxation times, `tr` and the recovery time may be `inf` where a limit exists; value and derivatives are
  then those of the limit.
- `m0` may be complex (the phase of the receiver), and so is then the signal.
"""

from .decay import (
    multi_exponential as multi_exponential,
    spin_echo as spin_echo,
    t2_decay as t2_decay,
    t2star as t2star,
    t2star_decay as t2star_decay,
)
from .echo_trains import echo_train as echo_train
from .readout_trains import look_locker as look_locker, mp2rage as mp2rage, uniform_image as uniform_image
from .recovery import inversion_recovery as inversion_recovery, saturation_recovery as saturation_recovery
from .steady_state import bssfp as bssfp, ernst_angle as ernst_angle, spgr as spgr
