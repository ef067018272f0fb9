"""The state that playing a sequence reproduces, by one linear solve."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax._names import answers_misspelt_keywords
from mrjax.physics.bloch_mcconnell import BlochMcConnell
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.isochromat_state import IsochromatState
from mrjax.physics.isochromats import Isochromats
from mrjax.physics.pool_operators import BlochMcConnellState
from mrjax.physics.simulation import play
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import winding
from mrjax.tissue import Tissue

State = BlochMcConnellState | IsochromatState


@answers_misspelt_keywords
def steady_state(sequence: AbstractContainer, tissue: Tissue, engine: AbstractEngine) -> State:
    r"""The state that playing `sequence` once gives back: what endless repetition tends to.

    Playing is affine in the magnetisation, $v \mapsto A v + b$, so

    $$v = (I - A)^{-1} b$$

    in every voxel, where $b$ follows from playing once without magnetisation, and the columns of $A$ from playing with one
    unit of each component. The cost is that of as many repetitions as there are components, plus one, whatever T1 is. `play`
    with this state gives the samples.

    Exact but for rounding, which grows with the number of repetitions that the transient takes: relative to M0 at most about 1e-7
    times $T_1$ over the duration of `sequence` in float32.

    **Arguments:**

    - `sequence`: One period of what is repeated, for instance one repetition of `protocols.cest.quantitative_mt_spgr`. Where
      phases change, the period is that after which they recur, such as two repetitions of alternating pulses.
    - `tissue`: Of shape `(*voxels)`. In each voxel something must relax, else there is no steady state and the result is not
      finite.
    - `engine`: A `BlochMcConnell` or `Isochromats`.

    **Returns:** A `BlochMcConnellState` or `IsochromatState`, voxels on the last axes, as `play` does.

    **Derivatives:** in every leaf, forward and reverse.

    **Raises:** `ValueError` for another engine, for a sequence with `Dephase`, and as `play`.

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
    if not isinstance(engine, BlochMcConnell | Isochromats):
        got = f"the class {engine.__name__}" if isinstance(engine, type) else type(engine).__name__
        raise ValueError(f"`engine` must be BlochMcConnell(...) or Isochromats(...), but got {got}.")
    after: Callable[..., State] = lambda state: play(sequence, tissue, engine, state=state)[1]
    if tissue.moves or getattr(engine, "motion", None) is not None:
        raise ValueError("Nothing may move in a steady state; leave velocities and `motion` out.")
    like = jax.eval_shape(lambda: after(None))
    if winding(sequence):
        raise ValueError(
            "`sequence` must not have Dephase events: each repetition winds to higher orders, so no state of finitely many "
            "is reproduced. Use Spoil, or play as many repetitions as the transient takes."
        )
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    if isinstance(nothing, IsochromatState) and isinstance(played := after(None), IsochromatState):
        # only magnetisation starts from nothing; spins are where they are
        nothing = dataclasses.replace(nothing, places=played.places)
    batch, n = _components(nothing).shape[:-1], _components(nothing).shape[-1]
    # without magnetisation, then with one unit of each component
    starts = jnp.concatenate([jnp.zeros((1, n), nothing.z.dtype), jnp.eye(n, dtype=nothing.z.dtype)])
    starts = jnp.broadcast_to(starts.reshape(n + 1, *(1,) * len(batch), n), (n + 1, *batch, n))
    ends = jax.vmap(lambda start: _components(after(_with_components(nothing, start))))(starts)
    # those of I - A
    columns = starts[1:] - (ends[1:] - ends[:1])
    solved = jnp.linalg.solve(jnp.moveaxis(columns, 0, -1), ends[0][..., None])
    return _with_components(nothing, solved[..., 0])


def _components(state: State) -> Float[Array, "*batch component"]:
    """The magnetisation with all that mixes on the last axis."""
    if isinstance(state, IsochromatState):
        return jnp.stack([state.x, state.y, state.z], axis=-1)
    return jnp.moveaxis(jnp.concatenate([state.x, state.y, state.z])[:, 0], 0, -1)


def _with_components(state: State, components: Float[Array, "*batch component"]) -> State:
    """The inverse of `_components`; what is not magnetisation is that of `state`."""
    if isinstance(state, IsochromatState):
        return state.with_magnetisation(components[..., 0], components[..., 1], components[..., 2])
    n = len(state.x)
    rows = jnp.moveaxis(components, -1, 0)[:, None]
    return BlochMcConnellState(rows[:n], rows[n : 2 * n], rows[2 * n :])
