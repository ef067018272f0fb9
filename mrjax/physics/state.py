"""States that tell what of them is magnetisation, for whoever solves for it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array

from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


class AbstractState(eqx.Module):
    """A state that holds more than magnetisation, or magnetisation that does not mix.

    `steady_state` takes a state of any other kind, such as a tuple of arrays, as magnetisation altogether, of which all that is
    in one voxel mixes.
    """

    @property
    @abstractmethod
    def magnetisation(self) -> tuple[Array, ...]:
        """All that playing a sequence is affine in: arrays of one rank, voxels on the last axes."""

    @abstractmethod
    def with_magnetisation(self, *magnetisation: Array) -> "AbstractState":
        """The state with other magnetisation; all else is as it was."""

    @abstractmethod
    def n_mixing_axes(self, tissue: Tissue) -> int:
        """How many of the first axes of the magnetisation hold what mixes; what lies along the others goes its own way."""

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "AbstractState":
        """This state, which `sequence` has led to from equilibrium, in the sizes that each further repetition keeps.

        **Raises:** `ValueError` where the engine was not told the size, and each repetition would need a larger one.
        """
        del engine, sequence
        return self

    def recurring(self, after: Callable[[Any], Any]) -> "AbstractState":
        """This state, whose magnetisation recurs, with all else as endless repetition leaves it.

        `after(state)` is the state one repetition later.
        """
        del after
        return self


def size_of_repetitions(given: int | None, reached: int, argument: str, engine: str) -> int:
    """How many orders or spins each repetition keeps: what is given, where one repetition winds to orders above zero."""
    if reached == 1:
        return 1
    if given is None:
        raise ValueError(
            f"`engine` must be {engine}({argument}=...) with a number given: the sequence winds across the voxel, each "
            "repetition to higher orders. Give some times T2 over the duration of the sequence, or play `Spoil` in place of "
            "Dephase."
        )
    return given
