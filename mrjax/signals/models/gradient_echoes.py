"""T2* and off-resonance from complex gradient echoes."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import t2star_decay

MOST_FREQUENCIES = 400


class T2StarWithField(SignalModel):
    """Complex gradient echoes at several echo times: T2*, off-resonance, and an amplitude with a phase.

    The off-resonance is looked for between plus and minus half the inverse of the smallest distance of two echo times; where
    echoes are equally spaced, frequencies that differ by the whole inverse give the same signals.

    **Arguments:**

    - `te`: Echo times in s, at least two that differ. Shape `(n_samples,)`.

    **Raises:** `ValueError` where echo times are negative, or fewer than two differ.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.T2StarWithField(te=[0.004, 0.008, 0.012, 0.016])
        >>> truth = {"t2star": 0.03, "off_resonance": -40.0, "m0_real": 3.0, "m0_imaginary": 4.0}
        >>> data = model({name: jnp.array([value]) for name, value in truth.items()})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["off_resonance"][0]), 2)
        -40.0

        ```
    """

    te: Float[Array, " n"] = need("s", "echo times")
    equation: ClassVar[str] = r"S = M_0 e^{-TE / T_2^*} e^{2 \pi i \Delta f \, TE}"
    source: ClassVar[str] = "solution of the Bloch equations for the transverse magnetisation"

    def __init__(self, te: Any):
        self.te = settings(te, "te", lambda value, name: _checks.non_negative(value, name, "s"))
        frequency_trials(self.te)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        frequencies = frequency_trials(self.te)
        limit = -2 * frequencies[0]
        trials = tuple(np.geomspace(2e-3, 0.3, 24).tolist())
        return (
            Parameter("t2star", "s", "effective transverse relaxation time", 1e-4, 10.0, trials),
            Parameter("off_resonance", "Hz", "of the water", -limit, limit, frequencies),
            *complex_amplitude(),
        )

    @property
    def n_samples(self) -> int:
        return self.te.size

    def __call__(self, parameters: Mapping[str, Array]) -> Complex[Array, "*voxels n"]:
        m0 = parameters["m0_real"] + 1j * parameters["m0_imaginary"]
        return t2star_decay(self.te, parameters["t2star"], m0, parameters["off_resonance"])


def complex_amplitude() -> tuple[Parameter, Parameter]:
    """The transverse magnetisation at the time zero, with the phase of the receiver."""
    return (
        amplitude("m0_real", "magnetisation at the time zero, real part", lower=-math.inf),
        amplitude("m0_imaginary", "magnetisation at the time zero, imaginary part", lower=-math.inf),
    )


def frequency_trials(te: Array) -> tuple[float, ...]:
    """Off-resonances in Hz, so dense that one of them turns all echoes within an eighth of a turn of the truth.

    **Raises:** `ValueError` where fewer than two echo times differ.
    """
    if not _checks.is_concrete(te):
        raise ValueError("`te` must be known, not traced, where a fit starts by itself; pass `init`.")
    times = np.unique(np.asarray(te, float))
    if times.size < 2:
        raise ValueError(f"`te` must hold at least two echo times that differ, but got {times.size}.")
    highest = 0.5 / np.diff(times).min()
    n = math.ceil(8 * highest * (times[-1] - times[0]))
    # between the ends, which are the same frequency where echoes are equally spaced
    return tuple(np.linspace(-highest, highest, 2 * min(n, MOST_FREQUENCIES) + 1)[1::2].tolist())
