"""Responses of gradients that were measured as functions of frequency."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.sequence.hardware.gradient_response import AbstractGradientResponse, AskedGradients, by_axis
from mrjax.sequence.hardware.played_points import Spacing

MOST_POINTS = 2**24
"""Of the raster, on each axis: what fits into a few hundred megabytes."""


class MeasuredResponse(AbstractGradientResponse):
    r"""A gradient impulse response function (GIRF), given by its transfer function.

    $$\hat G_\text{played}(f) = H(f)\, \hat G(f), \qquad \hat G(f) = \int G(t) e^{-2\pi i f t}\,dt$$

    **Arguments:**

    - `frequencies`: $f$ in Hz, from zero or above on, rising, `(n,)`; at negative ones $H$ is the conjugate.
    - `transfer`: $H$, complex, `(n,)` for every axis by itself, `(3, n)` for each of x, y and z by itself, or `(3, 3, n)` with
      the axis of the field that arises first and that of the gradient second.
    - `b0_transfer`: Of the uniform field in T that arises of 1 T/m along x, y and z, in m, `(3, n)`; none by default.
    - `raster`: In s, on which gradients are taken, 10 us by default.

    $H$ is straight between the frequencies, and stays as it is before the first and after the last. Gradients are convolved on
    the raster, by Fourier transform: right to the share of their spectra that lies above half its inverse.

    **Raises:** `ValueError` for other shapes, frequencies that are negative or do not rise, and sequences that last too long for
    the raster.

    **Source:** S. J. Vannesjo et al., Magn Reson Med 69 (2013) 583-593.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> f = jnp.linspace(0.0, 50e3, 2001)
        >>> girf = mr.hardware.MeasuredResponse(f, 1 / (1 + 2j * jnp.pi * f * 40e-6))  # an amplifier that takes 40 us
        >>> lobe = mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=1 * ms, axis="x")
        >>> played = mr.hardware.as_played(mr.Sequence(lobe, mr.Delay(1 * ms)), girf).timeline()
        >>> print(f"{1e3 * played.at(0.1 * ms)[1][0]:.1f} {1e3 * played.at(1 * ms)[1][0]:.1f} mT/m")
        6.3 10.0 mT/m

        ```
    """

    frequencies: Float[Array, " n"]
    transfer: Complex[Array, "..."]
    b0_transfer: Complex[Array, "3 n"] | None
    raster: float = eqx.field(static=True)

    def __init__(self, frequencies: Any, transfer: Any, b0_transfer: Any = None, raster: float = 10e-6):
        self.frequencies = _checks.finite(_checks.real_array(frequencies, "frequencies"), "frequencies")
        rises = jnp.all(jnp.diff(self.frequencies) > 0) & jnp.all(self.frequencies >= 0)
        _checks.require(self.frequencies, rises, "`frequencies` must rise from zero or above on (Hz)")
        n = self.frequencies.size
        self.transfer = _complex(transfer, "transfer", ((n,), (3, n), (3, 3, n)))
        self.b0_transfer = None if b0_transfer is None else _complex(b0_transfer, "b0_transfer", ((3, n),))
        if not raster > 0:
            raise ValueError(f"`raster` must be positive (s), but got {raster!r}.")
        self.raster = float(raster)

    def spacing(self, raster: float) -> Spacing:
        return Spacing(raster, until=2 * self._remembered)

    @property
    def _remembered(self) -> float:
        """As long in s as frequencies that lie so near tell of; where they are not known, without end."""
        known = _checks.is_concrete(self.frequencies) and self.frequencies.size > 1
        return 1 / float(np.min(np.diff(np.asarray(self.frequencies)))) if known else math.inf

    def added(self, asked: AskedGradients) -> tuple[Float[Array, "n 3"], Float[Array, " n"] | None]:
        times = np.asarray(asked.times, float)
        n = self._raster_points(times)
        grid, values = np.arange(n) * self.raster, jnp.asarray(asked.values)
        piece = np.clip(np.searchsorted(times, grid, side="right") - 1, 0, len(times) - 2)
        lasts = times[piece + 1] - times[piece]
        share = np.where(grid <= times[-1], (grid - times[piece]) / np.where(lasts > 0, lasts, 1.0), 0.0)
        end = np.where(grid <= times[-1], 1.0, 0.0)
        f = np.fft.rfftfreq(n, self.raster)
        return _convolved(self, values, *map(jnp.asarray, (piece, share, end, f, times / self.raster)))

    def less_one(self, f: Array) -> Complex[Array, "3 3 f"]:
        """What is added to gradients at some frequencies."""
        one = 1.0 if self.transfer.ndim < 3 else jnp.eye(3)[:, :, None]
        return by_axis(_between(f, self.frequencies, self.transfer - one), 3)

    def _raster_points(self, times: np.ndarray) -> int:
        """For the whole sequence and for as long as it is remembered, so that its end is not its start."""
        n = math.ceil((times[-1] + min(self._remembered, times[-1] + 0.1)) / self.raster) + 2
        if n > MOST_POINTS:
            raise ValueError(
                f"`sequence` lasts {times[-1]:.3g} s, too long for a response on a raster of {self.raster:.3g} s; play "
                "it in parts, give a longer `raster`, or `EddyCurrents`."
            )
        return n


def _complex(value: Any, name: str, shapes: tuple) -> Complex[Array, "..."]:
    array = _checks.finite(_checks.number_array(value, name), name)
    if array.shape not in shapes:
        listed = " or ".join(map(str, shapes))
        raise ValueError(f"`{name}` must have shape {listed}, the last axis as `frequencies`, but got {array.shape}.")
    return array + 0j


@jax.jit
def _convolved(
    response: MeasuredResponse, values: Array, piece: Array, share: Array, end: Array, f: Array, places: Array
) -> tuple[Float[Array, "n 3"], Float[Array, " n"] | None]:
    sampled = (values[piece] + (values[piece + 1] - values[piece]) * share[:, None]) * end[:, None]
    spectra, n = jnp.fft.rfft(sampled, axis=0), piece.shape[0]
    heard = lambda spectrum: _at_points(jnp.fft.irfft(spectrum, n, axis=0), places)
    field = heard(jnp.einsum("oif,fi->fo", response.less_one(f), spectra))
    if response.b0_transfer is None:
        return field, None
    of_field = jnp.einsum("if,fi->f", _between(f, response.frequencies, response.b0_transfer), spectra)
    return field, heard(of_field[:, None])[:, 0]


def _between(f: Array, frequencies: Array, values: Complex[Array, "... n"]) -> Complex[Array, "... f"]:
    """Straight between the frequencies."""
    rows = values.reshape(-1, values.shape[-1])
    read = jax.vmap(lambda row: jnp.interp(f, frequencies, row))
    return (read(rows.real) + 1j * read(rows.imag)).reshape(*values.shape[:-1], f.shape[0])


def _at_points(values: Float[Array, "n axis"], places: Float[Array, " point"]) -> Float[Array, "point axis"]:
    first = jnp.clip(jnp.floor(places).astype(int), 0, values.shape[0] - 2)
    share = (places - first)[:, None]
    return values[first] * (1 - share) + values[first + 1] * share
