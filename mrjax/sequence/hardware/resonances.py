"""How strongly gradients drive the mechanical resonances of their coils."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks

OVERSAMPLING = 3
"""By how many times windows are padded: a line between two frequencies of the window is then off by two percent at most."""


@dataclasses.dataclass(frozen=True)
class Resonance:
    """A band of frequencies in which gradients should not oscillate.

    **Arguments:**

    - `frequency`: In the middle of the band, in Hz, positive.
    - `bandwidth`: Of the whole band, in Hz, zero or more.
    - `most`: The largest amplitude of an oscillation in the band, in T/m, positive.

    **Raises:** `ValueError` where a number is out of range.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT
        >>> band = mr.hardware.Resonance(frequency=590.0, bandwidth=100.0, most=2 * mT)
        >>> band.lowest, band.highest
        (540.0, 640.0)

        ```
    """

    frequency: float
    bandwidth: float
    most: float

    def __post_init__(self):
        for name, least in (("frequency", "positive"), ("bandwidth", "zero or more"), ("most", "positive")):
            value = getattr(self, name)
            known = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
            if not (known and np.isfinite(value) and (value > 0 or (value == 0 and least == "zero or more"))):
                raise ValueError(f"`{name}` of a Resonance must be a number, {least}, but got {value!r}.")
            object.__setattr__(self, name, float(value))

    @property
    def lowest(self) -> float:
        """Of the frequencies in the band, in Hz."""
        return self.frequency - self.bandwidth / 2

    @property
    def highest(self) -> float:
        """Of the frequencies in the band, in Hz."""
        return self.frequency + self.bandwidth / 2


def gradient_spectrum(
    gradients: Any, raster: float, window: float = 50e-3, frequencies: Any = None
) -> tuple[Float[np.ndarray, " frequency"], Float[Array, "window frequency 3"]]:
    r"""The amplitudes of oscillations of gradients, in windows that overlap by a half.

    $$A_w(f) = \frac{2}{\sum_n h_n} \left| \sum_n h_n \, G_{w+n} \, e^{-2 \pi i f n \Delta} \right|, \qquad
    h_n = \sin^2 \frac{\pi (n + 1/2)}{N}$$

    A gradient $a \cos(2 \pi f t)$ that lasts longer than a window has $A = a$ at its frequency.

    **Arguments:**

    - `gradients`: In T/m at equal distances, `(n, 3)`.
    - `raster`: $\Delta$ in s, a plain positive number.
    - `window`: $N \Delta$ in s, at least two rasters. Gradients that last less than a window are followed by zeros.
    - `frequencies`: In Hz, known numbers, `(n_frequencies,)`. By default all up to $1 / 2 \Delta$, at a third of the
      distance that the window resolves.

    **Returns:** the frequencies in Hz, and the amplitudes in T/m.

    **Derivatives:** in the gradients; zero where an amplitude is zero.

    **Raises:** `ValueError` for another shape, and where the window is too short.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> wave = 1e-3 * jnp.cos(2 * jnp.pi * 600.0 * 10e-6 * jnp.arange(10000))
        >>> along_x = jnp.stack([wave, 0 * wave, 0 * wave], axis=1)
        >>> _, amplitude = mr.hardware.gradient_spectrum(along_x, 10e-6, frequencies=[600.0])
        >>> print(f"{float(amplitude[0, 0, 0]) * 1e3:.3f} mT/m")
        1.000 mT/m

        ```
    """
    gradients = _checks.real_array(gradients, "gradients")
    if gradients.ndim != 2 or gradients.shape[1] != 3:
        raise ValueError(f"`gradients` must have shape (n, 3), along x, y and z (T/m), but got {gradients.shape}.")
    n = samples_of(window, raster)
    hop = n // 2
    n_windows = max(1, -(-(gradients.shape[0] - n) // hop) + 1)
    padded = jnp.pad(gradients, ((0, max(0, (n_windows - 1) * hop + n - gradients.shape[0])), (0, 0)))
    taper = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    taper = jnp.asarray(2 * taper / taper.sum(), gradients.dtype)[None, :, None]
    windows = padded[np.arange(n_windows)[:, None] * hop + np.arange(n)] * taper
    if frequencies is None:
        found, transform = grid_of(window, raster), jnp.fft.rfft(windows, OVERSAMPLING * n, axis=1)
    else:
        found = np.asarray(frequencies, float)
        waves = np.exp(-2j * np.pi * raster * np.outer(np.arange(n), found))
        transform = jnp.einsum("wnx,nf->wfx", windows, jnp.asarray(waves, jnp.result_type(gradients.dtype, 1j)))
    return found, _magnitude(transform.real**2 + transform.imag**2)


def samples_of(window: float, raster: float) -> int:
    """How many samples a window has."""
    n = round(window / raster)
    if n < 2:
        raise ValueError(f"`window` must be at least two rasters of {raster:g} s, but got {window!r}.")
    return n


def grid_of(window: float, raster: float) -> np.ndarray:
    """The frequencies of the transform of a window, padded, in Hz."""
    return np.fft.rfftfreq(OVERSAMPLING * samples_of(window, raster), raster)


def driven(
    resonances: tuple[Resonance, ...], gradients: Any, raster: float, window: float
) -> Float[Array, "window frequency"]:
    """Amplitudes at all frequencies within bands, of all axes together, relative to what is allowed there.

    Bands narrower than the distance of frequencies have their middle.
    """
    grid, chosen, most = grid_of(window, raster), [], []
    for band in resonances:
        inside = grid[(grid >= band.lowest) & (grid <= band.highest)]
        chosen.append(inside if inside.size else np.array([band.frequency]))
        most.append(np.full(chosen[-1].size, band.most))
    _, amplitude = gradient_spectrum(gradients, raster, window, np.concatenate(chosen))
    total = _magnitude(jnp.sum(amplitude**2, axis=-1))
    return total / jnp.asarray(np.concatenate(most), total.dtype)[None]


def _magnitude(square: Array) -> Array:
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
