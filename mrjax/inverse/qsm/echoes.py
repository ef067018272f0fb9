"""From the phases of several echoes to the off-resonance."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.inverse.qsm._volumes import checked_mask
from mrjax.inverse.qsm.unwrapping import TURN, unwrap

N_REFINEMENTS = 3
"""Steps of Gauss and Newton: the start is off by the noise of two echoes."""


class EchoFit(NamedTuple):
    """A line through the phases of the echoes in each voxel, shape `(nx, ny, nz)` each; zero outside of the mask."""

    off_resonance: Array
    """In Hz."""
    phase_offset: Array
    """At the excitation, in rad."""
    weights: Array
    """One over the variance of the off-resonance, for noise of variance 1 in real and imaginary part of the images."""
    residual: Array
    """Sum of squares of what the line leaves, in the unit of the images squared."""
    n_free: int
    """Degrees of freedom of the residual: echoes less two, or none."""

    def noise_std(self, mask: Any) -> Float[Array, ""]:
        """Standard deviation of real and imaginary part of the images, from the median residual in a mask.

        That is a chi-squared, whose median is near n (1 - 2 / 9n)^3. Raises `ValueError` for fewer than three echoes.
        """
        if self.n_free < 1:
            raise ValueError("The noise needs at least three echoes, as two phases lie on a line whatever it is.")
        n = self.n_free
        left = jnp.nanmedian(jnp.where(checked_mask(mask, self.residual.shape), self.residual, jnp.nan))
        return jnp.sqrt(left / (n * (1 - 2 / (9 * n)) ** 3))

    def off_resonance_std(self, mask: Any) -> Array:
        """Standard deviation of the off-resonance in Hz, by the noise that `noise_std` finds; infinite without signal."""
        return self.noise_std(mask) / jnp.sqrt(self.weights)


def fit_echoes(
    images: Any, te: Any, mask: Any = None, *, unwrapping: Callable[[Array, Array], Array] = unwrap
) -> EchoFit:
    r"""Off-resonance and phase offset from complex images at several echo times.

    $$\min_{f, \varphi_0} \sum_n \big| |s_n| e^{i (\varphi_0 + 2 \pi f T_n)} - s_n \big|^2$$

    in each voxel. It starts at the phase between the two echoes that are nearest in time, unwrapped in space, so that later
    echoes may have wrapped several times and a phase of the coils drops out. With one echo the phase is taken to be zero at
    excitation.

    **Arguments:**

    - `images`: $s_n$, complex; magnitudes in any unit. Shape `(nx, ny, nz, n_echoes)`. A positive off-resonance turns the phase
        up; take the conjugate where a scanner counts it down.
    - `te`: $T_n$ in s, increasing. Shape `(n_echoes,)`. Known before compiling.
    - `mask`: Where there is signal: true, or not zero; all of it by default. Shape `(nx, ny, nz)`.
    - `unwrapping`: `unwrap`, `unwrap_by_path`, or a function of phase and mask.

    **Returns:** An `EchoFit`. Whole turns of the phase between two echoes, the same everywhere, remain unknown.

    **Error:** of the off-resonance $1 / \sqrt{w}$ times the standard deviation of the noise, with its `weights` $w$. Readouts of
    alternating polarity have another phase in even and odd echoes, which is not fitted: pass those of one polarity.

    **Derivatives:** in the images; whole turns have none.

    **Raises:** `ValueError` for shapes that do not fit, real images, times that do not increase, an empty mask.

    **Source:** T. Liu et al., Magn Reson Med 69 (2013) 467-476.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> off_resonance = jnp.broadcast_to(jnp.linspace(-120, 80, 16)[:, None, None], (16, 4, 4))
        >>> te = jnp.array([4e-3, 8e-3, 12e-3])
        >>> images = jnp.exp(1j * (0.4 + 2 * jnp.pi * off_resonance[..., None] * te))
        >>> fit = mr.inverse.qsm.fit_echoes(images, te)
        >>> print(f"{fit.off_resonance[0, 0, 0]:.1f} Hz, {fit.phase_offset[0, 0, 0]:.1f} rad")
        -120.0 Hz, 0.4 rad

        ```
    """
    signals, times, inside = _checked(images, te, mask)
    if len(times) == 1:
        phase = unwrapping(jnp.angle(signals[..., 0]), inside)
        start = phase / float(TURN * times[0])
    else:
        first = int(np.argmin(np.diff(times)))
        between = signals[..., first + 1] * signals[..., first].conj()
        start = unwrapping(jnp.angle(between), inside) / float(TURN * (times[first + 1] - times[first]))
    rate, offset, weights, residual = _fitted(signals, tuple(times.tolist()), inside, start)
    return EchoFit(rate, offset, weights, residual, n_free=max(len(times) - 2, 0))


def _checked(images: Any, te: Any, mask: Any) -> tuple[Array, np.ndarray, Array]:
    signals = _checks.number_array(images, "images")
    if not jnp.iscomplexobj(signals):
        raise ValueError("`images` must be complex, `magnitude * exp(1j * phase)`, but got real numbers.")
    if not _checks.is_concrete(te):
        raise ValueError("`te` must be known before compiling, but is traced; pass it as a static argument.")
    times = np.atleast_1d(np.asarray(te, float))
    if times.ndim != 1 or not np.all(np.isfinite(times)) or not np.all(np.diff(times, prepend=0.0) > 0):
        raise ValueError(f"`te` must be positive and increase (s), but got {te}.")
    if signals.ndim != 4 or signals.shape[-1] != len(times):
        raise ValueError(
            f"`images` must have shape (nx, ny, nz, n_echoes) with the {len(times)} echoes of `te`, but got {signals.shape}."
        )
    shape = signals.shape[:3]
    inside = checked_mask(np.ones(shape, bool) if mask is None else mask, shape)
    return _checks.finite(jnp.where(inside[..., None], signals, 0.0), "images"), times, inside


@eqx.filter_jit
def _fitted(signals: Array, times: tuple[float, ...], mask: Array, start: Array) -> tuple[Array, Array, Array, Array]:
    t = jnp.asarray(times, signals.real.dtype).reshape(1, 1, 1, -1)
    weights = signals.real**2 + signals.imag**2
    total = weights.sum(-1)
    total = jnp.where(total > 0, total, 1.0)
    middle = (weights * t).sum(-1) / total if len(times) > 1 else jnp.zeros_like(start)
    spread = (weights * (t - middle[..., None]) ** 2).sum(-1)
    known = mask & (spread > 0)

    def left(rate: Array, offset: Array) -> Array:
        """The phases less the line, within half a turn."""
        return jnp.angle(signals * jnp.exp(-1j * (offset[..., None] + TURN * rate[..., None] * t)))

    def refined(_: Any, line: tuple[Array, Array]) -> tuple[Array, Array]:
        away = weights * jnp.sin(left(*line))
        slope = jnp.where(known, (away * (t - middle[..., None])).sum(-1) / jnp.where(known, spread, 1.0), 0.0)
        at_middle = away.sum(-1) / total if len(times) > 1 else jnp.zeros_like(slope)
        return line[0] + slope / TURN, line[1] + at_middle - slope * middle

    offset = jnp.zeros_like(start)
    if len(times) > 1:
        turned_back = signals * jnp.exp(-1j * TURN * start[..., None] * t)
        offset = jnp.angle(turned_back.sum(-1))
    rate, offset = jax.lax.fori_loop(0, N_REFINEMENTS, refined, (start, offset))
    residual = (weights * jnp.sin(left(rate, offset)) ** 2).sum(-1)
    values = (rate, jnp.angle(jnp.exp(1j * offset)), TURN**2 * spread, residual)
    return jax.tree.map(lambda value: jnp.where(known, value, 0.0), values)
