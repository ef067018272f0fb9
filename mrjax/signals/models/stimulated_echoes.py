"""T2 from trains of spin echoes with imperfect refocusing."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need
from mrjax.signals.relaxation import echo_train


class StimulatedEchoes(SignalModel):
    """A CPMG train with its stimulated echoes: T2 with the transmit field, fitted or known.

    Angles above and below 180° give the same echoes. Where the nominal angle is 180°, `b1` is thus fitted up to 1 alone: a
    voxel with 1.1 gets 0.9, and the right T2. Near 180° the echoes hardly depend on `b1`, and it is uncertain.

    **Arguments:**

    - `n_echoes`: How many echoes, equally spaced from one spacing on.
    - `echo_spacing`: In s. A number.
    - `refocusing_angle`: Nominal, in rad. A number.
    - `t1`: Assumed T1 in s, a number or a map `(*voxels)`; it matters little.
    - `b1`: Transmit field relative to nominal, a number or a map `(*voxels)`, where it is known: with `fits_b1` false.
    - `fits_b1`: Whether `b1` is a parameter.

    **Raises:** `ValueError` where times are not positive, or a map of `b1` is given that is to be fitted.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.StimulatedEchoes(n_echoes=16, echo_spacing=0.01)
        >>> data = model({"t2": jnp.array([0.08]), "b1": jnp.array([0.8]), "m0": jnp.array([5.0])})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["t2"][0]), 3)
        0.08

        ```
    """

    n_echoes: int = need("", "echoes", static=True)
    echo_spacing: Float[Array, ""] = need("s", "from one echo to the next")
    refocusing_angle: Float[Array, ""] = need("rad", "nominal angle of the refocusing pulses")
    t1: Float[Array, "..."] | float = need("s", "longitudinal relaxation time", per_voxel=True, default=1.0)
    b1: Float[Array, "..."] | float = need("", "transmit field relative to nominal", per_voxel=True, default=1.0)
    fits_b1: bool = eqx.field(static=True, default=True)
    equation: ClassVar[str] = r"S_n = [z^n] \frac{M_0 \sin\alpha_e}{2} (1 + \sqrt{P(z) / Q(z)})"
    source: ClassVar[str] = "N. N. Lukzen, A. A. Savelov, J Magn Reson 185 (2007) 71-76"

    def __init__(
        self,
        n_echoes: int,
        echo_spacing: Any,
        refocusing_angle: Any = math.pi,
        t1: Any = 1.0,
        b1: Any = 1.0,
        fits_b1: bool = True,
    ):
        if fits_b1 and np.ndim(b1):
            raise ValueError("`b1` must not be a map where it is fitted; pass `fits_b1=False` to use the map.")
        self.n_echoes = _checks.positive_integer(n_echoes, "n_echoes")
        self.echo_spacing = _checks.positive(_checks.real_array(echo_spacing, "echo_spacing"), "echo_spacing", "s")
        self.refocusing_angle = _checks.finite_angle(refocusing_angle, "refocusing_angle")
        self.t1 = t1 if isinstance(t1, float | int) else _checks.positive(_checks.real_array(t1, "t1"), "t1", "s")
        self.b1 = b1 if isinstance(b1, float | int) else _checks.real_array(b1, "b1")
        self.fits_b1 = fits_b1

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        trials = tuple(np.geomspace(5e-3, 2.0, 60).tolist())
        t2 = Parameter("t2", "s", "transverse relaxation time", 1e-3, 20.0, trials)
        if not self.fits_b1:
            return t2, amplitude()
        is_half_a_turn = (
            _checks.is_concrete(self.refocusing_angle) and abs(float(self.refocusing_angle) - math.pi) < 1e-3
        )
        fractions = tuple(np.linspace(0.4, 1.3, 19).tolist())
        b1 = Parameter("b1", "", "transmit field relative to nominal", 0.3, 1.6, fractions)
        return t2, b1.within(upper=1.0) if is_half_a_turn else b1, amplitude()

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        b1 = parameters["b1"] if self.fits_b1 else self.b1
        settings = self.n_echoes, self.echo_spacing, self.t1, parameters["t2"], self.refocusing_angle
        return echo_train(*settings, m0=parameters["m0"], b1=b1)

    @property
    def n_samples(self) -> int:
        return self.n_echoes
