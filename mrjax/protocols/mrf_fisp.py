"""Magnetic-resonance fingerprinting with unbalanced steady-state free precession."""

from importlib import resources
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Dephase, Pulse, Repeat, Sample, Sequence, Spoil


@answers_misspelt_keywords
def mrf_fisp(
    flip_angle: Any,
    tr: Any,
    te: Any,
    phase: Any = 0.0,
    inversion: bool = True,
    inversion_time: Any = 0.0,
) -> Sequence:
    r"""A FISP fingerprinting train: an inversion, then pulses of changing flip angle, one cycle of dephasing after each.

    **Arguments:**

    - `flip_angle`: In rad, `(n_repetitions,)`; a scalar needs an array of `tr`.
    - `tr`: Repetition times in s. Scalar or `(n_repetitions,)`.
    - `te`: Echo times in s. Scalar or `(n_repetitions,)`, not longer than `tr`.
    - `phase`: Phase of the pulses in rad, by which the samples are demodulated. Scalar or `(n_repetitions,)`.
    - `inversion`: Whether a 180 degree pulse goes first, scaled by B1 like every other; what it leaves transverse is spoiled.
    - `inversion_time`: From the inversion to the first pulse, in s. Scalar.

    **Returns:** A `Sequence` with one sample per repetition.

    **Raises:** `ValueError` where times are negative, `te` is longer than `tr`, or lengths differ; warns where
    a time looks like milliseconds.

    **Source:** Y. Jiang, D. Ma, N. Seiberlich, V. Gulani, M. A. Griswold, Magn Reson Med 74 (2015) 1621-1631.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> flip_angle, tr = mr.protocols.published_fisp_schedule()
        >>> sequence = mr.protocols.mrf_fisp(flip_angle, tr, te=2e-3)
        >>> sequence.n_samples
        1000

        ```
    """
    te = _arguments.echo_time(te)
    rest = _arguments.remainder(_arguments.time(tr, "tr"), te, ("tr", "te"))
    train = Repeat(Pulse(flip_angle, phase), Delay(te), Sample(phase), Delay(rest), Dephase())
    if not inversion:
        return Sequence(train)
    return Sequence(Pulse(jnp.pi), Spoil(), Delay(_arguments.time(inversion_time, "inversion_time")), train)


def published_fisp_schedule() -> tuple[np.ndarray, np.ndarray]:
    """Flip angles (rad) and repetition times (s) of the published 1000-frame FISP fingerprinting schedule.

    Angles from 0 to 70 degrees, with four gaps of ten pulses of zero degrees; repetition times from 11.67 to 14.33 ms.

    **Source:** the first 1000 entries of the schedule in the repository P-Song/HYDRA (`generate_RF_TR.m`, MIT licence), used
    there, in FLOR and in BlochNet; equal to 0.01 degrees to the list of Jiang et al., Magn Reson Med 74 (2015) 1621-1631.
    """
    with resources.files("mrjax.protocols").joinpath("fisp_mrf_1000.csv").open() as file:
        table = np.loadtxt(file, delimiter=",", comments=["#", "index"])
    return np.deg2rad(table[:, 1]), table[:, 2] * 1e-3
