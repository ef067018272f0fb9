"""Quantitative magnetisation transfer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.lineshapes import AbstractLineshape, SuperLorentzian
from mrjax.pool import Pool
from mrjax.signals._pulsed_saturation import pulse_and_repetition
from mrjax.signals.magnetization_transfer import intrinsic_t1, ramani, sled_pike
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings


class MagnetizationTransfer(SignalModel):
    """Saturation of a semisolid pool at several offsets and powers: its size, exchange and T2 (qMT).

    **Arguments:**

    - `offset`: RF frequency minus that of the scanner in Hz, far from the water: 500 Hz or more. Shape `(n_samples,)`.
    - `rf_amplitude`: RF field in T of the continuous wave of equal power. Shape `(n_samples,)`.
    - `observed_t1`: T1 that was measured, in s, a number or a map `(*voxels)`: without it only ratios would be found.
    - `pool_t1`: T1 of the pool in s, a number; 1 s is the custom.
    - `off_resonance`: Of the water in Hz, a number or a map `(*voxels)`.
    - `b1`: Transmit field relative to nominal, a number or a map `(*voxels)`.
    - `lineshape`: Of the pool.

    **Raises:** `ValueError` where lengths differ, or times are not positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset = np.array([1e3, 3e3, 1e4, 3e4, 1e3, 3e3, 1e4, 3e4])
        >>> model = mr.signals.models.MagnetizationTransfer(offset, [2e-6] * 4 + [6e-6] * 4, observed_t1=1.1)
        >>> one = {"pool_fraction": 0.12, "exchange_rate": 30.0, "pool_t2": 11e-6, "t2": 0.04, "m0": 1.0}
        >>> print(np.asarray(model({name: jnp.array(value) for name, value in one.items()})).round(3))
        [0.446 0.582 0.839 0.997 0.172 0.262 0.443 0.971]

        ```
    """

    offset: Float[Array, " n"] = need("Hz", "offsets of the RF from the scanner's frequency")
    rf_amplitude: Float[Array, " n"] = need("T", "amplitude of the continuous wave of equal power")
    observed_t1: Float[Array, "..."] | float = need("s", "measured T1", per_voxel=True, default=1.0)
    pool_t1: Float[Array, ""] | float = need("s", "T1 of the pool", default=1.0)
    off_resonance: Float[Array, "..."] | float = need("Hz", "of the water", per_voxel=True, default=0.0)
    b1: Float[Array, "..."] | float = need("", "transmit field relative to nominal", per_voxel=True, default=1.0)
    lineshape: AbstractLineshape = SuperLorentzian()
    equation: ClassVar[str] = (
        r"S = M_0 \frac{R_b \frac{k f}{R_1} + W_b + R_b + k}{\frac{k f}{R_1} (R_b + W_b)"
        r" + (1 + (\omega_1 / \Delta\omega)^2 T_1 / T_2) (W_b + R_b + k)}"
    )
    source: ClassVar[str] = "A. Ramani et al., Magn Reson Imaging 20 (2002) 721-731"

    def __init__(
        self,
        offset: Any,
        rf_amplitude: Any,
        observed_t1: Any,
        pool_t1: Any = 1.0,
        off_resonance: Any = 0.0,
        b1: Any = 1.0,
        lineshape: AbstractLineshape | None = None,
    ):
        self.offset, self.rf_amplitude = settings(offset, "offset"), settings(rf_amplitude, "rf_amplitude")
        if self.offset.shape != self.rf_amplitude.shape:
            raise ValueError(
                f"`rf_amplitude` must have one value for each offset, {self.offset.shape}, but got {self.rf_amplitude.shape}."
            )
        for name, value in _known(observed_t1, pool_t1, off_resonance, b1).items():
            setattr(self, name, value)
        self.lineshape = SuperLorentzian() if lineshape is None else lineshape

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return _semisolid_parameters()

    @property
    def n_samples(self) -> int:
        return self.offset.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        pool = _pool(parameters, self.pool_t1, self.lineshape)
        t1 = intrinsic_t1(self.observed_t1, pool)
        saturated = ramani(
            self.offset, self.rf_amplitude, t1, parameters["t2"], pool, off_resonance=self.off_resonance, b1=self.b1
        )
        return parameters["m0"][..., None] * saturated


class PulsedMagnetizationTransfer(SignalModel):
    """Saturation of a semisolid pool by a train of shaped pulses between spoiled gradient echoes (qMT of Sled and Pike).

    **Arguments:**

    - `offset`: RF frequency minus that of the scanner in Hz. Shape `(n_samples,)`.
    - `saturation_angle`: Of the pulses on resonance, nominal, in rad. Shape `(n_samples,)`.
    - `waveform`, `pulse_duration`, `tr`, `excitation_angle`: As those of `mrjax.signals.magnetization_transfer.sled_pike`.
    - `observed_t1`, `pool_t1`, `off_resonance`, `b1`, `lineshape`: As those of `MagnetizationTransfer`.

    **Raises:** `ValueError` where lengths differ, times are not positive, or a pulse does not fit into `tr`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset, angle = [1e3, 3e3, 1e4, 3e4] * 2, np.radians([142] * 4 + [426] * 4)
        >>> gauss = np.exp(-0.5 * np.linspace(-3, 3, 256) ** 2)
        >>> train = {"pulse_duration": 0.01, "tr": 0.03, "excitation_angle": np.radians(7), "observed_t1": 1.1}
        >>> model = mr.signals.models.PulsedMagnetizationTransfer(offset, angle, gauss, **train)
        >>> one = {"pool_fraction": 0.12, "exchange_rate": 30.0, "pool_t2": 11e-6, "t2": 0.04, "m0": 100.0}
        >>> print(np.asarray(model({name: jnp.array(value) for name, value in one.items()})).round(2))
        [8.51 9.07 9.63 9.81 4.78 6.07 8.4  9.79]

        ```
    """

    offset: Float[Array, " n"] = need("Hz", "offsets of the RF from the scanner's frequency")
    saturation_angle: Float[Array, " n"] = need("rad", "flip angles of the pulses on resonance")
    waveform: tuple[float, ...] = need("", "steps of a pulse", static=True)
    pulse_duration: float = need("s", "of a pulse", static=True)
    tr: float = need("s", "repetition time", static=True)
    excitation_angle: Float[Array, ""] = need("rad", "flip angle of the excitation")
    observed_t1: Float[Array, "..."] | float = need("s", "measured T1", per_voxel=True, default=1.0)
    pool_t1: Float[Array, ""] | float = need("s", "T1 of the pool", default=1.0)
    off_resonance: Float[Array, "..."] | float = need("Hz", "of the water", per_voxel=True, default=0.0)
    b1: Float[Array, "..."] | float = need("", "transmit field relative to nominal", per_voxel=True, default=1.0)
    lineshape: AbstractLineshape = SuperLorentzian()
    equation: ClassVar[str] = (
        r"S = M_0 S_f M_a^- \sin\alpha, \quad \mathbf M^- = e^{A_W \tau/2} e^{A (T_R - \tau)} e^{A_W \tau/2}"
        r" \, \mathrm{diag}(S_f \cos\alpha, 1) \, \mathbf M^- + \mathbf q"
    )
    source: ClassVar[str] = "J. G. Sled, G. B. Pike, Magn Reson Med 46 (2001) 923-931"

    def __init__(
        self,
        offset: Any,
        saturation_angle: Any,
        waveform: Any,
        pulse_duration: float,
        tr: float,
        excitation_angle: Any,
        observed_t1: Any,
        pool_t1: Any = 1.0,
        off_resonance: Any = 0.0,
        b1: Any = 1.0,
        lineshape: AbstractLineshape | None = None,
    ):
        self.offset, self.saturation_angle = settings(offset, "offset"), settings(saturation_angle, "saturation_angle")
        if self.offset.shape != self.saturation_angle.shape:
            raise ValueError(
                f"`saturation_angle` must have one value for each offset, {self.offset.shape}, but got "
                f"{self.saturation_angle.shape}."
            )
        shape, self.pulse_duration, self.tr = pulse_and_repetition(waveform, pulse_duration, tr)
        self.waveform = tuple(shape.tolist())
        self.excitation_angle = _checks.real_array(excitation_angle, "excitation_angle")
        for name, value in _known(observed_t1, pool_t1, off_resonance, b1).items():
            setattr(self, name, value)
        self.lineshape = SuperLorentzian() if lineshape is None else lineshape

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return _semisolid_parameters()

    @property
    def n_samples(self) -> int:
        return self.offset.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        pool = _pool(parameters, self.pool_t1, self.lineshape)
        signal = sled_pike(
            self.offset,
            self.saturation_angle,
            intrinsic_t1(self.observed_t1, pool),
            parameters["t2"],
            pool,
            np.asarray(self.waveform),
            self.pulse_duration,
            self.tr,
            self.excitation_angle,
            off_resonance=self.off_resonance,
            b1=self.b1,
        )
        return parameters["m0"][..., None] * signal


def _semisolid_parameters() -> tuple[Parameter, ...]:
    t2s, pool_t2s = np.geomspace(0.01, 0.2, 7), np.linspace(6e-6, 20e-6, 8)
    rates = tuple(np.geomspace(5.0, 120.0, 6).tolist())
    return (
        Parameter("pool_fraction", "", "pool relative to the water", 1e-4, 1.0, (0.03, 0.06, 0.1, 0.15, 0.22)),
        Parameter("exchange_rate", "1/s", "from the pool to the water", 0.1, 500.0, rates),
        Parameter("pool_t2", "s", "T2 of the pool", 1e-6, 100e-6, tuple(pool_t2s.tolist())),
        Parameter("t2", "s", "T2 of the water", 1e-3, 5.0, tuple(t2s.tolist())),
        amplitude("m0", "equilibrium magnetisation"),
    )


def _known(observed_t1: Any, pool_t1: Any, off_resonance: Any, b1: Any) -> dict[str, Any]:
    """What is known of voxels, by name: checked arrays, and numbers where numbers are given."""
    times = {"observed_t1": observed_t1, "pool_t1": pool_t1}
    checked = {name: _checks.positive(_checks.real_array(value, name), name, "s") for name, value in times.items()}
    fields = {"off_resonance": off_resonance, "b1": b1}
    checked |= {name: _checks.real_array(value, name) for name, value in fields.items()}
    return {name: _number_or(checked[name], value) for name, value in (times | fields).items()}


def _pool(parameters: Mapping[str, Array], t1: Any, lineshape: AbstractLineshape) -> Pool:
    """The semisolid pool of fitted parameters."""
    fraction, rate = parameters["pool_fraction"], parameters["exchange_rate"]
    return Pool(fraction, rate, jnp.asarray(t1), parameters["pool_t2"], lineshape=lineshape)


def _number_or(array: Array, value: Any) -> Any:
    """A Python number as it is, so that it widens nothing; anything else as the array."""
    return float(value) if isinstance(value, float | int) else array
