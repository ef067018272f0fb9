"""Shapes of RF pulses, relative to their peak, and what a pulse amounts to.

A shape has `n_samples` equal steps; sample $j$ stands for the middle of its step, at $u = (j + 1/2) / n - 1/2$ of the duration
from the middle of the pulse.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.protocols.cest import _measurements
from mrjax.units import GAMMA


def gaussian(n_samples: int, truncation: Any = 3.0) -> Float[Array, " n_samples"]:
    r"""A Gaussian, cut off: $w(u) = e^{-(2 a u)^2 / 2}$.

    **Arguments:**

    - `n_samples`: A Python integer, at least 1.
    - `truncation`: $a$, half the duration in standard deviations, positive. Scalar.

    **Returns:** Shape `(n_samples,)`; 1 in the middle, $e^{-a^2/2}$ at the ends.

    **Raises:** `ValueError` for values out of range.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in pulse_shapes.gaussian(5)))
        0.056 0.487 1.000 0.487 0.056

        ```
    """
    return jnp.exp(-((2 * _measurements.positive_scalar(truncation, "truncation") * _places(n_samples)) ** 2) / 2)


def sinc_gauss(n_samples: int, time_bandwidth: Any = 2.0, apodisation: Any = 0.15) -> Float[Array, " n_samples"]:
    r"""A sinc with a raised cosine over it, the sinc-Gauss of clinical CEST sequences.

    $$w(u) = \frac{\sin \pi b u}{\pi b u} \left(1 - a + a \cos 2 \pi u\right)$$

    **Arguments:**

    - `n_samples`: A Python integer, at least 1.
    - `time_bandwidth`: $b$, positive. Scalar. 2 leaves the central lobe.
    - `apodisation`: $a$ from 0 (none) to 0.5 (a Hann window). Scalar.

    **Returns:** Shape `(n_samples,)`; 1 in the middle.

    **Raises:** `ValueError` for values out of range.

    **Source:** with the defaults, the pulse of APTw_3T_001 in the Pulseq-CEST library, to 5e-8 where samples are taken alike.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in pulse_shapes.sinc_gauss(5)))
        0.170 0.678 1.000 0.678 0.170

        ```
    """
    places = _places(n_samples)
    b = _measurements.positive_scalar(time_bandwidth, "time_bandwidth")
    a = _measurements.scalar(apodisation, "apodisation")
    a = _checks.require(a, (a >= 0) & (a <= 0.5), "`apodisation` must be between 0 and 0.5")
    return jnp.sinc(b * places) * (1 - a + a * jnp.cos(2 * math.pi * places))


def hanning(n_samples: int) -> Float[Array, " n_samples"]:
    r"""A raised cosine: $w(u) = \cos^2 \pi u$.

    **Arguments:**

    - `n_samples`: A Python integer, at least 1.

    **Returns:** Shape `(n_samples,)`; 1 in the middle, 0 at the ends.

    **Raises:** `ValueError` for values out of range.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in pulse_shapes.hanning(5)))
        0.095 0.655 1.000 0.655 0.095

        ```
    """
    return jnp.cos(math.pi * _places(n_samples)) ** 2


def fermi(n_samples: int, transition: Any = 1 / 33.81) -> Float[Array, " n_samples"]:
    r"""A plateau with soft ends, as of off-resonant pulses for magnetisation transfer or Bloch-Siegert shifts.

    $$w(u) = \frac{1}{1 + e^{(|u| - u_0) / a}}, \qquad u_0 = \tfrac{1}{2} - 6.9068 \, a$$

    so that 1e-3 is left at the ends.

    **Arguments:**

    - `n_samples`: A Python integer, at least 1.
    - `transition`: $a$ relative to the duration, positive. Scalar. By default the plateau's half width is ten times $a$.

    **Returns:** Shape `(n_samples,)`; near 1 in the middle.

    **Raises:** `ValueError` for values out of range.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 4.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in pulse_shapes.fermi(5)))
        0.029 0.962 1.000 0.962 0.029

        ```
    """
    a = _measurements.positive_scalar(transition, "transition")
    return 1 / (1 + 999 * jnp.exp((jnp.abs(_places(n_samples)) - 0.5) / a))


def hyperbolic_secant(n_samples: int, beta: Any = 5.3, mu: Any = 4.9) -> Complex[Array, " n_samples"]:
    r"""The adiabatic full passage, which inverts over a band whatever the B1, once that is large enough.

    $$w(u) = \mathrm{sech}(2 \beta u)^{1 + i \mu}$$

    Its frequency sweeps from $+\mu \beta / \pi T$ to $-\mu \beta / \pi T$ over a duration $T$, and it inverts a band as wide
    where $\gamma B_1 \gg 2 \sqrt\mu \beta / T$. Without relaxation, for $\beta \gg 1$, off resonance by $\Delta\omega$, with
    $b = 2 \beta / T$,

    $$M_z = \tanh\pi\left(\tfrac{\Delta\omega}{2 b} + \tfrac{\mu}{2}\right)
            \tanh\pi\left(\tfrac{\Delta\omega}{2 b} - \tfrac{\mu}{2}\right)
          + \frac{\cos \pi \sqrt{(\gamma B_1 / b)^2 - \mu^2}}
            {\cosh\pi\left(\tfrac{\Delta\omega}{2 b} + \tfrac{\mu}{2}\right)
             \cosh\pi\left(\tfrac{\Delta\omega}{2 b} - \tfrac{\mu}{2}\right)}$$

    **Arguments:**

    - `n_samples`: A Python integer, at least 1. Some hundreds: between samples the phase turns by up to
      $2 \mu \beta / n$ rad.
    - `beta`: $\beta$, positive. Scalar. By default 1 % of the peak is left at the ends.
    - `mu`: $\mu$, positive. Scalar.

    **Returns:** Complex, shape `(n_samples,)`, of magnitude 1 in the middle.

    **Raises:** `ValueError` for values out of range.

    **Source:** M. S. Silver, R. I. Joseph, D. I. Hoult, Phys Rev A 31 (1985) 2753-2755.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in abs(pulse_shapes.hyperbolic_secant(5))))
        0.029 0.237 1.000 0.237 0.029

        ```
    """
    beta = _measurements.positive_scalar(beta, "beta")
    mu = _measurements.positive_scalar(mu, "mu")
    magnitude = 1 / jnp.cosh(2 * beta * _places(n_samples))
    return magnitude * jnp.exp(1j * mu * jnp.log(magnitude))


def hyperbolic_secant_half_passage(n_samples: int, beta: Any = 5.3, mu: Any = 4.9) -> Complex[Array, " n_samples"]:
    r"""The first half of `hyperbolic_secant`: it ends on resonance with the magnetisation along the field.

    It tips by 90 degrees whatever the B1, once that is large enough; with crushers after each of some of them little is left.

    **Arguments:**

    - `n_samples`: A Python integer, at least 1.
    - `beta`, `mu`: As for `hyperbolic_secant`, whose duration would be twice that of the half.

    **Returns:** Complex, shape `(n_samples,)`, of magnitude 1 at the end.

    **Raises:** `ValueError` for values out of range.

    **Source:** as `hyperbolic_secant`.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> print(*(f"{value:.3f}" for value in abs(pulse_shapes.hyperbolic_secant_half_passage(4))))
        0.019 0.073 0.269 0.815

        ```
    """
    n_samples = _checks.positive_integer(n_samples, "n_samples")
    return hyperbolic_secant(2 * n_samples, beta, mu)[:n_samples]


def b1_rms(waveform: Any, duty_cycle: Any = 1.0) -> Float[Array, "*batch"]:
    r"""Root mean square of RF over a train: the continuous wave of equal power.

    $$B_\mathrm{rms} = \sqrt{d \; \frac{1}{n} \sum_j |w_j|^2}$$

    **Arguments:**

    - `waveform`: Samples of one pulse, in T or relative to its peak. Shape `(*batch, n_samples)`.
    - `duty_cycle`: $d$, the share of the time in which RF is on, from 0 to 1. Shape `(*batch)` or a number.

    **Returns:** In the unit of `waveform`, shape `(*batch)`.

    **Raises:** `ValueError` where the duty cycle is out of range.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> f"{pulse_shapes.b1_rms(pulse_shapes.hanning(100), duty_cycle=0.5):.4f}"
        '0.4330'

        ```
    """
    share = _checks.real_array(duty_cycle, "duty_cycle")
    share = _checks.require(share, (share >= 0) & (share <= 1), "`duty_cycle` must be between 0 and 1")
    samples = _checks.number_array(waveform, "waveform")
    return jnp.sqrt(share * jnp.mean(samples.real**2 + samples.imag**2, axis=-1))


def flip_angle(waveform: Any, duration: Any, gyromagnetic_ratio: float = GAMMA["1H"]) -> Float[Array, "*batch"]:
    r"""By how much a pulse turns what it is resonant with.

    $$\alpha = \gamma \left| \int B_1 \, dt \right|$$

    Exact for shapes whose phase is constant, and without relaxation.

    **Arguments:**

    - `waveform`: In T. Shape `(*batch, n_samples)`.
    - `duration`: Of the pulse in s. Shape `(*batch)` or a number.
    - `gyromagnetic_ratio`: In rad/s/T, a Python number.

    **Returns:** In rad, shape `(*batch)`.

    **Raises:** `ValueError` where the duration is negative.

    !!! example

        ```python
        >>> from mrjax.protocols.cest import pulse_shapes
        >>> from mrjax.units import deg
        >>> f"{pulse_shapes.flip_angle(3.7e-6 * pulse_shapes.hanning(100), 10e-3) / deg:.0f} degrees"
        '284 degrees'

        ```
    """
    samples = _checks.number_array(waveform, "waveform")
    time = _checks.non_negative(_checks.real_array(duration, "duration"), "duration", "s")
    return _measurements.gamma(gyromagnetic_ratio) * time * jnp.abs(jnp.mean(samples, axis=-1))


def _places(n_samples: Any) -> Float[Array, " n_samples"]:
    """The middles of the steps, from the middle of the pulse and relative to its duration."""
    n_samples = _checks.positive_integer(n_samples, "n_samples")
    return jnp.asarray((np.arange(n_samples) + 0.5) / n_samples - 0.5)
