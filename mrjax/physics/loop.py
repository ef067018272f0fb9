"""A loop of a sequence with its operators prepared, and the ways to play it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Int

from mrjax.jax_rules import as_one_kernel, counted_scan
from mrjax.physics.gradient import AbstractGradient
from mrjax.sequence import AbstractContainer, AbstractEvent

Samples = Complex[Array, "n_samples voxel"] | None
RepeatedSamples = Complex[Array, "repetition n_samples voxel"] | None


class AbstractCountedRepeat(AbstractContainer):
    """A `Repeat` whose repetitions may be more than are to be played."""

    n_played: eqx.AbstractVar[Int[Array, ""] | None]
    """How many of them are, known when the program runs; None for all. The samples of the others mean nothing."""


class CountedRepeat(AbstractCountedRepeat):
    """Events that are played again and again, as often as data say."""

    events: tuple[AbstractEvent | AbstractContainer, ...]
    length: int = eqx.field(static=True)
    n_played: Int[Array, ""] | None

    @property
    def repetitions(self) -> tuple[int, ...]:
        return (self.length,)


@dataclass(frozen=True)
class Loop:
    """What an engine needs to play a `Repeat`."""

    container: AbstractContainer
    """The `Repeat`, or what the engine's plan has put in its place."""
    repetition: Callable[[Any, Any], tuple[Any, Samples]]
    """Plays one repetition: from a state and the coefficients of that repetition to a state and the samples."""
    coefficients: Any
    """Of the operators that change from repetition to repetition, which lie on the first axis."""
    gradient: AbstractGradient
    one_kernel: bool
    """Whether the loop may be compiled into one kernel."""
    unroll: int = 2
    """Repetitions that are written out in each pass (`checkpointed_scan` says why two)."""

    @property
    def n_repetitions(self) -> int:
        """How often it is played."""
        (length,) = self.container.repetitions
        return length

    @property
    def n_played(self) -> Int[Array, ""] | None:
        """How many of the repetitions are to be played, where that is known only when the program runs."""
        return self.container.n_played if isinstance(self.container, AbstractCountedRepeat) else None

    def one_after_the_other(self, state: Any) -> tuple[Any, Samples]:
        """All repetitions in turn."""
        play = lambda state, coefficients: self.some(state, coefficients, 0, self.n_repetitions)
        return self.compiled(play, state)

    def side_by_side(self, state: Any) -> tuple[Any, Samples]:
        """All repetitions at once, each from the same state: for those that do not depend on the one before."""
        repetition = lambda coefficients: self.repetition(state, coefficients)
        states, samples = jax.vmap(repetition, axis_size=self.n_repetitions)(self.coefficients)
        last = -1 if self.n_played is None else self.n_played - 1
        return jax.tree.map(lambda leaf: leaf[last], states), _in_a_row(samples)

    def compiled(self, play: Callable[[Any, Any], tuple[Any, RepeatedSamples]], state: Any) -> tuple[Any, Samples]:
        """`play(state, coefficients)`, in one kernel where the loop may be; `play` calls `some` once or more."""
        play = as_one_kernel(play) if self.one_kernel else play
        state, samples = play(state, self.coefficients)
        return state, _in_a_row(samples)

    def some(self, state: Any, coefficients: Any, start: int, stop: int) -> tuple[Any, RepeatedSamples]:
        """Repetitions `start` to `stop` in turn, with the coefficients of all of them."""
        if stop - start < self.n_repetitions:
            coefficients = jax.tree.map(lambda leaf: leaf[start:stop], coefficients)
        if self.n_played is None:
            return self.gradient.scan(self.repetition, state, coefficients, stop - start, self.unroll)
        n_played = jnp.clip(self.n_played - start, 0, stop - start)
        return counted_scan(self.repetition, state, coefficients, stop - start, n_played)


def joined(samples: list[Array | None]) -> Array | None:
    """Samples that were taken one after the other; None where none were."""
    taken = [sample for sample in samples if sample is not None]
    return jnp.concatenate(taken) if taken else None


def _in_a_row(samples: Array | None) -> Samples:
    """Samples of one repetition after the other."""
    return None if samples is None else samples.reshape(samples.shape[0] * samples.shape[1], samples.shape[2])
