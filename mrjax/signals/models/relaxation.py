"""Models of relaxation: T2 and T2* from echoes, T1 from flip angles and from inversion times."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import spgr, t2_decay

T1 = Parameter("t1", "s", "longitudinal relaxation time", 1e-3, 50.0, tuple(np.geomspace(0.05, 6.0, 80).tolist()))
T2 = Parameter("t2", "s", "transverse relaxation time", 1e-4, 20.0, tuple(np.geomspace(2e-3, 3.0, 80).tolist()))
M0 = amplitude()


class Decay(SignalModel):
    """Exponential decay over the echo time, onto an offset if one is fitted: T2 of spin echoes, T2* of gradient echoes.

    **Arguments:**

    - `te`: Echo times in s. Shape `(n_samples,)`.
    - `parameter`: What the time constant is called, "t2" or "t2star".
    - `with_offset`: Whether a constant signal is fitted too.

    **Raises:** `ValueError` where echo times are negative or the parameter has another name.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.05, 0.1])
        >>> print(np.asarray(model({"t2": jnp.array([0.05]), "m0": jnp.array([1.0])})).round(3))
        [[0.819 0.368 0.135]]
        >>> fit = mr.inverse.least_squares(model, jnp.array([[0.819, 0.368, 0.135]]))
        >>> round(float(fit.parameters["t2"][0]), 3)
        0.05

        ```
    """

    te: Float[Array, " n"] = need("s", "echo times")
    parameter: str = need("", "name of the time constant", static=True)
    with_offset: bool = need("", "whether a constant signal is fitted too", static=True)
    equation: ClassVar[str] = r"S = M_0 e^{-TE / T_2} + c"
    source: ClassVar[str] = "solution of the Bloch equations for the transverse magnetisation"

    def __init__(self, te: Any, parameter: str = "t2", with_offset: bool = False):
        if parameter not in ("t2", "t2star"):
            raise ValueError(f"`parameter` must be 't2' or 't2star', but got {parameter!r}.")
        self.te = settings(te, "te", lambda value, name: _checks.non_negative(value, name, "s"))
        self.parameter, self.with_offset = parameter, with_offset

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        reversible = Parameter("t2star", "s", "effective transverse relaxation time", 1e-4, 10.0)
        trials = tuple(np.geomspace(1e-3, 1.0, 80).tolist())
        time = T2 if self.parameter == "t2" else Parameter(**{**vars(reversible), "trials": trials})
        offset = (amplitude("offset", "constant signal", lower=-math.inf),) if self.with_offset else ()
        return (time, M0, *offset)

    @property
    def n_samples(self) -> int:
        return self.te.size

    def __call__(self, parameters: Mapping[str, Array]) -> Inexact[Array, "*voxels n"]:
        return t2_decay(self.te, parameters[self.parameter], parameters["m0"], parameters.get("offset", 0.0))


class VariableFlipAngle(SignalModel):
    """Spoiled gradient echoes in the steady state at several flip angles: T1.

    **Arguments:**

    - `flip_angle`: Nominal flip angles in rad. Shape `(n_samples,)`.
    - `tr`: Repetition time in s; a number or shape `(n_samples,)`.
    - `b1`: Transmit field relative to nominal, a number or a map `(*voxels)`.

    **Raises:** `ValueError` where shapes do not fit or times are not positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> model = mr.signals.models.VariableFlipAngle(flip_angle=jnp.array([3.0, 15.0]) * deg, tr=5 * ms)
        >>> data = model({"t1": jnp.array([0.9]), "m0": jnp.array([100.0])})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["t1"][0]), 3)
        0.9

        ```
    """

    flip_angle: Float[Array, " n"] = need("rad", "nominal flip angles")
    tr: Float[Array, "..."] = need("s", "repetition time")
    b1: Float[Array, "..."] | float = need("", "transmit field relative to nominal", per_voxel=True, default=1.0)
    equation: ClassVar[str] = r"S = M_0 \sin\alpha \frac{1 - E_1}{1 - E_1 \cos\alpha}, \quad E_1 = e^{-TR / T_1}"
    source: ClassVar[str] = "R. R. Ernst, W. A. Anderson, Rev Sci Instrum 37 (1966) 93-102"

    def __init__(self, flip_angle: Any, tr: Any, b1: Any = 1.0):
        self.flip_angle = settings(flip_angle, "flip_angle")
        self.tr = _checks.positive(_checks.real_array(tr, "tr"), "tr", "s")
        self.b1 = b1 if isinstance(b1, float | int) else _checks.real_array(b1, "b1")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return T1, M0

    @property
    def n_samples(self) -> int:
        return self.flip_angle.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return spgr(self.flip_angle, self.tr, parameters["t1"], m0=parameters["m0"], b1=self.b1)


class InversionRecovery(SignalModel):
    """Recovery after an inversion whose efficiency is fitted, with its sign: T1.

    **Arguments:**

    - `inversion_time`: From the inversion to the excitation in s. Shape `(n_samples,)`.
    - `tr`: From one inversion to the next in s, a number; `inf` for full recovery.

    **Raises:** `ValueError` where times are negative, or inversion times exceed `tr`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.InversionRecovery(inversion_time=[0.05, 0.4, 1.1, 2.5])
        >>> data = model({"t1": jnp.array([0.8]), "inversion_efficiency": jnp.array([0.95]), "m0": jnp.array([10.0])})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["t1"][0]), 3)
        0.8

        ```
    """

    inversion_time: Float[Array, " n"] = need("s", "times from the inversion to the excitation")
    tr: float = need("s", "time from one inversion to the next", static=True)
    equation: ClassVar[str] = r"S = M_0 (1 - (1 + \epsilon) e^{-TI / T_1} + e^{-TR / T_1})"
    source: ClassVar[str] = (
        "solution of the Bloch equations for the longitudinal magnetisation, with an efficiency of the inversion"
    )

    def __init__(self, inversion_time: Any, tr: float = math.inf):
        tr = float(tr)
        self.inversion_time = settings(inversion_time, "inversion_time", lambda value, name: _within(value, name, tr))
        self.tr = tr

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        efficiency = Parameter("inversion_efficiency", "", "1 for a perfect inversion", 0.0, 1.5, (0.7, 0.85, 1.0))
        return T1, efficiency, M0

    @property
    def n_samples(self) -> int:
        return self.inversion_time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        t1, efficiency, m0 = (parameters[name][..., None] for name in ("t1", "inversion_efficiency", "m0"))
        time = self.inversion_time.reshape((1,) * (t1.ndim - 1) + (-1,))
        recovered = 0.0 if math.isinf(self.tr) else jnp.exp(-self.tr / t1)
        return m0 * (1 - (1 + efficiency) * jnp.exp(-time / t1) + recovered)


def _within(time: Array, name: str, tr: float) -> Array:
    if not tr > 0:
        raise ValueError(f"`tr` must be positive, but got {tr} s.")
    time = _checks.non_negative(time, name, "s")
    return _checks.require(time, time <= tr, f"`{name}` must not exceed `tr` ({tr:g} s)")
