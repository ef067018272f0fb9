"""What an engine is: how spins answer to the events of a sequence."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Complex, PyTree

from mrjax._module import Module
from mrjax.physics.epg.stages import Course, Stage
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.tissue import Tissue

State = PyTree[Any]
"""The magnetisation of all voxels: arrays with the voxels on the last axis."""


class AbstractOperator(eqx.Module):
    """One event, prepared: its coefficients, computed once, and what they do to a state.

    Calling it is the body of a compiled loop, so it should only multiply and add; cosines and exponentials belong into
    `AbstractEngine.prepare`.
    """

    @abstractmethod
    def __call__(self, state: State) -> tuple[State, Complex[Array, " voxel"] | None]:
        """The state after the event, and the sample if the event takes one."""


class AbstractEngine(Module):
    """How spins answer to a sequence. A new engine defines `init` and `prepare`, and an operator for each event it plays.

    Engines work on tissues with one voxel axis; `simulate` does the flattening, the loops, the chunks and the checks.
    """

    prepares_alike_together: ClassVar[bool] = False
    """Whether `prepare` is worth compiling once for all events that differ in numbers alone."""

    plays_pools: ClassVar[bool] = False
    """Whether the engine knows the `pools` of a tissue."""

    plays_motion: ClassVar[bool] = False
    """Whether the engine knows the velocity of a tissue."""

    @abstractmethod
    def init(self, sequence: AbstractContainer, tissue: Tissue) -> State:
        """Thermal equilibrium, with M0 = 1."""

    @abstractmethod
    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        """The operator of an event whose leaves are scalars; mapped over repetitions outside the loops."""

    def fits_one_kernel(self, loop: AbstractContainer) -> bool:
        """Whether a loop over the operators keeps to what `one_kernel.as_one_kernel` asks for."""
        del loop
        return False

    def translated(self, sequence: AbstractContainer, tissue: Tissue) -> AbstractContainer:
        """The sequence in events of which the engine knows, before anything is traced, what they do to its sizes."""
        del tissue
        return sequence

    def spread(self, tissue: Tissue) -> Tissue:
        """The voxels that are played: those of the tissue, or, with one axis more, several for each of them."""
        return tissue

    def gathered(self, signal: Complex[Array, "*spread n_samples"]) -> Complex[Array, "*voxels n_samples"]:
        """The signal of the voxels of the tissue from that of the voxels played."""
        return signal

    def reads_all_orders(self, sequence: AbstractContainer) -> bool:
        """Whether samples depend on orders that are dephased when they are taken, so that none may be dropped before."""
        del sequence
        return False

    def lowered(self, event: AbstractEvent) -> tuple[AbstractEvent, ...]:
        """The event as those that the engine prepares one by one; what they share over repetitions is prepared once."""
        return (event,)

    def plays_side_by_side(self, loop: AbstractContainer) -> bool:
        """Whether all repetitions of a loop may be computed at once, because none depends on the one before."""
        del loop
        return False

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        """Memory that one voxel needs in the inner loop: by default that of its state."""
        leaves = jax.tree.leaves(jax.eval_shape(self.init, sequence, tissue))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) / max(1, math.prod(tissue.voxel_shape))

    def sized(
        self, sequence: AbstractContainer, tissue: Tissue, state: State | None, keeps_state: bool
    ) -> "AbstractEngine":
        """This engine with the sizes filled in that follow from what is played; refuses what it cannot play.

        `keeps_state` says that the final state is wanted, not the samples alone.
        """
        del sequence, tissue, state, keeps_state
        return self

    def adopted(self, state: State, sequence: AbstractContainer, tissue: Tissue) -> State:
        """A given state, brought to the sizes of this engine and the dtype that the sequence needs."""
        del sequence, tissue
        return state

    def settled(self, state: State) -> State:
        """The state with everything carried out that operators put off; called at the end of each round of a loop."""
        return state

    def stages(self, loop: AbstractContainer, course: Course) -> tuple[Stage, ...]:
        """How to cut a loop that begins at a place in the sequence, where states of different sizes serve."""
        del course
        (length,) = loop.repetitions
        return (Stage(0, length),)

    def entering(self, state: State, stage: Stage) -> State:
        """The state in the size of a stage."""
        del stage
        return state

    def leaving(self, state: State, entered: State, stage: Stage) -> State:
        """The state in its full size again, after a stage into which it went as `entered`."""
        del entered, stage
        return state

    def report(self, sequence: AbstractContainer, state: State) -> None:
        """Tell the user, by a warning, if the final state shows that the samples are not to be trusted."""
        del sequence, state


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
