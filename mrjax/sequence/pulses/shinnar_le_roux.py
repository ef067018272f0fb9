"""The Shinnar-Le Roux transform, forwards and back."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from mrjax import _checks
from mrjax.sequence.pulses import _arguments


def forward_slr(waveform: Any, dt: Any) -> tuple[Inexact[Array, " n"], Inexact[Array, " n"]]:
    r"""The two polynomials of a pulse of which each sample acts at once, after a free precession over its interval.

    With $\varphi = 2 \pi f \Delta t$ and $w = e^{i \varphi}$, the rotation of spins that are off resonance by $f$ has the
    Cayley-Klein parameters $\alpha = w^{-n/2} A(w)$ and $\beta = -i w^{-n/2} B(w)$, where

    $$A_j = C_j A_{j-1} - S_j^* w B_{j-1}, \qquad B_j = S_j A_{j-1} + C_j w B_{j-1}, \qquad A_0 = 1, \; B_0 = 0,$$

    $C_j = \cos(|\theta_j| / 2)$, $S_j = \sin(|\theta_j| / 2) \, \theta_j / |\theta_j|$ and
    $\theta_j = \gamma B_{1,j} \Delta t$. From equilibrium $M_x + i M_y = 2 \alpha^* \beta$ and $M_z = 1 - 2 |\beta|^2$;
    $|\beta|^2$ of what is transverse is refocused between crushers.

    **Arguments:**

    - `waveform`: $B_1$ in T, real or complex. Shape `(n,)`.
    - `dt`: $\Delta t$ in s, positive. Scalar.

    **Returns:** The coefficients of $A$ and of $B$, of $w^0$ to $w^{n-1}$, each `(n,)`; real where the waveform is.

    Samples that last instead of acting at once give the same up to about $\varphi^2 / 24$.

    **Raises:** `ValueError` where shapes do not fit or `dt` is not positive.

    **Source:** J. Pauly, P. Le Roux, D. Nishimura, A. Macovski, IEEE Trans Med Imaging 10 (1991) 53-65, in the sense of
    rotation of this package.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, us
        >>> pulse = mr.sequence.pulses.sinc(90 * deg, 2e-3, 4, n_samples=50)
        >>> a, b = mr.sequence.pulses.forward_slr(pulse.waveform, pulse.dt)
        >>> print(f"{float(b.sum()):.4f}")  # on resonance, sin 45 degrees
        0.7071

        ```
    """
    waveform = _one_axis(waveform, "waveform")
    theta = _arguments.GAMMA_PROTON * _arguments.positive_scalar(dt, "dt", "s") * waveform
    magnitude = jnp.abs(theta)
    return _built_up(jnp.cos(magnitude / 2), theta / 2 * jnp.sinc(magnitude / (2 * math.pi)))


def inverse_slr(b: Any, dt: Any) -> Inexact[Array, " n"]:
    r"""The waveform of least power whose polynomial $B$, as of `forward_slr`, is the given one.

    $A$ follows from $|A|^2 = 1 - |B|^2$ as the polynomial of minimum phase, by the Hilbert transform of $\log |A|$; then one
    sample after the other is taken off the end of the pulse,

    $$\theta_j = 2 \arctan\left|\frac{b_0}{a_0}\right| \frac{b_0 / a_0}{|b_0 / a_0|}, \qquad
    A_{j-1} = C_j A_j + S_j^* B_j, \qquad w B_{j-1} = C_j B_j - S_j A_j$$

    **Arguments:**

    - `b`: Coefficients of $B$, of $w^0$ to $w^{n-1}$, real or complex; the first belongs to the end of the pulse. $|B|$ must be
      below 1 on the unit circle. Shape `(n,)`.
    - `dt`: In s, positive. Scalar.

    **Returns:** In T, `(n,)`; real where `b` is. Differentiable in every coefficient. `forward_slr` of it gives `b` back,
    relative to its largest coefficient to 1e-12 in float64 and 2e-6 in float32, where $|B|$ is at most 0.999.

    **Raises:** `ValueError` where $|B|$ reaches 1 or `dt` is not positive.

    **Source:** as `forward_slr`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> b = jnp.array([0.125, 0.25, 0.125])
        >>> waveform = mr.sequence.pulses.inverse_slr(b, dt=1e-4)
        >>> print(jnp.allclose(mr.sequence.pulses.forward_slr(waveform, 1e-4)[1], b))
        True

        ```
    """
    b = _one_axis(b, "b")
    dt = _arguments.positive_scalar(dt, "dt", "s")
    return _taken_apart(_minimum_phase(b), b) / (_arguments.GAMMA_PROTON * dt)


@jax.jit
def _taken_apart(a: Inexact[Array, " n"], b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """The angles of rotation, the last first taken off."""

    def take_off(polynomials: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        a, b = polynomials
        ratio = b[0] / a[0].real
        c = jax.lax.rsqrt(1 + ratio.real**2 + ratio.imag**2)
        s = ratio * c
        earlier = jnp.roll(c * b - s * a, -1).at[-1].set(0)
        return (c * a + jnp.conj(s) * b, earlier), 2 * _arctan(ratio)

    return jax.lax.scan(take_off, (a, b), None, length=b.size, reverse=True)[1]


@jax.jit
def _built_up(cosine: Array, sine: Array) -> tuple[Inexact[Array, " n"], Inexact[Array, " n"]]:
    """The polynomials after all turns, given by cosines and sines of half their angles."""

    def play(polynomials: tuple[Array, Array], turn: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        a, b = polynomials
        c, s = turn
        later = jnp.roll(b, 1)  # times w: the highest coefficient is still zero
        return (c * a - jnp.conj(s) * later, s * a + c * later), None

    nothing = jnp.zeros_like(sine)
    (a, b), _ = jax.lax.scan(play, (nothing.at[0].set(1), nothing), (cosine, sine))
    return a, b


def _minimum_phase(b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """The polynomial A without zeros in the unit circle, with |A|² = 1 - |B|² on it."""
    # A ripple of B that stays below 1 by a twentieth of its height leaves zeros of A 0.3 / n off the circle: 128 n places are
    # enough for the cepstrum to have died away.
    size = 2 ** math.ceil(math.log2(128 * b.size))
    spectrum = jnp.fft.fft(b, size)
    power = spectrum.real**2 + spectrum.imag**2
    power = _checks.require(power, power < 1, "`b` must stay below 1 in magnitude on the unit circle (|B|²)")
    cepstrum = jnp.fft.ifft(jnp.log1p(-power) / 2)
    kept = cepstrum.at[1 : size // 2].multiply(2).at[size // 2 + 1 :].set(0)
    a = jnp.fft.ifft(jnp.exp(jnp.fft.fft(kept)))[: b.size]
    return a if jnp.issubdtype(b.dtype, jnp.complexfloating) else a.real


def _arctan(ratio: Inexact[Array, ""]) -> Inexact[Array, ""]:
    """The arc tangent of the magnitude, in the direction of a real or complex number; smooth at zero."""
    if not jnp.issubdtype(ratio.dtype, jnp.complexfloating):
        return jnp.arctan(ratio)
    square = ratio.real**2 + ratio.imag**2
    small = square < 1e-8  # where the series is exact in both precisions
    size = jnp.sqrt(jnp.where(small, 1.0, square))
    return ratio * jnp.where(small, 1 - square / 3, jnp.arctan(size) / size)


def _one_axis(value: Any, name: str) -> Inexact[Array, " n"]:
    array = _checks.finite(_checks.number_array(value, name), name)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"`{name}` must have one axis, with at least one entry, but got shape {array.shape}.")
    return array
