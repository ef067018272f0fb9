"""The moments between which nothing happens but straight gradients, and what gathers from the last excitation on."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.sequence.places import TimesInSteps
from mrjax.sequence.precision import Numbers
from mrjax.sequence.prefixes import prefixes

Between = Callable[[Int[Numbers, "*n"], Float[Numbers, "*n"], Float[Numbers, "*n"]], Float[Numbers, "*n c"]]
"""An integral over parts of steps: the number of each step, where in it the part begins and ends, in s."""


class Knots(eqx.Module):
    """The starts of steps, and the pulses within them, in playing order, with what follows until the next."""

    step: Int[Numbers, " n_knots"]
    begin: Float[Numbers, " n_knots"]
    """In s from the start of the step."""
    end: Float[Numbers, " n_knots"]
    turn: Float[Numbers, " n_knots"]
    """What happens there to what has gathered: 0 (excitation) forgets it, -1 (refocusing) inverts it, 1 leaves it."""

    @classmethod
    def of(
        cls,
        lengths: Float[Numbers, " n_steps"],
        rf_step: Int[Numbers, " n_pulses"],
        rf_into: Float[Numbers, " n_pulses"],
        rf_turns: Float[Numbers, " n_pulses"],
    ) -> "Knots":
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

    def gathered(self, pieces: Float[Numbers, "n_knots c"]) -> Float[Numbers, "n_knots c"]:
        """What has gathered just after each knot, of what each piece between them adds.

        Excitations do not subtract what was before: it never enters, so that no digits are lost to it.
        """
        turn = self.turn[:, None]

        def after(first: tuple, second: tuple) -> tuple[Array, Array]:
            (turned, before), (turn, since) = first, second
            # infinite times must not become nan where they are forgotten
            return turned * turn, turn * jnp.where(turn == 0, 0.0, before) + since

        added = jnp.concatenate([jnp.zeros_like(pieces[:1]), pieces[:-1]])
        return prefixes(after, (turn, turn * jnp.where(turn == 0, 0.0, added)))[1]


def since_excitation(between: Between, knots: Knots, places: TimesInSteps) -> Float[Numbers, "*n c"]:
    """An integral until some moments as magnetisation keeps it: forgotten at excitations, inverted by refocusing pulses.

    **Arguments:**

    - `between`: The integral over parts of steps.
    - `knots`: Of all steps.
    - `places`: The moments.
    """
    gathered = knots.gathered(between(knots.step, knots.begin, knots.end))
    return gathered[places.knot] + between(places.step, knots.begin[places.knot], places.into)
