"""The parts of a sequence within which gradients are straight and no pulse acts, and integrals since the last excitation."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.sequence.precision import Numbers
from mrjax.sequence.prefixes import prefixes
from mrjax.sequence.time_axis import TimesInSteps

Between = Callable[[Int[Numbers, "*n"], Float[Numbers, "*n"], Float[Numbers, "*n"]], Float[Numbers, "*n c"]]
"""An integral over parts of steps: the number of each step, where in it the part begins and ends, in s."""


class Segments(eqx.Module):
    """What lies between the starts of steps and the pulses within them, in playing order."""

    step: Int[Numbers, " n_segments"]
    begin: Float[Numbers, " n_segments"]
    """In s from the start of the step."""
    end: Float[Numbers, " n_segments"]
    turn: Float[Numbers, " n_segments"]
    """What happens at the start to what has accumulated: 0 (excitation) forgets it, -1 (refocusing) inverts it, 1 leaves it."""

    @classmethod
    def of(
        cls,
        lengths: Float[Numbers, " n_steps"],
        rf_step: Int[Numbers, " n_pulses"],
        rf_into: Float[Numbers, " n_pulses"],
        rf_turns: Float[Numbers, " n_pulses"],
    ) -> "Segments":
        """Those of steps that last so long, with pulses in some of them."""
        n_steps, n_pulses = lengths.shape[0], rf_step.shape[0]
        steps = jnp.arange(n_steps)
        of_step = steps + jnp.searchsorted(rf_step, steps)
        of_pulse = rf_step + 1 + jnp.arange(n_pulses)
        n = n_steps + n_pulses
        step = jnp.zeros(n, int).at[of_step].set(steps).at[of_pulse].set(rf_step)
        begin = jnp.zeros(n, lengths.dtype).at[of_pulse].set(rf_into)
        turn = jnp.ones(n, lengths.dtype).at[of_pulse].set(rf_turns)
        ahead = jnp.concatenate([step[1:] == step[:-1], jnp.zeros(1, bool)])[:n]
        until = jnp.concatenate([begin[1:], jnp.zeros(1, lengths.dtype)])[:n]
        return cls(step, begin, jnp.where(ahead, until, lengths[step]), jax.lax.stop_gradient(turn))

    def accumulated(self, pieces: Float[Numbers, "n_segments c"]) -> Float[Numbers, "n_segments c"]:
        """What has accumulated just after the start of each segment, of what each adds.

        Excitations do not subtract what was before: it never enters, so that no digits are lost to it.
        """
        turn = self.turn[:, None]

        def after(first: tuple, second: tuple) -> tuple[Array, Array]:
            (turned, before), (turn, since) = first, second
            # infinite times must not become nan where they are forgotten
            return turned * turn, turn * jnp.where(turn == 0, 0.0, before) + since

        added = jnp.concatenate([jnp.zeros_like(pieces[:1]), pieces[:-1]])
        return prefixes(after, (turn, turn * jnp.where(turn == 0, 0.0, added)))[1]


def since_excitation(between: Between, segments: Segments, places: TimesInSteps) -> Float[Numbers, "*n c"]:
    """An integral until some moments as magnetisation keeps it: forgotten at excitations, inverted by refocusing pulses.

    **Arguments:**

    - `between`: The integral over parts of steps.
    - `segments`: Of all steps.
    - `places`: The moments.
    """
    accumulated = segments.accumulated(between(segments.step, segments.begin, segments.end))
    return accumulated[places.segment] + between(places.step, segments.begin[places.segment], places.into)
