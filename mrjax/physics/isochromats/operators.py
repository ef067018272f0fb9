"""What instantaneous and waiting events do to isochromats."""

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.kernel import rotated
from mrjax.physics.isochromats.state import IsochromatState, across_the_voxel
from mrjax.physics.maths.transmit_field import rotation_vector
from mrjax.sequence import Pulse
from mrjax.sequence.partial_orders import Order
from mrjax.tissue import Tissue


class Rotation(AbstractOperator):
    """Right-handed rotation about an axis in the transverse plane, as a 3 x 3 matrix by components (Rodrigues)."""

    xx: Float[Array, "#voxel"]
    xy: Float[Array, "#voxel"]
    xz: Float[Array, "#voxel"]
    yy: Float[Array, "#voxel"]
    yz: Float[Array, "#voxel"]
    zz: Float[Array, "#voxel"]

    @classmethod
    def of(cls, pulse: Pulse, tissue: Tissue) -> "Rotation":
        if jnp.iscomplexobj(tissue.b1):
            return cls._by(rotation_vector(pulse, tissue))
        angle = pulse.flip_angle * (tissue.b1 if tissue.has("b1") else jnp.ones(1, tissue.t1.dtype))
        along_x, along_y = jnp.cos(jnp.asarray(pulse.phase)), jnp.sin(jnp.asarray(pulse.phase))
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        versine = 2 * jnp.sin(angle / 2) ** 2
        return cls(
            cosine + along_x**2 * versine,
            along_x * along_y * versine,
            along_y * sine,
            cosine + along_y**2 * versine,
            -along_x * sine,
            cosine,
        )

    @classmethod
    def _by(cls, vector: Complex[Array, "#voxel"]) -> "Rotation":
        about_x, about_y, nothing = vector.real, vector.imag, jnp.zeros_like(vector.real)
        one = jnp.ones_like(nothing)
        along_y = rotated((nothing, one, nothing), about_x, about_y, nothing)
        along_x = rotated((one, nothing, nothing), about_x, about_y, nothing)
        along_z = rotated((nothing, nothing, one), about_x, about_y, nothing)
        return cls(along_x[0], along_x[1], along_z[0], along_y[1], along_z[1], along_z[2])

    def turned(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Magnetisation with the voxels on the second axis, turned."""
        return (
            self.xx[None] * x + self.xy[None] * y + self.xz[None] * z,
            self.xy[None] * x + self.yy[None] * y + self.yz[None] * z,
            -self.xz[None] * x - self.yz[None] * y + self.zz[None] * z,
        )

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        return state.with_magnetisation(*self.turned(state.x, state.y, state.z)), None


class Diffusion(AbstractOperator):
    r"""Attenuation of each Fourier order $k$ over the periodic voxel while gradients wind $\delta(t)$ cycles more.

    $$\exp\left(-D \left(\tfrac{2\pi}{\Delta x}\right)^2 \int (k + \delta)^2 dt\right), \qquad
    \int (k + \delta)^2 dt = k^2 T + 2 k \int \delta\,dt + \int \delta^2 dt$$
    """

    rate: Float[Array, "#voxel"]
    r"""$D (2 \pi / \Delta x)^2$ in 1/s."""
    duration: Float[Array, "*time"]
    first: Float[Array, "*time"]
    r"""$\int \delta\,dt$."""
    second: Float[Array, "*time"]
    r"""$\int \delta^2 dt$."""

    def attenuated(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """The magnetisation of spins evenly spread over the voxel, in order."""
        n = x.shape[0]
        k = jnp.asarray(np.fft.fftfreq(n, 1 / n), x.dtype)
        factor = lambda first, second: jnp.exp(
            -(k**2 * self.duration + 2 * k * first + second)[:, None] * self.rate[None]
        )
        transverse = jnp.fft.ifft(factor(self.first, self.second) * jnp.fft.fft(x + 1j * y, axis=0), axis=0)
        longitudinal = jnp.fft.ifft(factor(0.0, 0.0) * jnp.fft.fft(z, axis=0), axis=0)
        return transverse.real, transverse.imag, longitudinal.real

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        return state.with_magnetisation(*self.attenuated(state.x, state.y, state.z)), None


class Precession(AbstractOperator):
    """Relaxation, off-resonance and diffusion in a time without RF."""

    e1: Float[Array, "#voxel"]
    e2: Float[Array, "#voxel"]
    recovered: Float[Array, "#voxel"]
    angle: Float[Array, "#voxel"] | None
    dephasing: Float[Array, "#voxel"] | None  # time over t2_prime
    diffusion: Diffusion | None
    duration: Float[Array, ""]

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        x, y = self.e2[None] * state.x, self.e2[None] * state.y
        z = self.e1[None] * state.z
        if self.diffusion is not None:
            x, y, z = self.diffusion.attenuated(x, y, z)
        z = z + self.recovered[None]
        angle = self._angles(x.shape[0])
        x, y = (x, y) if angle is None else turned(x, y, angle)
        return state.with_magnetisation(x, y, z).later(self.duration), None

    def _angles(self, n: int) -> Float[Array, "#spin #voxel"] | None:
        angle = None if self.angle is None else self.angle[None]
        if self.dephasing is None:
            return angle
        # the angles of all spins are formed here: prepared, they would fill the memory in long trains
        spread = jnp.asarray(lorentzian(n)[0], self.dephasing.dtype)[:, None] * self.dephasing[None]
        return spread if angle is None else angle + spread


class Winding(AbstractOperator):
    """Dephasing, after the precession of the time it takes."""

    precession: Precession | None
    order: Order = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        if self.precession is not None:
            state, _ = self.precession(state)
        position = across_the_voxel(state.x.shape[0])
        angle = jnp.asarray(2 * np.pi * float(self.order) * position, state.x.dtype)[:, None]
        turned_by = state.with_magnetisation(*turned(state.x, state.y, angle), state.z)
        return dataclasses.replace(turned_by, wound=state.wound + math.ceil(abs(self.order))), None


class IdealSpoiling(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        nothing = jnp.zeros_like(state.x)
        return state.with_magnetisation(nothing, nothing, state.z), None


class Reading(AbstractOperator):
    """The sample is the mean over the spins."""

    turn: Complex[Array, ""] | None
    spread_over_lorentzian: bool = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "#voxel"]]:
        weight = weights(state, self.spread_over_lorentzian)
        sample = jnp.sum(weight * state.x, axis=0) + 1j * jnp.sum(weight * state.y, axis=0)
        return state, sample if self.turn is None else sample * self.turn


class LongitudinalReading(AbstractOperator):
    """The sample is the mean z of the spins."""

    spread_over_lorentzian: bool = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "#voxel"]]:
        z = jnp.sum(weights(state, self.spread_over_lorentzian) * state.z, axis=0)
        return state, z.astype(jnp.result_type(z, 1j))


class AlongZ(AbstractOperator):
    """All spins along z."""

    magnetisation: Float[Array, ""]

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        nothing = jnp.zeros_like(state.x)
        along = state.with_magnetisation(nothing, nothing, nothing + self.magnetisation)
        return dataclasses.replace(along, wound=jnp.zeros_like(state.wound)), None


def weights(state: IsochromatState, spread_over_lorentzian: bool) -> Float[Array, "spin 1"]:
    """What each spin counts for in a sample."""
    n = state.x.shape[0]
    return jnp.asarray(lorentzian(n)[1] if spread_over_lorentzian else np.full(n, 1 / n), state.x.dtype)[:, None]


def lorentzian(n: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Off-resonances of `n` spins in units of $1/T_2'$ (rad), and their weights, for $\exp(-|t|/T_2')$ on average.

    The density $1 / \pi (1 + f^2)$ is cut off smoothly at $f_c = 3 \sqrt n$ and filled up to one: tails that reach further
    than the spins resolve would make the derivative in $T_2'$ noise. Spins lie densest around zero (a sinh scale).
    Positions and off-resonances together form a lattice with a step near the golden ratio, so that dephasing across the
    voxel and over the Lorentzian are averaged independently with `n` spins, not n squared.
    """
    step = next(s for s in range(max(1, round(n * (math.sqrt(5) - 1) / 2)), 2 * n + 1) if math.gcd(s, n) == 1)
    place = 2 * ((np.arange(n) * step) % n + 0.5) / n - 1
    cut_off, dense_within = 3 * math.sqrt(n), 3.0
    scale = math.asinh(cut_off / dense_within)
    offset = dense_within * np.sinh(scale * place)
    taper = np.cos(np.pi / 2 * offset / cut_off) ** 2 * np.cosh(scale * place)
    weight = taper / (1 + offset**2) * (2 * dense_within * scale / (np.pi * n))
    return offset, weight + (1 - weight.sum()) * taper / taper.sum()


def turned(x: Array, y: Array, angle: Float[Array, "#spin #voxel"]) -> tuple[Array, Array]:
    """Transverse magnetisation turned about z."""
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return cosine * x - sine * y, sine * x + cosine * y
