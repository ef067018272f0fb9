"""Models of perfusion: contrast agent in tissue, and labelled blood."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, need, settings
from mrjax.signals.perfusion import ArterialInput, extended_tofts, pasl, pcasl, tofts, two_compartment_exchange


def _rate(name: str, meaning: str, n: int) -> Parameter:
    return Parameter(name, "1/s", meaning, 0.0, 1.0, tuple(np.geomspace(1e-4, 5e-2, n).tolist()))


def _fraction(name: str, meaning: str, n: int, highest: float = 0.8) -> Parameter:
    return Parameter(name, "", meaning, 1e-4, 1.0, tuple(np.geomspace(0.01, highest, n).tolist()))


def _leakage(n: int) -> tuple[Parameter, ...]:
    space = _fraction("ve", "volume fraction of extravascular extracellular space", n)
    return _rate("ktrans", "transfer constant", n), space


class Tofts(SignalModel):
    """Concentrations of a contrast agent that leaks into the interstitium and comes back.

    **Arguments:**

    - `time`: Of the samples in s, not beyond the last of the input. Shape `(n_samples,)`.
    - `arterial`: A `mrjax.signals.perfusion.ArterialInput` in plasma.

    **Raises:** `ValueError` where times lie beyond the input.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> knots = jnp.arange(0.0, 301.0)
        >>> plasma = mr.signals.perfusion.ArterialInput(knots, mr.signals.perfusion.parker_input(knots) / 0.58)
        >>> model = mr.signals.models.Tofts(jnp.arange(0.0, 300.0, 10.0), plasma)
        >>> fit = mr.inverse.least_squares(model, model({"ktrans": jnp.array([4e-3]), "ve": jnp.array([0.3])}))
        >>> round(float(fit.parameters["ve"][0]), 3)
        0.3

        ```
    """

    time: Float[Array, " n"] = need("s", "times of the samples")
    arterial: ArterialInput = need("", "arterial input")
    equation: ClassVar[str] = r"C = K^{trans} \int c_p(\tau) e^{-(K^{trans} / v_e) (t - \tau)} d\tau"
    source: ClassVar[str] = "P. S. Tofts et al., J Magn Reson Imaging 10 (1999) 223-232"

    def __init__(self, time: Any, arterial: ArterialInput):
        self.time, self.arterial = settings(time, "time", lambda value, _: arterial.checked_times(value)), arterial

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return _leakage(40)

    @property
    def n_samples(self) -> int:
        return self.time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return tofts(self.time, self.arterial, parameters["ktrans"], parameters["ve"])


class ExtendedTofts(Tofts):
    """Concentrations of a contrast agent that leaks into the interstitium, with the plasma of the tissue itself.

    **Arguments:**

    - `time`, `arterial`: As those of `Tofts`.

    **Raises:** as `Tofts`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> plasma = mr.signals.perfusion.ArterialInput([0.0, 10.0, 300.0], [0.0, 6.0, 1.0])
        >>> mr.signals.models.ExtendedTofts(jnp.arange(0.0, 300.0, 10.0), plasma).names
        ('ktrans', 've', 'vp')

        ```
    """

    equation: ClassVar[str] = r"C = v_p c_p(t) + K^{trans} \int c_p(\tau) e^{-(K^{trans} / v_e) (t - \tau)} d\tau"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        plasma = Parameter("vp", "", "volume fraction of plasma", 0.0, 1.0, (0.0, 0.01, 0.02, 0.05, 0.1, 0.2))
        return *_leakage(16), plasma

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        names = ("ktrans", "ve", "vp")
        return extended_tofts(self.time, self.arterial, *(parameters[name] for name in names))


class TwoCompartmentExchange(Tofts):
    """Concentrations of a contrast agent in plasma that flows and interstitium that it exchanges with (2CXM).

    **Arguments:**

    - `time`, `arterial`: As those of `Tofts`. Samples every second or two are needed to tell flow from exchange.

    **Raises:** as `Tofts`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> plasma = mr.signals.perfusion.ArterialInput([0.0, 10.0, 300.0], [0.0, 6.0, 1.0])
        >>> mr.signals.models.TwoCompartmentExchange(jnp.arange(0.0, 300.0, 2.0), plasma).names
        ('plasma_flow', 'permeability_surface', 've', 'vp')

        ```
    """

    equation: ClassVar[str] = r"v_p \dot c_1 = F_p (c_p - c_1) + PS (c_2 - c_1), v_e \dot c_2 = PS (c_1 - c_2)"
    source: ClassVar[str] = "S. P. Sourbron, D. L. Buckley, Phys Med Biol 57 (2012) R1-R33"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        # a flow of zero leaves nothing that could be told
        flow = _rate("plasma_flow", "volume of plasma per volume of tissue and time", 10).within(lower=1e-6)
        surface = _rate("permeability_surface", "product of permeability and surface", 10)
        interstitium = _fraction("ve", "volume fraction of interstitium", 8)
        return flow, surface, interstitium, _fraction("vp", "volume fraction of plasma", 8, 0.3)

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        names = ("plasma_flow", "permeability_surface", "ve", "vp")
        return two_compartment_exchange(self.time, self.arterial, *(parameters[name] for name in names))


class ArterialSpinLabelling(SignalModel):
    """Differences of control and label at several times: blood flow and arrival time.

    **Arguments:**

    - `time`: From the beginning of labelling to the readout in s. Shape `(n_samples,)`.
    - `labelling_duration`: Of the label in s, that of the bolus for "pasl"; a number or shape `(n_samples,)`.
    - `labelling`: "pcasl" or "pasl".
    - `m0`: Equilibrium magnetisation of the tissue, a number or a map.
    - `t1_tissue`, `t1_blood`: In s, numbers or maps.
    - `efficiency`: Of the inversion; by default 0.85 for "pcasl", 0.98 for "pasl".

    **Raises:** `ValueError` where times are negative or the labelling has another name.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.ArterialSpinLabelling(time=1.8 + jnp.arange(0.25, 2.6, 0.25), labelling_duration=1.8)
        >>> fit = mr.inverse.least_squares(model, model({"cbf": jnp.array([0.01]), "arrival_time": jnp.array([1.1])}))
        >>> print(f"{6000 * fit.parameters['cbf'][0]:.1f} mL/(100 g min)")
        60.0 mL/(100 g min)

        ```
    """

    time: Float[Array, " n"] = need("s", "times from the beginning of labelling to the readout")
    labelling_duration: Float[Array, "..."] = need("s", "duration of the label")
    labelling: str = need("", "how blood is labelled", static=True)
    efficiency: float = need("", "efficiency of the inversion", static=True)
    m0: Float[Array, "..."] | float = need("signal", "equilibrium magnetisation", per_voxel=True, default=1.0)
    t1_tissue: Float[Array, "..."] | float = need("s", "T1 of the tissue", per_voxel=True, default=1.3)
    t1_blood: Float[Array, "..."] | float = need("s", "T1 of the blood", per_voxel=True, default=1.65)
    equation: ClassVar[str] = r"\Delta M = 2 \frac{M_0}{\lambda} f \int \alpha e^{-s / T_{1b}} e^{-(t - s) / T_1'}"
    source: ClassVar[str] = "R. B. Buxton et al., Magn Reson Med 40 (1998) 383-396"

    def __init__(
        self,
        time: Any,
        labelling_duration: Any,
        labelling: str = "pcasl",
        m0: Any = 1.0,
        t1_tissue: Any = 1.3,
        t1_blood: Any = 1.65,
        efficiency: float | None = None,
    ):
        if labelling not in ("pcasl", "pasl"):
            raise ValueError(f"`labelling` must be 'pcasl' or 'pasl', but got {labelling!r}.")
        known = lambda value, name: float(value) if isinstance(value, float | int) else _checks.real_array(value, name)
        self.time = settings(time, "time", lambda value, name: _checks.non_negative(value, name, "s"))
        self.labelling_duration = _checks.real_array(labelling_duration, "labelling_duration")
        self.labelling = labelling
        self.efficiency = {"pcasl": 0.85, "pasl": 0.98}[labelling] if efficiency is None else float(efficiency)
        self.m0, self.t1_tissue = known(m0, "m0"), known(t1_tissue, "t1_tissue")
        self.t1_blood = known(t1_blood, "t1_blood")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        flows, times = np.geomspace(5e-4, 5e-2, 40), np.linspace(0.1, 4.0, 60)
        flow = Parameter("cbf", "mL/(g s)", "blood flow; 60 mL/(100 g min) are 0.01", 0.0, 1.0, tuple(flows.tolist()))
        return flow, Parameter("arrival_time", "s", "time of arrival", 0.0, 10.0, tuple(times.tolist()))

    @property
    def n_samples(self) -> int:
        return self.time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        flow, arrival = parameters["cbf"], parameters["arrival_time"]
        known = (jnp.asarray(value, flow.dtype) for value in (self.m0, self.t1_tissue, self.t1_blood))
        kinetics = {"pcasl": pcasl, "pasl": pasl}[self.labelling]
        return kinetics(self.time, flow, arrival, self.labelling_duration, *known, self.efficiency)
