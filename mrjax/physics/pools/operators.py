"""The magnetisation of water and pools, and what each event does to it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.operators import Rotation
from mrjax.physics.maths import precession
from mrjax.physics.maths.matrix_exponential import exponential_less_one, full_precision, padded
from mrjax.physics.pools.dynamics import Pools
from mrjax.physics.state import AbstractState, size_of_repetitions
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


class BlochMcConnellState(AbstractState):
    r"""Magnetisation of the water and of its pools, relative to the equilibrium of the water.

    The second axis holds orders of dephasing: order $k$ is the Fourier coefficient of $\exp(2\pi i k r)$ over the voxel,
    and order 0 the mean. Without gradients there is order 0 alone, and it is real.
    """

    x: Inexact[Array, "mobile order *voxel"]
    """Of the water, then of each pool with a transverse part, in the order of the tissue."""
    y: Inexact[Array, "mobile order *voxel"]
    z: Inexact[Array, "pool order *voxel"]
    """As `x`, then of the semisolid pools."""

    @property
    def magnetisation(self) -> tuple[Array, Array, Array]:
        return self.x, self.y, self.z

    def with_magnetisation(self, *magnetisation: Array) -> "BlochMcConnellState":
        return BlochMcConnellState(*magnetisation)

    def n_mixing_axes(self, tissue: Tissue) -> int:
        del tissue
        return 2

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "BlochMcConnellState":
        del sequence
        n = size_of_repetitions(engine.n_states, self.z.shape[1], "n_states", type(engine).__name__)
        return self.resized(n, self.z.dtype)

    def resized(self, n_orders: int, dtype) -> "BlochMcConnellState":
        """With more or fewer orders, real or complex."""

        def resize(leaf: Array) -> Array:
            missing = max(0, n_orders - leaf.shape[1])
            return jnp.pad(leaf[:, :n_orders], [(0, 0), (0, missing)] + [(0, 0)] * (leaf.ndim - 2)).astype(dtype)

        whole = self if jnp.issubdtype(dtype, jnp.complexfloating) else jax.tree.map(jnp.real, self)
        return jax.tree.map(resize, whole)


class Propagation(AbstractOperator):
    """RF: a matrix for all components and the constant one, less the identity."""

    less_one: Float[Array, "#voxel n n"]

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        n, m = len(state.x), len(state.z)
        before = jnp.concatenate([state.x, state.y, state.z, _source(state)])
        after = before + applied(self.less_one, before)
        return BlochMcConnellState(after[:n], after[n : 2 * n], after[2 * n : 2 * n + m]), None


class FreeEvolution(AbstractOperator):
    """Without RF the transverse magnetisation and z go apart: two smaller matrices, less the identity."""

    transverse: Float[Array, "#voxel n n"]
    longitudinal: Float[Array, "#voxel z z+1"]

    @classmethod
    def of(cls, pools: Pools, duration: Float[Array, ""]) -> "FreeEvolution":
        """During a time; all of equilibrium is reached after an infinite one."""
        time, forever = precession.finite(duration), jnp.isinf(duration)
        p, q = 2 * pools.n_mobile, pools.n_pools
        transverse = exponential_less_one(padded(pools.transverse() * time))[:, :p, :p]
        longitudinal = exponential_less_one(padded(pools.longitudinal() * time))[:, :q, : q + 1]
        nothing_left = lambda n: -jnp.eye(n, dtype=transverse.dtype)[None]
        equilibrium = pools.equilibrium[..., None]
        recovered = jnp.concatenate([jnp.broadcast_to(nothing_left(q), (len(equilibrium), q, q)), equilibrium], axis=-1)
        return cls(jnp.where(forever, nothing_left(p), transverse), jnp.where(forever, recovered, longitudinal))

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        n = len(state.x)
        transverse = jnp.concatenate([state.x, state.y])
        transverse = transverse + applied(self.transverse, transverse)
        z = state.z + applied(self.longitudinal, jnp.concatenate([state.z, _source(state)]))
        return BlochMcConnellState(transverse[:n], transverse[n:], z), None


class TurnTransverse(AbstractOperator):
    """All transverse magnetisation turned about z."""

    cosine: Float[Array, ""]
    sine: Float[Array, ""]

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        x, y = self.cosine * state.x - self.sine * state.y, self.sine * state.x + self.cosine * state.y
        return BlochMcConnellState(x, y, state.z), None


class InstantTurn(AbstractOperator):
    """An instantaneous pulse turns every pool that has three components."""

    rotation: Rotation

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        n = len(state.x)
        # its arguments have one axis before the voxels
        flat = lambda component: component.reshape(component.shape[0] * component.shape[1], component.shape[2])
        turned = self.rotation.turned(flat(state.x), flat(state.y), flat(state.z[:n]))
        x, y, z = (component.reshape(state.x.shape) for component in turned)
        return BlochMcConnellState(x, y, jnp.concatenate([z, state.z[n:]])), None


class NoTransverse(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        return BlochMcConnellState(jnp.zeros_like(state.x), jnp.zeros_like(state.y), state.z), None


class AlongZ(AbstractOperator):
    """A state that does not depend on the one before."""

    state: BlochMcConnellState

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        upper = lambda old: jnp.zeros_like(old[:, 1:])
        widened = lambda new, old: jnp.broadcast_to(new, (*new.shape[:2], old.shape[-1])).astype(old.dtype)
        set_to = lambda new, old: jnp.concatenate([widened(new, old), upper(old)], axis=1)
        return jax.tree.map(set_to, self.state, state), None


class TransverseReading(AbstractOperator):
    """The sample is the sum over what has a transverse part, or the water alone."""

    turn: Complex[Array, ""] | None
    relative_to_m0: Float[Array, "#voxel"] | None
    water_alone: bool = eqx.field(static=True)

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, Complex[Array, " voxel"]]:
        of = lambda component: component[0, 0] if self.water_alone else jnp.sum(component[:, 0], axis=0)
        sample = of(state.x) + 1j * of(state.y)
        sample = sample if self.turn is None else sample * self.turn
        return state, sample if self.relative_to_m0 is None else sample * self.relative_to_m0


class LongitudinalReading(AbstractOperator):
    """The sample is z of the water."""

    relative_to_m0: Float[Array, "#voxel"] | None

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, Complex[Array, " voxel"]]:
        z = state.z[0, 0] if self.relative_to_m0 is None else state.z[0, 0] * self.relative_to_m0
        return state, z.astype(jnp.result_type(z, 1j))


class Winding(AbstractOperator):
    """Dephasing by whole cycles after the evolution in the time it takes: the orders of x + iy move up, of x - iy down."""

    evolution: FreeEvolution | None
    order: int = eqx.field(static=True)

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, None]:
        if self.evolution is not None:
            state, _ = self.evolution(state)
        if self.order == 0:
            return state, None
        if state.x.shape[1] == 1:  # order zero alone, and real: all of it is wound away
            return BlochMcConnellState(jnp.zeros_like(state.x), jnp.zeros_like(state.y), state.z), None
        plus, minus = state.x + 1j * state.y, state.x - 1j * state.y
        n = plus.shape[1]
        # orders -(n - 1) to n - 1 of x + iy on one axis; those of x - iy are their conjugates, the other way round
        line = jnp.concatenate([jnp.conj(minus[:, :0:-1]), plus], axis=1)
        by = max(-2 * n + 1, min(2 * n - 1, self.order))
        moved = jax.lax.pad(line, jnp.zeros((), line.dtype), [(0, 0, 0), (by, -by, 0), (0, 0, 0)])
        plus, minus = moved[:, n - 1 :], jnp.conj(moved[:, n - 1 :: -1])
        return BlochMcConnellState((plus + minus) / 2, (plus - minus) / 2j, state.z), None


def applied(
    matrix: Float[Array, "#voxel m n"], vector: Inexact[Array, "n order voxel"]
) -> Inexact[Array, "m order voxel"]:
    """Every voxel's matrix times its vectors; one matrix may serve all."""
    matrix = matrix.astype(vector.dtype)
    with full_precision():
        if len(matrix) == 1:
            return jnp.einsum("ij,jkv->ikv", matrix[0], vector)
        return jnp.einsum("vij,jkv->ikv", matrix, vector)


def _source(state: BlochMcConnellState) -> Inexact[Array, "1 order voxel"]:
    """The constant component, from which z recovers: of order zero alone."""
    first = (np.arange(state.z.shape[1]) == 0).astype(float)[None, :, None]
    return jnp.broadcast_to(jnp.asarray(first, state.z.dtype), (1, *state.z.shape[1:]))
