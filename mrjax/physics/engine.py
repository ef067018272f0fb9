"""What an engine is: how spins answer to the events of a sequence."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Complex, PyTree

from mrjax._memory import remembered
from mrjax._module import Module
from mrjax.physics.loop import Loop, Samples
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.tissue import Tissue

State = PyTree[Any]
"""The magnetisation of all voxels: arrays with the voxels on the last axis."""


class AbstractOperator(eqx.Module):
    """One event, prepared: its coefficients, computed once, and what they do to a state.

    Calling it is the body of a compiled loop, so it should only multiply and add; cosines and exponentials belong into
    `AbstractEngine.prepare`. Events of one kind should become operators of one structure, which differ in numbers alone.
    """

    @abstractmethod
    def __call__(self, state: State) -> tuple[State, Complex[Array, " voxel"] | None]:
        """The state after the event, and the sample if the event takes one."""


class AbstractEngine(Module):
    """How spins answer to a sequence.

    A new engine defines `init`, `prepare`, and an operator for each event it plays; it names the `effects` of a tissue that
    its operators compute. All other methods have a default that serves, and are there for what an engine wants beyond:

    - `plan`: to look at the whole sequence before it is played, to choose sizes, to refuse it or to rewrite events;
    - `plays_as`: where sizes that follow from the length of a train change no sample;
    - `play_loop`: to play loops other than one repetition after the other;
    - `settled`: where an event may leave a state of another form than it took;
    - `resumed`: where states that `play` returned have other sizes than those it needs;
    - `bytes_per_voxel`: where more than the state fills the memory;
    - `report`: to warn of a result that is not to be trusted.

    Engines work on tissues with one voxel axis; `simulate` does the flattening, the loops, the chunks and the checks.
    """

    effects: ClassVar[frozenset[str]] = frozenset()
    """The names in `mrjax.tissue.EFFECTS` that the engine computes; `simulate` refuses a tissue with any other."""

    @abstractmethod
    def init(self, sequence: AbstractContainer, tissue: Tissue) -> State:
        """Thermal equilibrium, with M0 = 1."""

    @abstractmethod
    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        """The operator of an event whose leaves are scalars; mapped over repetitions outside the loops."""

    def plan(self, sequence: AbstractContainer, tissue: Tissue, state: State | None, keeps_state: bool) -> "Plan":
        """All that is decided before anything is computed; refuses what the engine cannot play.

        **Arguments:**

        - `sequence`, `tissue`: As they were passed to `simulate`, with their values checked.
        - `state`: What is played from, in the form that `play` returned; None for thermal equilibrium.
        - `keeps_state`: Whether the final state is wanted, not the samples alone.
        """
        del state, keeps_state
        return Plan(self, sequence, tissue)

    def plays_as(self, planned: "AbstractEngine", keeps_state: bool) -> bool:
        """Whether this engine, planned for more repetitions, plays fewer as one does that was planned for them.

        By default where both have the same sizes; then trains of a like length share a program.
        """
        del keeps_state
        return jax.tree.structure(self) == jax.tree.structure(planned)

    def play_loop(self, loop: Loop, state: State) -> tuple[State, Samples]:
        """The state and the samples after all repetitions of a loop."""
        return loop.one_after_the_other(state)

    def settled(self, state: State) -> State:
        """A state in the form that every event leaves it in, as loops over different events need: by default as it is."""
        return state

    def resumed(self, state: State, sequence: AbstractContainer, tissue: Tissue) -> State:
        """A given state, brought to the sizes of this engine and the dtype that the sequence needs."""
        del sequence, tissue
        return state

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        """Memory that one voxel needs in the inner loop: by default that of its state."""
        leaves = jax.tree.leaves(jax.eval_shape(self.init, sequence, tissue))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) / max(1, math.prod(tissue.voxel_shape))

    def reported(self, state: State) -> State:
        """What `report` looks at of a final state that nobody asks for: the rest is not computed."""
        return state

    def report(self, sequence: AbstractContainer, state: State) -> None:
        """Tell the user, by a warning, if the final state shows that the samples are not to be trusted."""
        del sequence, state


class Plan(eqx.Module):
    """What an engine has decided before anything is computed."""

    engine: AbstractEngine
    """The engine with the sizes filled in that follow from what is played."""
    sequence: AbstractContainer
    """What is played, in the events that the engine prepares one by one."""
    tissue: Tissue
    """The voxels that are played: those that were given, or, with axes more at the end, several for each of them, over which
    the signal is summed."""
    one_kernel: bool = eqx.field(static=True, default=False)
    """Whether loops over the operators keep to what `one_kernel.as_one_kernel` asks for, arithmetic element by element."""
    prepares_together: bool = eqx.field(static=True, default=False)
    """Whether `prepare` is worth compiling once for all events that differ in numbers alone."""
    n_samples: int | None = eqx.field(static=True, default=None)
    """How many of the first samples are of the sequence, if it takes more than that."""
    in_tables: bool = eqx.field(static=True, default=True)
    """Whether many events without a long loop may be played row by row, by one program that does not grow with their number."""


def cannot_play(engine: AbstractEngine, event: AbstractEvent) -> ValueError:
    """The error for an event that an engine has no operator for."""
    return ValueError(f"{type(engine).__name__} cannot play {type(event).__name__} events; use an engine that can.")


def require_state(state: Any, kind: type, engine: AbstractEngine) -> None:
    """Refuse a given state that is not of this engine."""
    if state is not None and not isinstance(state, kind):
        raise ValueError(
            f"`state` must be the {kind.__name__} that `play` with {type(engine).__name__} returned, "
            f"but got {type(state).__name__}."
        )


KNOWN_BY = {
    "b1": "EPG()",
    "b1_phase": "EPG()",
    "off_resonance": "EPG()",
    "t2_prime": "Isochromats(...)",
    "diffusion": "EPG(voxel_size=...)",
    "pools": "BlochMcConnell(b0=...)",
    "velocity": "Isochromats()",
}
"""For each effect, an engine that computes it."""


@remembered
def _effects(tissue: Tissue) -> tuple[str, ...]:
    return tissue.effects


def require_effects_known(engine: AbstractEngine, tissue: Tissue) -> None:
    """Refuse a tissue with an effect that the engine would leave out."""
    for effect in _effects(tissue):
        if effect not in engine.effects:
            name = {"b1_phase": "complex `b1`", "velocity": "velocity"}.get(effect, f"`{effect}`")
            raise ValueError(
                f"{type(engine).__name__} knows no {name}; use `engine={KNOWN_BY[effect]}`, or leave it out of the tissue."
            )
