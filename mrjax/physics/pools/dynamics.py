"""How water and its pools relax, exchange and precess: the matrices of the Bloch-McConnell equations.

The magnetisation is ordered by component: x of the water and of every pool that has a transverse part, then y, then z of
the same, then z of the semisolid pools. A last component, always 1, carries the recovery.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.conventions import Conventions
from mrjax.physics.maths.matrix_exponential import padded
from mrjax.pool import Pool
from mrjax.tissue import Tissue


class Pools(eqx.Module):
    """Water and pools of one tissue in one field; every array has a voxel axis, of length one where nothing varies."""

    equilibrium: Float[Array, "#voxel pool"]
    """Relative to the water; the semisolid pools are the last."""
    r1: Float[Array, "#voxel pool"]
    to_water: Float[Array, "#voxel pool"]
    """Exchange rates in 1/s; zero for the water itself."""
    r2: Float[Array, "#voxel mobile"]
    frequency: Float[Array, "#voxel pool"]
    """Resonance of each pool in Hz from the scanner's frequency, the semisolid ones included."""
    semisolid: tuple[Pool, ...]
    larmor: Float[Array, ""]
    """In Hz."""

    @classmethod
    def of(cls, tissue: Tissue, b0: Float[Array, ""], conventions: Conventions) -> "Pools":
        """Those of a tissue with one voxel axis."""
        mobile = [pool for pool in tissue.pools if not pool.is_semisolid]
        semisolid = [pool for pool in tissue.pools if pool.is_semisolid]
        pools = [*mobile, *semisolid]
        stacked = lambda columns: jnp.stack(jnp.broadcast_arrays(*columns), axis=-1)
        zero, one = jnp.zeros(1, tissue.t1.dtype), jnp.ones(1, tissue.t1.dtype)
        larmor = b0 * (conventions.gyromagnetic_ratio / (2 * math.pi))
        field = tissue.off_resonance * conventions.off_resonance_sign if tissue.has("off_resonance") else zero
        shifts = [zero, *(pool.shift().reshape(-1) for pool in pools)]
        return cls(
            equilibrium=stacked([one, *relative_fractions(pools, conventions)]),
            r1=stacked([1 / tissue.t1, *(1 / pool.t1 for pool in pools)]),
            to_water=stacked([zero, *(pool.exchange_rate for pool in pools)]),
            r2=stacked([1 / tissue.t2, *(1 / pool.t2 for pool in mobile)]),
            frequency=stacked([field + shift * 1e-6 * larmor for shift in shifts]),
            semisolid=tuple(semisolid),
            larmor=larmor,
        )

    @property
    def n_mobile(self) -> int:
        """How many have a transverse part, the water included."""
        return self.r2.shape[-1]

    @property
    def n_pools(self) -> int:
        """All of them, the water included."""
        return self.r1.shape[-1]

    def longitudinal(self) -> Float[Array, "#voxel n n"]:
        """How all z change, without RF; the last column is the recovery."""
        exchange = exchange_matrix(self.to_water, self.equilibrium)
        generator = exchange - diagonal(self.r1)
        recovery = (self.r1 * self.equilibrium)[..., None]
        return jnp.pad(jnp.concatenate([generator, recovery], axis=-1), ((0, 0), (0, 1), (0, 0)))

    def transverse(self) -> Float[Array, "#voxel n n"]:
        """How all x, then all y, change without RF."""
        decay, turning = jnp.broadcast_arrays(self.transverse_decay(), self.turning())
        return _two_by_two(decay, -turning, turning, decay)

    def transverse_decay(self) -> Float[Array, "#voxel p p"]:
        """Relaxation and exchange of either transverse component."""
        n = self.n_mobile
        return exchange_matrix(self.to_water[:, :n], self.equilibrium[:, :n]) - diagonal(self.r2)

    def turning(self, rf_offset: Float[Array, ""] | float = 0.0) -> Float[Array, "#voxel p p"]:
        """How fast x goes over into y, seen from a frame that turns at `rf_offset` in Hz."""
        return diagonal(2 * jnp.pi * (self.frequency[:, : self.n_mobile] - rf_offset))

    def saturation(
        self, rf_offset: Float[Array, ""] | Float[Array, "*#batch #voxel"] | float
    ) -> Float[Array, "*#batch #voxel semisolid"]:
        r"""Rates $\pi g$ at which RF saturates the semisolid pools, for $\omega_1 = 1$ rad/s.

        An array of offsets has the voxels on its last axis.
        """
        own = lambda value: _with_batch(value, max(0, jnp.ndim(rf_offset) - 1))
        rates = [
            math.pi * pool.lineshape(rf_offset - own(self.frequency[:, self.n_mobile + i]), own(pool.t2), self.larmor)
            for i, pool in enumerate(self.semisolid)
            if pool.lineshape is not None
        ]
        nothing = jnp.zeros((*(1,) * max(1, jnp.ndim(rf_offset)), 0), self.r1.dtype)
        return jnp.stack(jnp.broadcast_arrays(*rates), axis=-1) if rates else nothing


def relative_fractions(pools: list[Pool], conventions: Conventions) -> list[Float[Array, "#voxel"]]:
    """Fractions relative to the water, whatever they were given relative to."""
    given = [pool.fraction for pool in pools]
    if conventions.fractions == "of_water" or not pools:
        return given
    water = 1 - sum(given[1:], start=given[0])
    return [fraction / water for fraction in given]


def exchange_matrix(to_water: Float[Array, "#voxel pool"], equilibrium: Float[Array, "#voxel pool"]) -> Array:
    """Star of exchange about the first pool: what each sends to the water, and what it gets in return."""
    from_water = to_water * equilibrium
    n = to_water.shape[-1]
    first_row = jnp.broadcast_to(jnp.asarray(np.eye(n)[0][:, None], to_water.dtype), (n, n))
    sent = first_row[None] * to_water[:, None, :] - diagonal(to_water)
    returned = jnp.swapaxes(first_row[None] * from_water[:, None, :], -1, -2) - jnp.pad(
        jnp.sum(from_water, axis=-1)[:, None, None], ((0, 0), (0, n - 1), (0, n - 1))
    )
    return sent + returned


def diagonal(values: Float[Array, "*batch n"]) -> Float[Array, "*batch n n"]:
    """Matrices with these values on the diagonal."""
    return values[..., None] * jnp.eye(values.shape[-1], dtype=values.dtype).reshape(
        (1,) * (values.ndim - 1) + (values.shape[-1],) * 2
    )


class Irradiated(eqx.Module):
    r"""Pools under RF: generators of their magnetisation in a field $\omega_x + i \omega_y$ in rad/s.

    They are seen from the frame that turns with the RF, and act on all components and the constant one.
    """

    pools: Pools
    rf_offset: Float[Array, ""] | float

    @property
    def size(self) -> int:
        """Components of the magnetisation, and the constant one; matrices are padded beyond."""
        return 2 * self.pools.n_mobile + self.pools.n_pools + 1

    def generator(
        self,
        about_x: Float[Array, "*batch #voxel"],
        about_y: Float[Array, "*batch #voxel"],
        about_z: Float[Array, "*batch #voxel"] | None = None,
    ) -> Array:
        """All that happens, shape `(*batch, voxel, n, n)`, padded; gradients turn all pools alike about z."""
        rotation = self.rotation(about_x, about_y)
        if about_z is None:
            return rotation + self.relaxation(about_x**2 + about_y**2)
        n, rest = self.pools.n_mobile, self.pools.n_pools + 1
        like = (1,) * about_z.ndim
        by_gradient = about_z[..., None, None] * jnp.asarray(_about_z(n, rest), about_z.dtype).reshape(
            like + (2 * n + rest,) * 2
        )
        return rotation + padded(by_gradient) + self.relaxation(about_x**2 + about_y**2, about_z)

    def relaxation(
        self, power: Float[Array, "*batch #voxel"], about_z: Float[Array, "*batch #voxel"] | None = None
    ) -> Float[Array, "*batch #voxel n n"]:
        """Relaxation, exchange and saturation; `power` is the square of the field."""
        decay, n = self.pools.transverse_decay(), self.pools.n_mobile
        nothing = jnp.zeros_like(decay)
        free = _block_diagonal(_two_by_two(decay, nothing, nothing, decay), self.pools.longitudinal())
        saturation = (
            _with_batch(self.pools.saturation(self.rf_offset), power.ndim - 1)
            if about_z is None
            else self.pools.saturation(self.rf_offset - about_z / (2 * math.pi))
        )
        rates = power[..., None] * saturation
        padding = [(0, 0)] * (rates.ndim - 1) + [(3 * n, 1)]
        return padded(_with_batch(free, power.ndim - 1) - diagonal(jnp.pad(rates, padding)))

    def rotation(
        self, about_x: Float[Array, "*batch #voxel"], about_y: Float[Array, "*batch #voxel"]
    ) -> Float[Array, "*batch #voxel n n"]:
        """Precession and the turning by RF."""
        turning, n = self.pools.turning(self.rf_offset), self.pools.n_mobile
        nothing = jnp.zeros_like(turning)
        rest = self.pools.n_pools + 1
        free = _block_diagonal(
            _two_by_two(nothing, -turning, turning, nothing), jnp.zeros((1, rest, rest), turning.dtype)
        )
        x, y = (jnp.asarray(coupling(n, rest), turning.dtype) for coupling in (_about_x, _about_y))
        column = lambda angle: angle[..., None, None]
        like = (1,) * (about_x.ndim) + x.shape
        by_rf = column(about_x) * x.reshape(like) + column(about_y) * y.reshape(like)
        return padded(_with_batch(free, about_x.ndim - 1) + by_rf)


def _about_x(n: int, rest: int) -> np.ndarray:
    """Turning about x, right-handed: y goes over into z, z into minus y."""
    return _between(2, 1, n, rest) - _between(1, 2, n, rest)


def _about_y(n: int, rest: int) -> np.ndarray:
    return _between(0, 2, n, rest) - _between(2, 0, n, rest)


def _about_z(n: int, rest: int) -> np.ndarray:
    return _between(1, 0, n, rest) - _between(0, 1, n, rest)


def _between(to: int, of: int, n: int, rest: int) -> np.ndarray:
    """Ones from component `of` to component `to` of every pool that has three."""
    matrix = np.zeros((2 * n + rest, 2 * n + rest))
    pool = np.arange(n)
    matrix[to * n + pool, of * n + pool] = 1.0
    return matrix


def _with_batch(matrix: Float[Array, "..."], n_axes: int) -> Float[Array, "..."]:
    """With axes of length one before its own."""
    return matrix.reshape((1,) * n_axes + matrix.shape)


def _two_by_two(a: Array, b: Array, c: Array, d: Array) -> Float[Array, "#voxel n n"]:
    return jnp.concatenate([jnp.concatenate([a, b], axis=-1), jnp.concatenate([c, d], axis=-1)], axis=-2)


def _block_diagonal(
    first: Float[Array, "#voxel p p"], second: Float[Array, "#voxel q q"]
) -> Float[Array, "#voxel n n"]:
    p, q = first.shape[-1], second.shape[-1]
    return jnp.pad(first, ((0, 0), (0, q), (0, q))) + jnp.pad(second, ((0, 0), (p, 0), (p, 0)))
