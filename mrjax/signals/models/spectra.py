"""Magnetic-resonance spectra: combinations of a basis, and damped exponentials."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings
from mrjax.signals.relaxation import t2star_decay
from mrjax.signals.spectroscopy import chemical_shifts, spectrum
from mrjax.units import GAMMA_BAR

DEGREE = 3
"""Of the splines of a baseline."""


class Spectrum(SignalModel):
    r"""A spectrum as a combination of those of metabolites, with line shape, frequency, phase and baseline.

    All metabolites share their broadening (a Voigt line: Lorentzian times Gaussian in time), frequency shift, phase and delay.
    A phase turned by 180 degrees with all amplitudes negative is the same signal: a fit begins within 90 degrees, and what
    comes out negative then has its data turned. Amplitudes have no limits, so that small ones are not biased. Where noise
    hides which part of a width is Lorentzian and which Gaussian, some fits end without convergence (their status says so).

    **Arguments:**

    - `basis`: Free induction decays of the metabolites without broadening, shape `(n_metabolites, n_points)`, as
        `mrjax.signals.spectroscopy.basis` gives them.
    - `metabolites`: Their names, which become those of the amplitudes.
    - `dwell_time`: In s, positive.
    - `b0`: Field in T, positive.
    - `window_ppm`: Which chemical shifts are fitted, (lower, upper).
    - `n_baseline`: Coefficients of the cubic B-splines of the baseline, in real and imaginary part; 0 for none, or at least 4.
    - `reference_ppm`: Chemical shift of the frequency zero.

    `measured` makes the data of a fit from free induction decays.

    **Raises:** `ValueError` where shapes, names or limits do not fit.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> time = 5e-4 * np.arange(512)
        >>> basis = 3 * np.exp(-2j * np.pi * 127.73 * np.outer([4.65 - 2.01, 4.65 - 3.03], time))
        >>> model = mr.signals.models.Spectrum(basis, ["NAA", "Cr"], dwell_time=5e-4, window_ppm=(1.5, 3.5))
        >>> truth = {"NAA": 9.0, "Cr": 6.0, "lorentz_width": 4.0, "gauss_width": 2.0, "frequency_shift": 1.5, "phase": 0.3}
        >>> data = model({name: jnp.array([value]) for name, value in (truth | {"delay": 1e-5}).items()})
        >>> fit = mr.inverse.least_squares(model, data)
        >>> print(f"{fit.parameters['NAA'][0]:.3f}")
        9.000

        ```
    """

    baseline: Float[Array, "coefficient n"]
    metabolites: tuple[str, ...] = eqx.field(static=True)
    window: tuple[int, int] = eqx.field(static=True)
    basis: Complex[Array, "metabolite point"] = need("", "decays of the metabolites")
    dwell_time: float = need("s", "between two points", static=True)
    b0: float = need("T", "field", static=True)
    reference_ppm: float = need("ppm", "chemical shift of the frequency zero", static=True)
    equation: ClassVar[str] = (
        r"S(f) = e^{i \phi + 2 \pi i f \tau} \mathcal F \left[ \sum_m a_m s_m(t) e^{2 \pi i \Delta f t - \pi L t"
        r" - (\pi G t)^2 / (4 \ln 2)} \right] + \sum_k c_k B_k(f)"
    )
    source: ClassVar[str] = "S. W. Provencher, Magn Reson Med 30 (1993) 672-679 (LCModel, here without its priors)"

    def __init__(
        self,
        basis: Any,
        metabolites: Sequence[str],
        dwell_time: float,
        b0: float = 3.0,
        window_ppm: tuple[float, float] = (0.5, 4.2),
        n_baseline: int = 0,
        reference_ppm: float = 4.65,
    ):
        array = _checks.number_array(basis, "basis")
        self.basis = array.astype(jnp.result_type(array, jnp.complex64))
        self.metabolites = tuple(metabolites)
        if self.basis.ndim != 2 or len(self.metabolites) != len(self.basis):
            raise ValueError(
                f"`basis` must have shape ({len(self.metabolites)}, n_points), as there are so many metabolites, but got "
                f"{self.basis.shape}."
            )
        for name, value in {"dwell_time": dwell_time, "b0": b0}.items():
            _checks.positive(_checks.real_array(value, name), name, "s" if name == "dwell_time" else "T")
        self.dwell_time, self.b0, self.reference_ppm = float(dwell_time), float(b0), float(reference_ppm)
        self.window = _window(self._all_shifts(), window_ppm)
        self.baseline = _splines(n_baseline, self.n_samples).astype(self.basis.real.dtype)
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(f"`metabolites` must have names of their own, but {', '.join(repeated)} is there twice.")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        phases = tuple((math.pi / 4 * np.arange(-1.5, 2.0)).tolist())
        coefficients = [f"baseline_{part}_{i + 1}" for part in ("real", "imaginary") for i in range(len(self.baseline))]
        return (
            Parameter("lorentz_width", "Hz", "Lorentzian full width at half maximum", 0.0, 100.0, (2.0, 6.0)),
            Parameter("gauss_width", "Hz", "Gaussian full width at half maximum", 0.0, 100.0, (4.0,)),
            Parameter(
                "frequency_shift", "Hz", "of all lines", -60.0, 60.0, tuple(np.linspace(-12.0, 12.0, 9).tolist())
            ),
            Parameter("phase", "rad", "of zero order", -2 * math.pi, 2 * math.pi, phases),
            Parameter("delay", "s", "of the first point, which gives the phase of first order", -2e-3, 2e-3, (0.0,)),
            *(amplitude(name, f"of {name}", lower=-math.inf) for name in self.metabolites),
            *(amplitude(name, "coefficient of the baseline", lower=-math.inf) for name in coefficients),
        )

    @property
    def n_samples(self) -> int:
        return self.window[1] - self.window[0]

    @property
    def shifts_ppm(self) -> Float[np.ndarray, " n"]:
        """Where the samples lie, ascending."""
        return self._all_shifts()[slice(*self.window)]

    def measured(self, fid: Any) -> Complex[Array, "*voxels n"]:
        """The samples that a fit takes, from free induction decays `(*voxels, n_points)`."""
        fid = _checks.number_array(fid, "fid")
        if fid.ndim == 0 or fid.shape[-1] != self.basis.shape[1]:
            raise ValueError(
                f"`fid` must have shape (*voxels, {self.basis.shape[1]}) as the basis has, but got {fid.shape}."
            )
        return spectrum(fid, self.dwell_time)[..., slice(*self.window)]

    def __call__(self, parameters: Mapping[str, Array]) -> Complex[Array, "*voxels n"]:
        lorentz, gauss, shift, phase, delay = (parameters[name][..., None] for name in self.names[:5])
        along = lambda values: jnp.asarray(values, lorentz.dtype).reshape((1,) * (lorentz.ndim - 1) + (-1,))
        time = along(self.dwell_time * np.arange(self.basis.shape[1]))
        frequency = along((self.shifts_ppm - self.reference_ppm) * 1e-6 * GAMMA_BAR["1H"] * self.b0)
        together = _combined(parameters, self.metabolites, self.basis)
        broadening = jnp.exp(-math.pi * lorentz * time - (math.pi * gauss * time) ** 2 / (4 * math.log(2)))
        turned = together * broadening * jnp.exp(2j * math.pi * shift * time)
        lines = spectrum(turned, self.dwell_time)[..., slice(*self.window)]
        total = lines * jnp.exp(1j * phase + 2j * math.pi * frequency * delay)
        if not len(self.baseline):
            return total
        names = [[f"baseline_{part}_{i + 1}" for i in range(len(self.baseline))] for part in ("real", "imaginary")]
        real, imaginary = (_combined(parameters, each, self.baseline) for each in names)
        return total + real + 1j * imaginary

    def _all_shifts(self) -> Float[np.ndarray, " point"]:
        return chemical_shifts(self.basis.shape[1], self.dwell_time, self.b0, self.reference_ppm)


class DampedExponentials(SignalModel):
    """A free induction decay as lines, each with frequency, T2*, amplitude and phase: AMARES without priors.

    **Arguments:**

    - `time`: In s, from the excitation. Shape `(n_samples,)`.
    - `ranges`: Limits of the frequency of each line in Hz, (lower, upper), that ascend and do not overlap; they tell the
        lines apart. Ranges wider than lines, and many of them, need `init` for a fit.

    **Raises:** `ValueError` where times are negative, or limits cross or overlap.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> model = mr.signals.models.DampedExponentials(1e-3 * np.arange(128), ranges=[(-60.0, -30.0), (10.0, 40.0)])
        >>> model.names[:4]
        ('frequency_1', 't2star_1', 'frequency_2', 't2star_2')

        ```
    """

    time: Float[Array, " n"] = need("s", "times from the excitation")
    ranges: tuple[tuple[float, float], ...] = need("Hz", "limits of each frequency", static=True)
    equation: ClassVar[str] = r"S = \sum_k a_k e^{(2 \pi i f_k - 1 / T_{2,k}^*) t}"
    source: ClassVar[str] = "L. Vanhamme et al., J Magn Reson 129 (1997) 35-43"

    def __init__(self, time: Any, ranges: Sequence[tuple[float, float]]):
        self.time = settings(time, "time", lambda value, name: _checks.non_negative(value, name, "s"))
        self.ranges = tuple((float(lower), float(upper)) for lower, upper in ranges)
        ends = [end for pair in self.ranges for end in pair]
        if not ends or any(lower >= upper for lower, upper in self.ranges) or ends != sorted(ends):
            raise ValueError(f"`ranges` (Hz) must ascend and not overlap, but got {self.ranges}.")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        n = len(self.ranges)
        each = 8000 ** (1 / n)  # so many combinations of all lines
        times = (0.03, 0.1) if each >= 6 else (0.06,)
        n_frequencies = max(2, min(200, int(each / len(times))))
        found = []
        for i, (lower, upper) in enumerate(self.ranges, 1):
            trials = np.linspace(lower, upper, 2 * n_frequencies + 1)[1::2]
            found.append(Parameter(f"frequency_{i}", "Hz", f"of line {i}", lower, upper, tuple(trials.tolist())))
            found.append(Parameter(f"t2star_{i}", "s", f"effective relaxation time of line {i}", 1e-3, 10.0, times))
        names = [
            (f"m0_{part}_{i}", f"line {i}, {part} part") for i in range(1, n + 1) for part in ("real", "imaginary")
        ]
        return *found, *(amplitude(name, meaning, lower=-math.inf) for name, meaning in names)

    @property
    def n_samples(self) -> int:
        return self.time.size

    def __call__(self, parameters: Mapping[str, Array]) -> Complex[Array, "*voxels n"]:
        lines = [
            t2star_decay(
                self.time,
                parameters[f"t2star_{i}"],
                parameters[f"m0_real_{i}"] + 1j * parameters[f"m0_imaginary_{i}"],
                parameters[f"frequency_{i}"],
            )
            for i in range(1, len(self.ranges) + 1)
        ]
        return jnp.sum(jnp.stack(lines), axis=0)


def _combined(parameters: Mapping[str, Array], names: Sequence[str], rows: Array) -> Array:
    """The sum of rows with amplitudes, `(*voxels, n)`."""
    return jnp.einsum("m...,mn->...n", jnp.stack([parameters[name] for name in names]), rows)


def _window(shifts: Float[np.ndarray, " point"], window_ppm: tuple[float, float]) -> tuple[int, int]:
    lower, upper = window_ppm
    within = np.flatnonzero((shifts >= lower) & (shifts <= upper))
    if within.size < 2:
        raise ValueError(
            f"`window_ppm` must hold points between {shifts[0]:.3g} and {shifts[-1]:.3g} ppm, but got {window_ppm}."
        )
    return int(within[0]), int(within[-1]) + 1


def _splines(n_coefficients: int, n_samples: int) -> Float[Array, "coefficient n"]:
    """Cubic B-splines over equal steps, in rows."""
    if n_coefficients != 0 and not DEGREE < n_coefficients <= n_samples:
        raise ValueError(
            f"`n_baseline` must be 0, or an integer from {DEGREE + 1} to the {n_samples} samples of the window, "
            f"but got {n_coefficients}."
        )
    if n_coefficients == 0:
        return jnp.zeros((0, n_samples))
    from scipy.interpolate import BSpline  # takes a while, and few need it

    inner = np.linspace(0.0, 1.0, n_coefficients - DEGREE + 1)
    knots = np.r_[[0.0] * DEGREE, inner, [1.0] * DEGREE]
    return jnp.asarray(BSpline.design_matrix(np.linspace(0.0, 1.0, n_samples), knots, DEGREE).toarray().T)
