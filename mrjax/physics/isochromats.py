"""Isochromats: spins across the voxel, each turned by the Bloch equations."""

import dataclasses
import math
import warnings

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from mrjax import _checks
from mrjax.physics import precession
from mrjax.physics.engine import AbstractEngine, AbstractOperator, cannot_play, require_state
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    Delay,
    Dephase,
    Pulse,
    Reset,
    Sample,
    SampleLongitudinal,
    Spoil,
)
from mrjax.sequence.walk import winding
from mrjax.tissue import Tissue

ENOUGH_FOR_T2_PRIME = 2000
"""Spins over which a Lorentzian is spread by default."""


class IsochromatState(eqx.Module):
    """Magnetisation of each spin relative to M0; spins on the first axis, voxels on the last."""

    x: Float[Array, "spin *voxel"]
    y: Float[Array, "spin *voxel"]
    z: Float[Array, "spin *voxel"]
    wound: Int[Array, "*voxel"]
    """Cycles wound so far, whatever their sign: with fewer spins than that, magnetisation may look unwound."""


class Isochromats(AbstractEngine):
    r"""Spins at `n` positions across the voxel, each a solution of the Bloch equations; a sample is their mean.

    `Dephase(order)` turns the spin at position $x$ (in voxels) by $2\pi \cdot$ order $\cdot x$. With positions evenly
    spread, a mean over $n$ spins is exact until something is wound by $n$ cycles and looks unwound again.

    **Arguments:**

    - `n`: Number of spins. By default as many as the sequence needs to be exact, and at least 2000 where `t2_prime` is
      finite. `simulate` warns where `n` is too small for the sequence.
    - `voxel_size`: Distance in m over which `Dephase(1)` winds one cycle. Needed for diffusion alone.

    Finite `t2_prime` gives each spin an off-resonance besides its position, spread over a Lorentzian that is cut off at
    $3 \sqrt n$ times its half width. Decay over a time $t$ is then right to 5e-4 of M0 at the default `n` for
    $0.1 < t / T_2' < 10$; for shorter times it starts smoothly where an ideal Lorentzian has a kink, off by up to
    $1 / 3 \sqrt n$. Diffusion mixes neighbouring spins, computed exactly by Fourier transform over the positions; it cannot be
    combined with `t2_prime`.

    **Raises:** `ValueError` for fewer than one spin, diffusion without `voxel_size`, or with `t2_prime`.

    **Source:** the Bloch equations with instantaneous pulses, in the right-handed convention of `Pulse`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(refocusing_angle=jnp.full(3, jnp.pi), echo_spacing=10e-3)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1), engine=mr.Isochromats(16)))))
        0.9048 0.8187 0.7408

        ```
    """

    n: int | None = eqx.field(static=True, default=None)
    voxel_size: Float[Array, ""] | None = eqx.field(default=None, converter=_checks.optional_length)

    def __check_init__(self):
        if self.n is not None:
            _checks.positive_integer(self.n, "n")

    def sized(
        self, sequence: AbstractContainer, tissue: Tissue, state: IsochromatState | None, keeps_state: bool
    ) -> "Isochromats":
        del keeps_state
        require_state(state, IsochromatState, self)
        if tissue.has("diffusion"):
            precession.squared_winding(self.voxel_size)
        if tissue.has("diffusion") and tissue.has("t2_prime"):
            raise ValueError(
                "`Isochromats` cannot combine `diffusion` with a finite `t2_prime`; leave one of them out."
            )
        # diffusion must tell winding from unwinding, so orders of both signs need a place
        wound = 0
        if state is not None and _checks.is_concrete(state.wound):
            wound = int(np.max(state.wound, initial=0))
        needed = 1 + (wound + winding(sequence)) * (2 if tissue.has("diffusion") else 1)
        default = max(needed, ENOUGH_FOR_T2_PRIME) if tissue.has("t2_prime") else needed
        present = None if state is None else state.z.shape[0]
        if present is not None and self.n not in (None, present):
            raise ValueError(f"`n` must be the {present} spins of the given state, but got {self.n}.")
        n = self.n or present or default
        if n < needed:
            warnings.warn(
                f"Isochromats(n={n}) is too few: the sequence winds up to {wound + winding(sequence)} cycles across the "
                f"voxel, and what is wound by {n} looks unwound again. Use at least n={needed}.",
                stacklevel=_checks.frames_to_the_caller(),
            )
        return dataclasses.replace(self, n=n)

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> IsochromatState:
        del sequence
        nothing = jnp.zeros((self.n, *tissue.voxel_shape), tissue.t1.dtype)
        wound = jnp.zeros(tissue.voxel_shape, jnp.int32)
        return IsochromatState(nothing, nothing, jnp.ones_like(nothing), wound)

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        match event:
            case Pulse():
                return Rotation.of(event, tissue)
            case Delay():
                return self._precession(event.duration, tissue, 0)
            case Dephase():
                time = event.duration if isinstance(event.duration, Array) else None
                return Winding(None if time is None else self._precession(time, tissue, event.order), event.order)
            case Spoil():
                return IdealSpoiling()
            case Reset():
                return AlongZ(jnp.asarray(event.magnetisation, tissue.t1.dtype))
            case Sample():
                turn = jnp.exp(-1j * event.phase) if isinstance(event.phase, Array) else None
                return Reading(turn, spread_over_lorentzian=tissue.has("t2_prime"))
            case SampleLongitudinal():
                return LongitudinalReading(spread_over_lorentzian=tissue.has("t2_prime"))
            case _:
                raise cannot_play(self, event)

    def _precession(self, duration: Float[Array, ""], tissue: Tissue, order: int) -> "Precession":
        angle = precession.precession_angle(duration, tissue)
        time = precession.finite(duration)
        return Precession(
            precession.decay(duration, tissue.t1),
            precession.decay(duration, tissue.t2),
            precession.recovery(duration, tissue.t1),
            angle,
            time / tissue.t2_prime if tissue.has("t2_prime") else None,
            time * tissue.diffusion * precession.squared_winding(self.voxel_size) if tissue.has("diffusion") else None,
            order,
        )


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

    def turned(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Magnetisation with the voxels on the second axis, turned."""
        return (
            self.xx[None] * x + self.xy[None] * y + self.xz[None] * z,
            self.xy[None] * x + self.yy[None] * y + self.yz[None] * z,
            -self.xz[None] * x - self.yz[None] * y + self.zz[None] * z,
        )

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        return IsochromatState(*self.turned(state.x, state.y, state.z), state.wound), None


class Precession(AbstractOperator):
    """Relaxation, off-resonance and diffusion in a time during which a gradient winds `order` cycles."""

    e1: Float[Array, "#voxel"]
    e2: Float[Array, "#voxel"]
    recovered: Float[Array, "#voxel"]
    angle: Float[Array, "#voxel"] | None
    dephasing: Float[Array, "#voxel"] | None  # time over t2_prime
    diffusion: Float[Array, "#voxel"] | None  # time times D (2 pi / voxel size)^2
    order: int = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        x, y = self.e2[None] * state.x, self.e2[None] * state.y
        z = self.e1[None] * state.z
        if self.diffusion is not None:
            x, y, z = _diffused(x, y, z, self.diffusion, self.order)
        z = z + self.recovered[None]
        angle = self._angles(x.shape[0])
        return IsochromatState(*(x, y) if angle is None else _turned(x, y, angle), z, state.wound), None

    def _angles(self, n: int) -> Float[Array, "#spin #voxel"] | None:
        angle = None if self.angle is None else self.angle[None]
        if self.dephasing is None:
            return angle
        # the angles of all spins are formed here: prepared, they would fill the memory in long trains
        spread = jnp.asarray(lorentzian(n)[0], self.dephasing.dtype)[:, None] * self.dephasing[None]
        return spread if angle is None else angle + spread


class Winding(AbstractOperator):
    """Dephasing by whole cycles, after the precession of the time it takes."""

    precession: Precession | None
    order: int = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        if self.precession is not None:
            state, _ = self.precession(state)
        n = state.x.shape[0]
        position = (np.arange(n) + 0.5) / n - 0.5
        angle = jnp.asarray(2 * np.pi * self.order * position, state.x.dtype)[:, None]
        return IsochromatState(*_turned(state.x, state.y, angle), state.z, state.wound + abs(self.order)), None


class IdealSpoiling(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        nothing = jnp.zeros_like(state.x)
        return IsochromatState(nothing, nothing, state.z, state.wound), None


class Reading(AbstractOperator):
    """The sample is the mean over the spins."""

    turn: Complex[Array, ""] | None
    spread_over_lorentzian: bool = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "#voxel"]]:
        weight = _weights(state, self.spread_over_lorentzian)
        sample = jnp.sum(weight * state.x, axis=0) + 1j * jnp.sum(weight * state.y, axis=0)
        return state, sample if self.turn is None else sample * self.turn


class LongitudinalReading(AbstractOperator):
    """The sample is the mean z of the spins."""

    spread_over_lorentzian: bool = eqx.field(static=True)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "#voxel"]]:
        z = jnp.sum(_weights(state, self.spread_over_lorentzian) * state.z, axis=0)
        return state, z.astype(jnp.result_type(z, 1j))


class AlongZ(AbstractOperator):
    """All spins along z."""

    magnetisation: Float[Array, ""]

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        nothing = jnp.zeros_like(state.x)
        return IsochromatState(nothing, nothing, nothing + self.magnetisation, jnp.zeros_like(state.wound)), None


def _weights(state: IsochromatState, spread_over_lorentzian: bool) -> Float[Array, "spin 1"]:
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


def _turned(x: Array, y: Array, angle: Float[Array, "#spin #voxel"]) -> tuple[Array, Array]:
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return cosine * x - sine * y, sine * x + cosine * y


def _diffused(
    x: Array, y: Array, z: Array, diffusion: Float[Array, "#voxel"], order: int
) -> tuple[Array, Array, Array]:
    """Diffusion over the periodic voxel while a gradient winds `order` cycles: each Fourier order is attenuated."""
    n = x.shape[0]
    k = jnp.asarray(np.fft.fftfreq(n, 1 / n), x.dtype)

    def attenuation(start, end):
        return jnp.exp(-((start**2 + start * end + end**2) / 3)[:, None] * diffusion[None])

    transverse = jnp.fft.ifft(attenuation(k, k + order) * jnp.fft.fft(x + 1j * y, axis=0), axis=0)
    longitudinal = jnp.fft.ifft(attenuation(k, k) * jnp.fft.fft(z, axis=0), axis=0)
    return transverse.real, transverse.imag, longitudinal.real
