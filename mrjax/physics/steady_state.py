"""The state that playing a sequence reproduces, by one linear solve."""

import dataclasses
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import mrjax.physics as physics  # its engines are imported when they are first used
from mrjax._names import answers_misspelt_keywords
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.epg.engine import EPG
from mrjax.physics.epg.operators import EPGState, resized
from mrjax.physics.isochromats.state import IsochromatState
from mrjax.physics.simulation import play
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import winding
from mrjax.tissue import Tissue


@answers_misspelt_keywords
def steady_state(sequence: AbstractContainer, tissue: Tissue, engine: AbstractEngine) -> Any:
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
    - `engine`: An `EPG`, `Isochromats`, `BlochMcConnell` or `BlochODE`. Where the sequence winds across the voxel, each
      repetition reaches higher orders: then `n_states`, or the number `n` of `Isochromats`, has to be given, some times T2 over
      the duration of the sequence. An `EPGState` tells by `truncation_error` whether they were enough.

    **Returns:** The state of the engine, voxels on the last axes, as `play` does.

    **Derivatives:** in every leaf, forward and reverse.

    **Raises:** `ValueError` for another engine, where something moves, for a sequence that winds without a number of states or
    spins, and as `play`.

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
    if not isinstance(engine, EPG | physics.Isochromats | physics.BlochMcConnell | physics.BlochODE):
        got = f"the class {engine.__name__}" if isinstance(engine, type) else type(engine).__name__
        raise ValueError(
            "`engine` must be EPG(...), Isochromats(...), BlochMcConnell(...) or BlochODE(...), of whose states it is known what "
            f"is magnetisation, but got {got}."
        )
    if tissue.moves or getattr(engine, "motion", None) is not None:
        raise ValueError("Nothing may move in a steady state; leave velocities and `motion` out.")
    after = lambda state: _played(sequence, tissue, engine, state)
    start = _to_start_from(after(None), sequence, engine)
    nothing = jax.tree.map(jnp.zeros_like, _magnetisation(start))
    # spins that diffuse mix, as orders do; other spins are on their own
    together = not isinstance(engine, physics.Isochromats | physics.BlochODE) or tissue.has("diffusion")
    column = _vector(nothing, n_leading := _n_mixing_axes(start, together))
    batch, n = column.shape[:-1], column.shape[-1]
    play_from = lambda vector: _vector(
        _magnetisation(after(_with(start, _unvector(vector, nothing, n_leading)))), n_leading
    )
    # without magnetisation, then with one unit of each component
    starts = jnp.concatenate([jnp.zeros((1, n), column.dtype), jnp.eye(n, dtype=column.dtype)])
    starts = jnp.broadcast_to(starts.reshape(n + 1, *(1,) * len(batch), n), (n + 1, *batch, n))
    ends = jax.vmap(play_from)(starts)
    # those of I - A
    columns = starts[1:] - (ends[1:] - ends[:1])
    solved = jnp.linalg.solve(jnp.moveaxis(columns, 0, -1), ends[0][..., None])[..., 0]
    state = _with(start, _unvector(solved, nothing, n_leading))
    return _with_truncation(state, after) if isinstance(state, EPGState) else state


def _played(sequence: AbstractContainer, tissue: Tissue, engine: AbstractEngine, state: Any) -> Any:
    """The state after one repetition; that each winds beyond what is kept is known here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*loses what gradients wind beyond")
        return play(sequence, tissue, engine, state=state)[1]


def _to_start_from(played: Any, sequence: AbstractContainer, engine: Any) -> Any:
    """A state of the shape that every repetition keeps, after one repetition from equilibrium."""
    match played:
        case EPGState():
            n = _number_kept(engine.n_states, played.z.shape[0], "n_states", "EPG")
            return resized(played, n, played.z.dtype)
        case physics.BlochMcConnellState():
            n = _number_kept(engine.n_states, played.z.shape[1], "n_states", "BlochMcConnell")
            return played.resized(n, played.z.dtype)
        case IsochromatState():
            if winding(sequence):
                _number_kept(engine.n, 2, "n", "Isochromats")
            return dataclasses.replace(played, wound=jnp.zeros_like(played.wound))
        case _:
            return dataclasses.replace(played, spins=_to_start_from(played.spins, sequence, engine))


def _number_kept(given: int | None, reached: int, name: str, engine: str) -> int:
    """How many orders or spins each repetition keeps: what is given, where one repetition winds to orders above zero."""
    if reached == 1:
        return 1
    if given is None:
        raise ValueError(
            f"`engine` must be {engine}({name}=...) with a number given: the sequence winds across the voxel, each repetition to "
            f"higher orders. Give some times T2 over the duration of the sequence, or play `Spoil` in place of Dephase."
        )
    return given


def _with_truncation(state: EPGState, after: Any) -> EPGState:
    """The state with the energy that is lost in all repetitions: what one adds, and what each leaves of that before."""
    with_energy = lambda energy: dataclasses.replace(
        state, truncated_energy=energy, truncation_error=jnp.zeros_like(energy)
    )
    nothing = jnp.zeros_like(state.truncated_energy)
    added = after(with_energy(nothing)).truncated_energy
    left = after(with_energy(jnp.ones_like(nothing))).truncated_energy - added
    settled = with_energy(added / jnp.maximum(1 - left, jnp.finfo(left.dtype).eps))
    return dataclasses.replace(settled, truncation_error=after(settled).truncation_error)


def _n_mixing_axes(state: Any, together: bool) -> int:
    """How many axes of magnetisation lie before those of the voxels and hold what mixes."""
    return 2 if isinstance(state, physics.BlochMcConnellState) else int(together)


def _magnetisation(state: Any) -> tuple[Array, ...]:
    """All that playing is affine in."""
    match state:
        case EPGState():
            return state.plus, state.minus, state.z
        case physics.BlochODEState():
            return _magnetisation(state.spins)
        case _:
            return state.x, state.y, state.z


def _with(state: Any, magnetisation: tuple[Array, ...]) -> Any:
    """The state with other magnetisation; spins are where they are."""
    first, second, third = magnetisation
    match state:
        case EPGState():
            return dataclasses.replace(state, plus=first, minus=second, z=third)
        case IsochromatState():
            return state.with_magnetisation(first, second, third)
        case physics.BlochODEState():
            return dataclasses.replace(state, spins=state.spins.with_magnetisation(first, second, third))
        case _:
            return physics.BlochMcConnellState(first, second, third)


def _vector(magnetisation: tuple[Array, ...], n_leading: int) -> Float[Array, "*batch component"]:
    """All components that mix on the last axis, real."""
    rows = jnp.concatenate([part.reshape(-1, *part.shape[n_leading:]) for part in magnetisation])
    rows = jnp.concatenate([rows.real, rows.imag]) if jnp.iscomplexobj(rows) else rows
    return jnp.moveaxis(rows, 0, -1)


def _unvector(vector: Float[Array, "*batch component"], like: tuple[Array, ...], n_leading: int) -> tuple[Array, ...]:
    """The inverse of `_vector`."""
    rows = jnp.moveaxis(vector, -1, 0)
    if jnp.iscomplexobj(like[0]):
        real, imaginary = jnp.split(rows, 2)
        rows = real + 1j * imaginary
    sizes = [int(np.prod(part.shape[:n_leading], dtype=int)) for part in like]
    parts = jnp.split(rows, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(other.shape) for part, other in zip(parts, like, strict=True))
