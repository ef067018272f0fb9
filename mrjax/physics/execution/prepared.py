"""A call of `simulate` or `play`, from what is asked for to what is computed."""

import warnings
from contextlib import nullcontext
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax import _checks
from mrjax._memory import remembered
from mrjax.jax_rules import on_one_cpu_device
from mrjax.physics.engine import AbstractEngine, Plan, State, require_effects_known
from mrjax.physics.execution import sharding
from mrjax.physics.execution.dispatch import execute
from mrjax.physics.execution.distinct import Distinct
from mrjax.physics.execution.interpreter import Simulation
from mrjax.physics.execution.known import KnownCall
from mrjax.physics.execution.lengths import counted, has_loops, lengthened
from mrjax.physics.gradient import AbstractGradient
from mrjax.sequence import AbstractContainer
from mrjax.sequence.base import with_fields
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue


class Options:
    """What is asked for, besides what is played on what; known ones are equal where their values are."""

    def __init__(
        self,
        engine: AbstractEngine,
        gradient: AbstractGradient,
        batch_size: int | None,
        mask: np.ndarray | None,
        keeps_state: bool,
    ):
        self.engine, self.gradient, self.batch_size, self.mask = engine, gradient, batch_size, mask
        self.keeps_state = keeps_state
        leaves, structure = jax.tree.flatten((engine, gradient))
        self.are_known = all(map(_checks.is_concrete, leaves))
        if self.are_known:
            numbers = [(x.dtype, x.shape, np.asarray(x).tobytes()) if isinstance(x, jax.Array) else x for x in leaves]
            hidden = None if mask is None else mask.tobytes()
            precision = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
            self._key = (structure, tuple(numbers), batch_size, hidden, keeps_state, precision)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Options) and self._key == other._key


class PreparedCall(NamedTuple):
    """All that precedes the computation."""

    distinct: Distinct
    plan: Plan
    played: Any
    """The arguments of `execute`, or a `KnownCall` where all numbers are known."""
    shape: tuple[int, ...]
    """The voxel shape of what is played."""
    n_after: int
    """Axes that the engine's plan has added after those of the voxels, over which the signal is summed."""

    @classmethod
    def of(cls, sequence: AbstractContainer, tissue: Tissue, options: Options, state: State | None) -> "PreparedCall":
        """Check, leave out what need not be computed, and plan."""
        if not all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(tissue)):
            tissue = tissue.checked()  # `equinox.tree_at` may have put numbers into it
        spread = sharding.voxel_sharding(tissue)
        if spread is not None and options.mask is not None and any(spread.spec):
            raise ValueError(
                "`mask` cannot be given for a tissue that is spread over devices; spread the voxels inside alone."
            )
        distinct = Distinct.of(
            tissue,
            options.mask,
            leaves_air_out=spread is None and not options.keeps_state,
            takes_m0_apart=spread is None and state is None,
        )
        tissue = _valid_tissue(tissue) if distinct.is_all else distinct.tissue(tissue).checked()
        state = distinct.state(state)
        require_effects_known(options.engine, tissue)
        plan = options.engine.plan(sequence, tissue, state, options.keeps_state)
        if not options.keeps_state:
            require_samples(plan.sequence)
        shape = plan.tissue.voxel_shape
        n_after = len(shape) - len(tissue.voxel_shape)
        known = all(map(_checks.is_concrete, jax.tree.leaves((plan, state))))
        known = known and sharding.voxel_sharding(plan.tissue) is None
        m0 = None if distinct.m0 is None else _checks.finite(distinct.m0, "m0")
        # what is known stays known inside of `jit`
        with jax.ensure_compile_time_eval() if known else nullcontext():
            played, rows = _longer(plan, sequence, tissue, state, options) if known else (plan, None)
        played, state, m0 = _in_one_dtype((played, state, m0))
        simulation = Simulation.of(played, options.gradient, options.batch_size)
        with jax.ensure_compile_time_eval() if known else nullcontext():
            call = simulation, played.tissue, state
            call = KnownCall.of(*call, rows, options.keeps_state) if known else call
        return cls(distinct._replace(m0=m0), plan, call, shape, n_after)

    def run(self) -> tuple[Array, State]:
        """The signal of every voxel, and the state of those that were simulated."""
        shape = self.shape
        if isinstance(self.played, KnownCall):
            state, signal = self.played()
            state = jax.tree.map(lambda leaf: leaf.reshape((*leaf.shape[:-1], *shape)), state)
            signal = signal.reshape(*shape, signal.shape[-1])
        else:
            state, signal = execute(*self.played)
            signal = signal[..., : self.plan.n_samples]
        if self.n_after:
            signal = signal.sum(axis=tuple(range(len(shape) - self.n_after, len(shape))))
        return _on_device(self.distinct.whole_signal(signal)), state

    def whole_state(self, state: State) -> State:
        """The state of every voxel, from what `run` gave."""
        whole = state if self.distinct.is_all else self.distinct.whole_state(state, self.n_after)
        return jax.tree.map(_on_device, whole)


def _longer(
    plan: Plan, sequence: AbstractContainer, tissue: Tissue, state: State | None, options: Options
) -> tuple[Plan, np.ndarray | None]:
    """A plan for more repetitions, of which only those that are asked for are played, and which of the samples are theirs."""
    if plan.n_samples is not None:
        return plan, np.arange(plan.n_samples) if plan.n_samples else None
    longer = lengthened(sequence)
    if options.batch_size or plan.prepares_together or not longer.is_longer:
        return plan, None
    with warnings.catch_warnings():  # of what is too few for the given sequence its own plan has warned
        warnings.simplefilter("ignore")
        planned = options.engine.plan(longer.sequence, tissue, state, options.keeps_state)
    if not has_loops(planned.sequence, longer.loops) or not planned.engine.plays_as(plan.engine, options.keeps_state):
        return plan, None
    played = counted(planned.sequence, longer.loops)
    return with_fields(planned, {"sequence": played.sequence}), played.rows


def _on_device(array: Any) -> Array:
    return jax.device_put(array) if isinstance(array, np.ndarray) else array


@remembered
def _valid_tissue(tissue: Tissue) -> Tissue:
    return tissue.checked()


def require_samples(sequence: AbstractContainer) -> None:
    """Refuse a sequence that records nothing."""
    if not any(located.event.n_samples for located in events_of(sequence.events)):
        raise ValueError(
            "`sequence` has no samples, so there is no signal: put a `Sample()` or `Readout(...)` where the receiver is to "
            "record, or use `mrjax.play` for the magnetisation at the end."
        )


def _in_one_dtype(trees: Any) -> Any:
    """All arrays in the widest of their dtypes; loops need one dtype throughout."""
    is_number = lambda x: eqx.is_array(x) and jnp.issubdtype(x.dtype, jnp.inexact)
    widest = jnp.result_type(*filter(is_number, jax.tree.leaves(trees)))
    real = jnp.promote_types(jnp.finfo(widest).dtype, jnp.float32)

    def cast(x):
        if not is_number(x):
            return x
        due = jnp.result_type(real, 1j) if jnp.issubdtype(x.dtype, jnp.complexfloating) else real
        if x.dtype == due and not x.weak_type:
            return x
        if not (_checks.is_concrete(x) and on_one_cpu_device()):
            return x.astype(due)
        with jax.ensure_compile_time_eval():
            return jax.device_put(np.asarray(x).astype(due))  # by NumPy, which does not compile for each new shape

    return jax.tree.map(cast, trees)
