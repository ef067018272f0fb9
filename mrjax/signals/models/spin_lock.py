"""T1rho from spin-lock preparations."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import t2_decay


class SpinLock(SignalModel):
    """Decay of locked magnetisation over the duration of the lock: T1rho, at the amplitude that the lock has.

    **Arguments:**

    - `spin_lock_time`: Durations of the lock in s. Shape `(n_samples,)`.

    **Raises:** `ValueError` where times are negative.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.SpinLock([0.001, 0.02, 0.04, 0.06])
        >>> data = model({"t1rho": jnp.array([0.08]), "m0": jnp.array([5.0])})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["t1rho"][0]), 3)
        0.08

        ```
    """

    spin_lock_time: Float[Array, " n"] = need("s", "durations of the spin lock")
    equation: ClassVar[str] = r"S = M_0 e^{-TSL / T_{1\rho}}"
    source: ClassVar[str] = "solution of the Bloch equations for magnetisation along the field of the lock"

    def __init__(self, spin_lock_time: Any):
        self.spin_lock_time = settings(
            spin_lock_time, "spin_lock_time", lambda value, name: _checks.non_negative(value, name, "s")
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        trials = tuple(np.geomspace(2e-3, 3.0, 80).tolist())
        return Parameter("t1rho", "s", "relaxation time in the rotating frame", 1e-4, 20.0, trials), amplitude()

    @property
    def n_samples(self) -> int:
        return self.spin_lock_time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return t2_decay(self.spin_lock_time, parameters["t1rho"], parameters["m0"])
