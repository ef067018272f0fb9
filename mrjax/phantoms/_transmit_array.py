"""A transmit array around a head at high field: line currents around a dielectric cylinder, as an exact series."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex
from scipy import constants, special

from mrjax import _checks
from mrjax.tissue import Tissue

from ._positions import length, positions_of, triple
from .phantom import Phantom

ORDERS = 50
"""Of the series on each side: for currents at 1.4 radii what follows is below 1e-7."""


@dataclasses.dataclass(frozen=True)
class TransmitArray:
    r"""The fields of the channels of a transmit array, zero outside the object; made by `transmit_array`.

    **Attributes:**

    - `b1`: $B_c$ relative to nominal, `(n_channels, *voxels)`.
    - `electric`: $E_c$ along z in V/m for each T of nominal field, `(n_channels, *voxels)`.
    - `conductivity`: $\sigma$ in S/m.
    - `density`: $\rho$ in kg/m³.
    """

    b1: Complex[Array, "n_channels *voxels"]
    electric: Complex[Array, "n_channels *voxels"]
    conductivity: float
    density: float

    def q_matrices(self) -> Complex[Array, "*voxels n_channels n_channels"]:
        r"""$Q_{cd} = \frac{\sigma}{2 \rho} E_c^* E_d$ of every voxel in W/kg/T²: $b^H Q b$ is the SAR of the fields $b$ in T."""
        e = jnp.moveaxis(self.electric, 0, -1)
        return self.conductivity / (2 * self.density) * jnp.conj(e)[..., :, None] * e[..., None, :]


def transmit_array(
    where: Phantom | Tissue,
    n_channels: int = 8,
    radius: float | int = 0.14,
    *,
    object_radius: float | int = 0.09,
    frequency: float = 298e6,
    permittivity: float = 50.0,
    conductivity: float = 0.6,
    density: float = 1000.0,
    centre: tuple[float | int, ...] = (0.0, 0.0, 0.0),
) -> TransmitArray:
    r"""Transmit fields of line currents along z around a cylinder that conducts and in which waves are short, as a head at 7 T.

    $$E_c(\rho, \phi) \propto \sum_n a_n J_n(k_1 \rho)\, e^{i n (\phi - \phi_c)}, \qquad
      B_c = \frac{B_x + i B_y}{2} = \frac{1}{2 \omega} \left(\partial_x + i \partial_y\right) E_c$$

    with $k_1^2 = k_0^2 (\epsilon_r - i \sigma / \omega \epsilon_0)$, where time goes as $e^{i \omega t}$.
    The $a_n$ are those with which the electric field and its slope are continuous at the surface.

    **Arguments:**

    - `where`: A `Phantom`, or a `Tissue` with positions; z does not matter.
    - `n_channels`: Line currents, at equal angles from the x axis towards y.
    - `radius`: Of the ring of currents in m, larger than `object_radius`.
    - `object_radius`: Of the cylinder in m.
    - `frequency`: In Hz, at least 1 MHz; 298 MHz are protons at 7 T.
    - `permittivity`: $\epsilon_r$, relative.
    - `conductivity`: $\sigma$ in S/m.
    - `density`: In kg/m³, for SAR.
    - `centre`: Of cylinder and ring, x, y and z in m.

    **Returns:** a `TransmitArray`. Phases are such that all channels agree at the centre, so that equal waveforms are the
    circularly polarised mode; that has the nominal field there, to which each contributes one part in `n_channels`.

    **Limits:** nothing ends along z, channels do not couple, and there is no shield: it is a model of how fields interfere, not
    of a coil. Not differentiable in positions.

    **Raises:** `ValueError` for a tissue without positions and numbers that are not positive or do not fit.

    **Source:** Maxwell's equations in two dimensions by Graf's addition theorem, as in textbooks (C. A. Balanis, Advanced
    Engineering Electromagnetics, chapter 11); values of brain at 298 MHz are about those of S. Gabriel et al. (1996).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> phantom = mr.phantoms.shepp_logan((16, 16))
        >>> mr.phantoms.transmit_array(phantom, n_channels=8).b1.shape
        (8, 16, 16)

        ```
    """
    n_channels = _checks.positive_integer(n_channels, "n_channels")
    inner, outer = length(object_radius, "object_radius"), length(radius, "radius")
    if not 1e6 <= frequency < math.inf:  # the numbers of the series leave the range of floats below
        raise ValueError(f"`frequency` must be at least 1e6 (Hz), but got {frequency!r}.")
    for name, value in (("permittivity", permittivity), ("density", density)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a positive number, but got {value!r}.")
    if not (math.isfinite(conductivity) and conductivity >= 0):
        raise ValueError(f"`conductivity` must be zero or more (S/m), but got {conductivity!r}.")
    if not outer > inner:
        raise ValueError(f"`radius` must be larger than `object_radius`, {inner} m, but got {outer} m.")
    places = positions_of(where)
    x, y, _ = (np.asarray(value, float) - start for value, start in zip(places, triple(centre, "centre"), strict=True))
    omega = 2 * math.pi * frequency
    outside = omega / constants.c
    inside = outside * np.sqrt(permittivity - 1j * conductivity / (omega * constants.epsilon_0))
    orders = np.arange(-ORDERS, ORDERS + 1)
    waves = _waves(orders, outside, inside, inner, outer)
    angles = 2 * math.pi * np.arange(n_channels) / n_channels
    electric, b1 = _fields(x, y, orders, waves, inside, angles, inner)
    # at the centre the order of -1 is left alone, whose wave turns to J_0
    middle = -waves[orders == -1] * inside / 2 * np.exp(1j * angles) * n_channels
    each = lambda field: jnp.asarray(field / middle.reshape(-1, *(1,) * (field.ndim - 1)), _complex_like(places[0]))
    return TransmitArray(each(b1), each(omega * electric), conductivity, density)


def _waves(orders: np.ndarray, outside: float, inside: complex, inner: float, outer: float) -> np.ndarray:
    """How much of each cylindrical wave there is inside, by continuity at the surface."""
    incident = special.hankel2(orders, outside * outer)
    wronskian = -2j / (math.pi * inner)
    within, beyond = special.jv(orders, inside * inner), special.hankel2(orders, outside * inner)
    slopes = inside * special.jvp(orders, inside * inner), outside * special.h2vp(orders, outside * inner)
    return incident * wronskian / (within * slopes[1] - slopes[0] * beyond)


def _fields(
    x: np.ndarray,
    y: np.ndarray,
    orders: np.ndarray,
    waves: np.ndarray,
    inside: complex,
    angles: np.ndarray,
    inner: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The electric field, and the transmit field times the angular frequency, of each channel."""
    x, y = np.broadcast_arrays(x, y)
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    held = np.minimum(distance, inner)  # the waves grow without bound outside, where none is wanted
    electric = np.zeros((angles.size, *x.shape), complex)
    b1 = np.zeros_like(electric)
    for n, wave in zip(orders, waves, strict=True):
        turned = np.exp(-1j * n * angles).reshape(-1, *(1,) * x.ndim)
        electric += wave * turned * special.jv(n, inside * held) * np.exp(1j * n * angle)
        b1 -= wave * inside / 2 * turned * special.jv(n + 1, inside * held) * np.exp(1j * (n + 1) * angle)
    within = distance <= inner
    return electric * within, b1 * within


def _complex_like(values: Array) -> jnp.dtype:
    return jnp.result_type(values, jnp.complex64)
