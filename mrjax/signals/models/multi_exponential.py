"""Decays of several compartments without exchange."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.signals.models.gradient_echoes import complex_amplitude, frequency_trials
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import multi_exponential, t2star_decay


class BiExponential(SignalModel):
    """Two decays, a short and a long one, each within limits of its own: their T2 and the fraction of the short one.

    **Arguments:**

    - `te`: Echo times in s. Shape `(n_samples,)`.
    - `short`, `long`: Limits of the two T2 in s, (lower, upper), that do not overlap.

    **Raises:** `ValueError` where echo times are negative, or limits cross or overlap.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> model = mr.signals.models.BiExponential(te=np.arange(1, 33) * 0.01)
        >>> truth = {"t2_short": 0.02, "t2_long": 0.08, "short_fraction": 0.2, "m0": 10.0}
        >>> data = model({name: jnp.array([value]) for name, value in truth.items()})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["short_fraction"][0]), 2)
        0.2

        ```
    """

    te: Float[Array, " n"] = need("s", "echo times")
    short: tuple[float, float] = need("s", "limits of the short T2", static=True)
    long: tuple[float, float] = need("s", "limits of the long T2", static=True)
    equation: ClassVar[str] = r"S = M_0 (f e^{-TE / T_{2,s}} + (1 - f) e^{-TE / T_{2,l}})"
    source: ClassVar[str] = "sum of solutions of the Bloch equations"

    def __init__(self, te: Any, short: tuple[float, float] = (1e-3, 0.04), long: tuple[float, float] = (0.04, 2.0)):
        self.te = settings(te, "te", lambda value, name: _checks.non_negative(value, name, "s"))
        self.short, self.long = _ranges((short, long))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (
            _time("t2_short", self.short, 24),
            _time("t2_long", self.long, 24),
            Parameter("short_fraction", "", "of the signal at the time zero", 0.0, 1.0, (0.05, 0.15, 0.3, 0.5, 0.75)),
            amplitude(),
        )

    @property
    def n_samples(self) -> int:
        return self.te.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        fraction = parameters["short_fraction"]
        times = jnp.stack([parameters["t2_short"], parameters["t2_long"]], axis=-1)
        fractions = jnp.stack([fraction, 1 - fraction], axis=-1)
        return multi_exponential(self.te, times, fractions, parameters["m0"])


class MultiExponential(SignalModel):
    """Any number of decays, each with its T2 within limits of its own and its amplitude: `t2_1`, `m0_1`, and so on.

    **Arguments:**

    - `te`: Echo times in s. Shape `(n_samples,)`.
    - `ranges`: Limits of each T2 in s, (lower, upper), that ascend and do not overlap; they tell the decays apart.

    **Raises:** `ValueError` where echo times are negative, or limits cross or overlap.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> ranges = ((0.005, 0.04), (0.04, 0.2), (0.2, 2.0))
        >>> model = mr.signals.models.MultiExponential(te=np.arange(1, 49) * 0.01, ranges=ranges)
        >>> model.names
        ('t2_1', 't2_2', 't2_3', 'm0_1', 'm0_2', 'm0_3')
        >>> one = {"t2_1": 0.02, "t2_2": 0.08, "t2_3": 1.0, "m0_1": 0.2, "m0_2": 0.7, "m0_3": 0.1}
        >>> round(float(model({name: jnp.array(value) for name, value in one.items()})[0]), 3)
        0.838

        ```
    """

    te: Float[Array, " n"] = need("s", "echo times")
    ranges: tuple[tuple[float, float], ...] = need("s", "limits of each T2", static=True)
    equation: ClassVar[str] = r"S = \sum_c M_{0,c} e^{-TE / T_{2,c}}"
    source: ClassVar[str] = "sum of solutions of the Bloch equations"

    def __init__(self, te: Any, ranges: Sequence[tuple[float, float]]):
        self.te = settings(te, "te", lambda value, name: _checks.non_negative(value, name, "s"))
        self.ranges = _ranges(ranges)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        n = len(self.ranges)
        # all combinations of three make 8000
        trials = max(2, min(60, int(8000 ** (1 / n))))
        times = tuple(_time(f"t2_{i + 1}", limits, trials) for i, limits in enumerate(self.ranges))
        return times + tuple(amplitude(f"m0_{i + 1}", f"magnetisation of component {i + 1}") for i in range(n))

    @property
    def n_samples(self) -> int:
        return self.te.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        every = range(1, len(self.ranges) + 1)
        times = jnp.stack([parameters[f"t2_{i}"] for i in every], axis=-1)
        return multi_exponential(self.te, times, jnp.stack([parameters[f"m0_{i}"] for i in every], axis=-1))


class ThreePoolMyelinWater(SignalModel):
    """Complex gradient echoes of white matter: myelin, axonal and extracellular water, each with T2* and frequency.

    Frequencies are those relative to extracellular water, whose own is `off_resonance`. Ten unknowns need a high
    signal-to-noise ratio (see `standard_deviation` of a fit) and echoes from 2 ms to 50 ms: the misfit has several minima,
    and axonal and extracellular water are told apart by their T2* and frequency alone. Names are those of
    `mrjax.zoo.myelin_water`.

    **Arguments:**

    - `te`: Echo times in s, at least two that differ. Shape `(n_samples,)`.

    **Raises:** `ValueError` where echo times are negative, or fewer than two differ.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> model = mr.signals.models.ThreePoolMyelinWater(te=2e-3 + 1e-3 * np.arange(40))
        >>> len(model.names), model.names[0]
        (10, 'myelin_fraction')

        ```
    """

    te: Float[Array, " n"] = need("s", "echo times")
    equation: ClassVar[str] = (
        r"S = M_0 e^{2 \pi i \Delta f t} \left( f e^{(2 \pi i f_m - 1/T_m) t} + (1 - f) \left( a e^{(2 \pi i f_a - 1/T_a) t}"
        r" + (1 - a) e^{-t/T_e} \right) \right)"
    )
    source: ClassVar[str] = "Y. Nam et al., NeuroImage 116 (2015) 214-221"

    def __init__(self, te: Any):
        self.te = settings(te, "te", lambda value, name: _checks.non_negative(value, name, "s"))
        frequency_trials(self.te)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        frequencies = frequency_trials(self.te)
        limit = -2 * frequencies[0]
        return (
            Parameter("myelin_fraction", "", "myelin water of all water", 0.0, 1.0, (0.1, 0.2)),
            Parameter("axonal_share", "", "axonal water of what is not myelin water", 0.0, 1.0, (0.6,)),
            Parameter("myelin_t2star", "s", "T2* of myelin water", 2e-3, 0.025, (0.006, 0.01)),
            Parameter("axonal_t2star", "s", "T2* of axonal water", 0.025, 0.2, (0.08,)),
            Parameter("extracellular_t2star", "s", "T2* of extracellular water", 0.025, 0.2, (0.035,)),
            Parameter("myelin_frequency", "Hz", "myelin water from extracellular", -75.0, 75.0, (0.0, 6.0, 12.0)),
            Parameter("axonal_frequency", "Hz", "axonal water from extracellular", -25.0, 25.0, (-5.0,)),
            Parameter("off_resonance", "Hz", "of extracellular water", -limit, limit, frequencies),
            *complex_amplitude(),
        )

    @property
    def n_samples(self) -> int:
        return self.te.size

    def __call__(self, parameters: Mapping[str, Array]) -> Complex[Array, "*voxels n"]:
        m0 = parameters["m0_real"] + 1j * parameters["m0_imaginary"]
        myelin, axonal = parameters["myelin_fraction"], parameters["axonal_share"]
        water = parameters["off_resonance"]
        pools = (
            ("myelin", myelin, water + parameters["myelin_frequency"]),
            ("axonal", (1 - myelin) * axonal, water + parameters["axonal_frequency"]),
            ("extracellular", (1 - myelin) * (1 - axonal), water),
        )
        return sum(
            (t2star_decay(self.te, parameters[f"{name}_t2star"], m0 * share, at) for name, share, at in pools),
            start=jnp.zeros((), m0.dtype),
        )


def _time(name: str, limits: tuple[float, float], n_trials: int) -> Parameter:
    # within the limits, not on them, where neighbours would be one
    trials = np.geomspace(*limits, 2 * n_trials + 1)[1::2]
    return Parameter(name, "s", "transverse relaxation time", *limits, tuple(trials.tolist()))


def _ranges(ranges: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    pairs = tuple((float(lower), float(upper)) for lower, upper in ranges)
    ends = [end for pair in pairs for end in pair]
    ascends = all(lower < upper for lower, upper in pairs) and ends == sorted(ends)
    if not pairs or not ascends or not ends[0] > 0:
        raise ValueError(f"Limits of T2 (s) must be positive, ascend and not overlap, but got {pairs}.")
    return pairs
