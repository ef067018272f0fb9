"""T1 from readouts during one recovery, which they hasten."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import _exponentials

TRIALS = tuple(np.geomspace(0.05, 6.0, 50).tolist())


class LookLocker(SignalModel):
    """Recovery that is read several times, as in MOLLI: T1 by the Look-Locker correction of the apparent T1*.

    With the parameters A, B and T1* of $A - B e^{-t/T_1^*}$ it is $T_1 = T_1^* (B / A - 1)$, and A is `steady_state`. The
    correction is that of spoiled readouts of small angle, much closer to each other than T1*, which begin right after a perfect
    inversion; an inversion of efficiency e makes it e times T1. Balanced readouts, and the pauses of MOLLI, leave an error of
    some percent.

    **Arguments:**

    - `inversion_time`: From the inversion that a sample follows to its readout in s, in any order. Shape `(n_samples,)`. The
      samples of all inversions of MOLLI go together, as in a 5(3)3: the scheme itself does not enter.

    **Raises:** `ValueError` where times are negative.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.LookLocker([0.1, 0.18, 0.26, 1.1, 1.18, 1.26, 2.1, 3.1])
        >>> data = model({"t1": jnp.array([1.2]), "t1star": jnp.array([0.9]), "steady_state": jnp.array([30.0])})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["t1"][0]), 3)
        1.2

        ```
    """

    inversion_time: Float[Array, " n"] = need("s", "times from the inversion to the readout")
    equation: ClassVar[str] = r"S = S_\infty \left( 1 - (1 + T_1 / T_1^*) e^{-TI / T_1^*} \right)"
    source: ClassVar[str] = "R. Deichmann, A. Haase, J Magn Reson 96 (1992) 608-612"

    def __init__(self, inversion_time: Any):
        self.inversion_time = settings(
            inversion_time, "inversion_time", lambda value, name: _checks.non_negative(value, name, "s")
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("t1", "s", "longitudinal relaxation time", 1e-3, 50.0, TRIALS),
            Parameter("t1star", "s", "apparent relaxation time under the readouts", 1e-3, 50.0, TRIALS),
            amplitude("steady_state", "signal that the readouts lead to"),
        )

    @property
    def n_samples(self) -> int:
        return self.inversion_time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        t1, t1star, steady_state = (parameters[name][..., None] for name in self.names)
        time = self.inversion_time.reshape((1,) * (t1.ndim - 1) + (-1,))
        return steady_state * (1 - (1 + t1 / t1star) * _exponentials.decay(time, t1star))
