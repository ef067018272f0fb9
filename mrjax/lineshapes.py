r"""Absorption lines of semisolid protons, $g(\Delta)$ in s with $\int g \, d\Delta = 1$ over angular frequency.

RF of amplitude $\omega_1$ saturates the longitudinal magnetisation at the rate $\pi \omega_1^2 g(\Delta)$.
"""

import functools
import math
from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

TWO_PI = 2 * math.pi

EXPONENT = 24.0
"""Where the integrals of the super-Lorentzian end: exp(-24) = 4e-11."""

START = math.acosh(2)
"""Where the second integral of the super-Lorentzian begins: u = 1."""


class AbstractLineshape(eqx.Module):
    """How strongly a pool absorbs RF at an offset."""

    @abstractmethod
    def __call__(
        self, offset: Float[Array, "..."], t2: Float[Array, "..."], larmor: Float[Array, "..."] | float
    ) -> Float[Array, "..."]:
        r"""$g$ in s.

        **Arguments:**

        - `offset`: RF frequency minus the resonance of the pool in Hz, of either sign.
        - `t2`: In s; broadcasts with `offset`.
        - `larmor`: Larmor frequency in Hz, for a line shape that is defined in ppm.
        """


class Lorentzian(AbstractLineshape):
    r"""$g = \frac{T_2}{\pi} \frac{1}{1 + (2 \pi f T_2)^2}$: liquids, and gels such as agar.

    **Source:** R. M. Henkelman et al., Magn Reson Med 29 (1993) 759-766.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> print(f"{mr.lineshapes.Lorentzian()(jnp.array(0.0), jnp.array(10e-6), 0.0) * jnp.pi:.1e}")
        1.0e-05

        ```
    """

    def __call__(self, offset, t2, larmor):
        del larmor
        return t2 / math.pi / (1 + (TWO_PI * offset * t2) ** 2)


class Gaussian(AbstractLineshape):
    r"""$g = \frac{T_2}{\sqrt{2 \pi}} \exp(-(2 \pi f T_2)^2 / 2)$: rigid solids.

    **Source:** R. M. Henkelman et al., Magn Reson Med 29 (1993) 759-766.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> print(f"{mr.lineshapes.Gaussian()(jnp.array(0.0), jnp.array(10e-6), 0.0):.2e}")
        3.99e-06

        ```
    """

    def __call__(self, offset, t2, larmor):
        del larmor
        return t2 / math.sqrt(TWO_PI) * jnp.exp(-((TWO_PI * offset * t2) ** 2) / 2)


class SuperLorentzian(AbstractLineshape):
    r"""A Gaussian line for each angle between dipoles and field, averaged over a sphere: tissue.

    $$g = \int_0^1 \sqrt{\frac{2}{\pi}} \frac{T_2}{|3u^2 - 1|}
          \exp\left(-2 \left(\frac{2 \pi f T_2}{3u^2 - 1}\right)^2\right) du$$

    The integral over the cosine $u$ of the angle has a pole at zero offset, where no tissue has one; below `cutoff`
    an even polynomial of fourth degree goes on with the value, slope and curvature that $g$ has there.

    With $x = 2 \pi f T_2$ and $3u^2 - 1 = 2 / (\mp\cosh\theta - 1)$ on the two sides of $u = 1/\sqrt{3}$,

    $$g = \frac{T_2}{\sqrt{6 \pi}} \left[ \int_0^\infty e^{-\frac{x^2}{2} (\cosh\theta + 1)^2} d\theta
          + \int_{\mathrm{arcosh}\, 2}^\infty e^{-\frac{x^2}{2} (\cosh\theta - 1)^2} d\theta \right]$$

    without pole or root: 24 Gauss-Legendre nodes on each side give a relative error below 2e-8 for
    $10^{-3} < x < 10$, and of the slope below 1e-6 (in float32 below 3e-6 for $x < 3$, 2e-5 at 10). Smooth in offset and T2,
    with two continuous derivatives at `cutoff`.

    **Arguments:**

    - `cutoff`: In Hz, positive; 1 kHz by default.

    **Raises:** `ValueError` where `cutoff` is not a positive number.

    **Source:** C. Morrison, R. M. Henkelman, Magn Reson Med 33 (1995) 475-482.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> line = mr.lineshapes.SuperLorentzian()
        >>> print(f"{line(jnp.array(5e3), jnp.array(12e-6), 0.0) / 1e-6:.2f} us")
        5.39 us

        ```
    """

    cutoff: float = eqx.field(static=True, default=1000.0)

    def __check_init__(self):
        if not (isinstance(self.cutoff, float | int) and 0 < self.cutoff < math.inf):
            raise ValueError(f"`cutoff` must be a positive Python number (Hz), but got {self.cutoff!r}.")

    def __call__(self, offset, t2, larmor):
        del larmor
        x = TWO_PI * jnp.maximum(jnp.abs(offset), self.cutoff) * t2
        value, slope, curvature = _powder_average(x)
        # a polynomial in z = (offset / cutoff)^2 about z = 1; where z stays 1 nothing of it is left
        z = jnp.minimum((offset / self.cutoff) ** 2, 1.0)
        return t2 * (value + (3 * slope - curvature) / 4 * (z - 1) + (curvature - slope) / 8 * (z**2 - 1))


@functools.cache
def _gauss_legendre() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on the interval from 0 to 1; numpy.polynomial is imported by those alone who need them."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    return (nodes + 1) / 2, weights / 2


def _powder_average(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    r"""$G(x)$ with $g = T_2 G(2 \pi f T_2)$, and $x G'$ and $x^2 G''$."""
    # beyond these angles the integrands have fallen by exp(-EXPONENT) from where they are largest
    q = EXPONENT / (2 * x**2)
    below = 2 * jnp.arcsinh(jnp.sqrt(q / (1 + jnp.sqrt(1 + q))))[None]
    above = 2 * jnp.arcsinh(jnp.sqrt(jnp.sqrt(1 + 4 * q) / 2))[None] - START
    nodes, weights = (side.astype(x.dtype).reshape((-1,) + (1,) * x.ndim) for side in _gauss_legendre())
    p = (x[None] * jnp.concatenate([jnp.cosh(nodes * below) + 1, jnp.cosh(START + nodes * above) - 1])) ** 2 / 2
    line = jnp.concatenate([weights * below, weights * above]) * jnp.exp(-p) / math.sqrt(6 * math.pi)
    return jnp.sum(line, axis=0), jnp.sum(-2 * p * line, axis=0), jnp.sum((4 * p**2 - 2 * p) * line, axis=0)


class PulseqCestSuperLorentzian(AbstractLineshape):
    r"""The super-Lorentzian as pulseq-cest and BMCTool compute it, for agreement with them.

    $$g = \sum_{u = 0, 0.01, \ldots, 1} 0.01 \sqrt{\frac{2}{\pi}} \frac{T_2}{|3u^2 - 1|}
          \exp\left(-2 \left(\frac{2 \pi f T_2}{3u^2 - 1}\right)^2\right)$$

    The sum differs from the integral, `SuperLorentzian`, by 0.3 to 1 % from 400 Hz to 4 kHz (T2 of 9 to 12 us), by 3 % at
    128 Hz, and by 10 to 16 % at 40 kHz, where u = 1 dominates, which it counts in full. Below 1 ppm of the Larmor frequency a
    parabola takes over (a cubic Hermite blend, most of which cancels): it jumps at 1 ppm, is not quite even, and up to 18 %
    from the integral at 0.5 ppm. Use it to compare with results of those programs, not to fit.

    **Source:** the recipe of pulseq-cest; it gives BMCTool's longitudinal magnetisation of two protocols to 1e-11.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> line = mr.lineshapes.PulseqCestSuperLorentzian()
        >>> print(f"{line(jnp.array(5e3), jnp.array(12e-6), 127.7e6) / 1e-6:.2f} us")
        5.45 us

        ```
    """

    def __call__(self, offset, t2, larmor):
        w = TWO_PI * offset
        ppm = TWO_PI * 1e-6 * larmor
        near, far = (_rectangle_rule((reach + ppm) * t2) for reach in (100.0, 300.0))
        c = jnp.abs(w + ppm + 101) / (2 * ppm + 201)
        blend = near + 30 * c * (1 - c) * (near - far)
        return t2 * jnp.where(jnp.abs(w) < ppm, blend, _rectangle_rule(w * t2))


def _rectangle_rule(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The sum over u, for T2 = 1."""
    p = np.abs(3 * np.linspace(0, 1, 101) ** 2 - 1)
    p = p.astype(x.dtype).reshape((-1,) + (1,) * x.ndim)
    return jnp.sum(0.01 * math.sqrt(2 / math.pi) / p * jnp.exp(-2 * (x[None] / p) ** 2), axis=0)
