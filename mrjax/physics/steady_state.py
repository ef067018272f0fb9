"""The state that playing a sequence reproduces, by one linear solve."""

import dataclasses
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax._names import answers_misspelt_keywords
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.maths.elimination import solved
from mrjax.physics.simulation import play
from mrjax.physics.state import AbstractState
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


@answers_misspelt_keywords
def steady_state(sequence: AbstractContainer, tissue: Tissue, engine: Any) -> Any:
    r"""The state that playing `sequence` once gives back: what endless repetition tends to.

    Playing is affine in the magnetisation, $v \mapsto A v + b$, so

    $$v = (I - A)^{-1} b$$

    in every voxel, where $b$ follows from playing once without magnetisation, and the columns of $A$ from playing with one
    unit of each component. The cost is that of as many repetitions as there are components, plus one, whatever T1 is. `play`
    with this state gives the samples.

    Exact but for rounding, which grows with the number of repetitions that the transient takes: relative to M0 at most about 1e-7
    times $T_1$ over the duration of `sequence` in float32. With configuration states the steady state is that of as many as
    `n_states` keeps, which is what endless repetition with this engine tends to.

    **Arguments:**

    - `sequence`: One period of what is repeated, for instance one repetition of `protocols.cest.quantitative_mt_spgr`. Where
      phases change, the period is that after which they recur, such as two repetitions of alternating pulses.
    - `tissue`: Of shape `(*voxels)`. In each voxel something must relax, else there is no steady state and the result is not
      finite.
    - `engine`: Any. Where the sequence winds across the voxel, each repetition reaches higher orders: then `n_states`, or the
      number `n` of `Isochromats`, has to be given, some times T2 over the duration of the sequence. An `EPGState` tells by
      `truncation_error` whether they were enough.

    **Returns:** The state of the engine, voxels on the last axes, as `play` does.

    **Derivatives:** in every leaf, forward and reverse.

    **Raises:** `ValueError` where something moves, for a sequence that winds without a number of states or spins, for an engine
    of whose states it is not known what is magnetisation, and as `play`.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> repetition = mr.Sequence(mr.Pulse(0.3), mr.Sample(), mr.Spoil(), mr.Delay(10e-3))
        >>> tissue, engine = mr.Tissue(t1=1.0, t2=0.05), mr.BlochMcConnell(b0=3.0)
        >>> steady = mr.steady_state(repetition, tissue, engine)
        >>> print(f"{abs(mr.play(repetition, tissue, engine, state=steady)[0][0]):.4f}")
        0.0543

        ```
    """
    if not isinstance(engine, AbstractEngine):
        got = f"the class {engine.__name__}" if isinstance(engine, type) else type(engine).__name__
        raise ValueError(f"`engine` must be an engine such as EPG(...) or BlochMcConnell(...), but got {got}.")
    if tissue.moves or getattr(engine, "motion", None) is not None:
        raise ValueError("Nothing may move in a steady state; leave velocities and `motion` out.")
    after = lambda state: _as_state(_played(sequence, tissue, engine, _as_played(state)), tissue)
    start = _as_state(_played(sequence, tissue, engine, None), tissue).repeatable(engine, sequence)
    nothing = jax.tree.map(jnp.zeros_like, start.magnetisation)
    column = _vector(nothing, n_leading := start.n_mixing_axes(tissue))
    batch, n = column.shape[:-1], column.shape[-1]
    with_vector = lambda vector: start.with_magnetisation(*_unvector(vector, nothing, n_leading))
    play_from = lambda vector: _vector(after(with_vector(vector)).magnetisation, n_leading)
    # without magnetisation, then with one unit of each component
    starts = jnp.concatenate([jnp.zeros((1, n), column.dtype), jnp.eye(n, dtype=column.dtype)])
    starts = jnp.broadcast_to(starts.reshape(n + 1, *(1,) * len(batch), n), (n + 1, *batch, n))
    ends = jax.vmap(play_from)(starts)
    # those of I - A
    columns = starts[1:] - (ends[1:] - ends[:1])
    magnetisation = solved(jnp.moveaxis(columns, 0, -1), ends[0])
    return _as_played(with_vector(magnetisation).recurring(after))


def _played(sequence: AbstractContainer, tissue: Tissue, engine: AbstractEngine, state: Any) -> Any:
    """The state after one repetition; that each winds beyond what is kept is known here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*loses what gradients wind beyond")
        return play(sequence, tissue, engine, state=state)[1]


def _as_state(played: Any, tissue: Tissue) -> AbstractState:
    """What an engine returned, as a state that tells what of it is magnetisation."""
    if isinstance(played, AbstractState):
        return played
    shape, leaves = tissue.voxel_shape, jax.tree.leaves(played)
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact) or leaf.shape[leaf.ndim - len(shape) :] != shape:
            raise ValueError(
                f"`engine` must have states of real or complex arrays whose last axes are the voxels, {shape}, but has one of "
                f"{leaf.dtype} and shape {leaf.shape}; make its state an `AbstractState`, which tells what is magnetisation."
            )
    return _Magnetisation(leaves, jax.tree.structure(played), len(shape))


class _Magnetisation(AbstractState):
    """A state that is magnetisation altogether: the arrays of a tree, on one axis before those of the voxels."""

    leaves: list[Array]
    structure: Any = eqx.field(static=True)
    n_voxel_axes: int = eqx.field(static=True)

    @property
    def magnetisation(self) -> tuple[Array, ...]:
        return tuple(leaf.reshape(-1, *leaf.shape[leaf.ndim - self.n_voxel_axes :]) for leaf in self.leaves)

    def with_magnetisation(self, *magnetisation: Array) -> "_Magnetisation":
        leaves = [new.reshape(old.shape) for new, old in zip(magnetisation, self.leaves, strict=True)]
        return dataclasses.replace(self, leaves=leaves)

    def n_mixing_axes(self, tissue: Tissue) -> int:
        del tissue
        return 1

    @property
    def tree(self) -> Any:
        """The state as the engine knows it."""
        return jax.tree.unflatten(self.structure, self.leaves)


def _as_played(state: AbstractState) -> Any:
    return state.tree if isinstance(state, _Magnetisation) else state


def _vector(magnetisation: tuple[Array, ...], n_leading: int) -> Float[Array, "*batch component"]:
    """All components that mix on the last axis, real."""
    rows = [part.reshape(-1, *part.shape[n_leading:]) for part in magnetisation]
    imaginary = [part.imag for part in rows if jnp.iscomplexobj(part)]
    return jnp.moveaxis(jnp.concatenate([part.real for part in rows] + imaginary), 0, -1)


def _unvector(vector: Float[Array, "*batch component"], like: tuple[Array, ...], n_leading: int) -> tuple[Array, ...]:
    """The inverse of `_vector`."""
    of_complex = [part for part in like if jnp.iscomplexobj(part)]
    sizes = [int(np.prod(part.shape[:n_leading], dtype=int)) for part in (*like, *of_complex)]
    parts = jnp.split(jnp.moveaxis(vector, -1, 0), np.cumsum(sizes)[:-1])
    imaginary = iter(parts[len(like) :])
    whole = lambda real, other: real + 1j * next(imaginary) if jnp.iscomplexobj(other) else real
    return tuple(whole(real, other).reshape(other.shape) for real, other in zip(parts, like, strict=False))
