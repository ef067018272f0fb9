"""The changes of a sequence, each once."""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int

from mrjax.physics.isochromats.tables.change import Change, Form
from mrjax.physics.isochromats.tables.placing import Placed
from mrjax.physics.maths.sizes import padded_size
from mrjax.sequence.precision import Numbers, numpy_of


@dataclass(frozen=True, eq=False)
class DifferentChanges:
    """The changes of a sequence, where those that are equal but for their phase are one.

    Known ones are compared by their numbers. Traced ones are one where one event plays them in several repetitions.
    """

    numbers: dict[Form, Float[Numbers, "change number"]]
    place: dict[Form, dict[Hashable, int]]
    """Of each change among those of its form."""
    n_steps: int
    """That RF is filled up to."""
    n_steps_once: int
    """Of RF in all that are different."""

    @classmethod
    def of(cls, placed: list[Placed]) -> "DifferentChanges":
        """Those that end intervals."""
        changes = [one.interval.change for one in placed if one.interval.change is not None]
        n_steps = padded_size(max((change.n_steps for change in changes), default=0) or 1)
        found: dict[Form, dict[Hashable, Numbers]] = defaultdict(dict)
        lengths: dict[Hashable, int] = {}
        for change in changes:
            filled = change.filled_to(n_steps)
            own = dict(zip(_keys(change), filled.numbers, strict=True))
            found[filled.form].update(own)
            lengths.update(dict.fromkeys(own, change.n_steps))
        forms = sorted(found)
        place = {form: {key: number for number, key in enumerate(found[form])} for form in forms}
        rows = {form: list(found[form].values()) for form in forms}
        stacked = {form: numpy_of(rows[form]).stack(rows[form]) for form in forms}
        return cls(stacked, place, n_steps, sum(lengths.values()))

    def numbered(self, change: Change, first: dict[Form, int]) -> Int[np.ndarray, "_row"]:
        """The number of a change, or of each of its rows, where those of a form begin with `first`."""
        form = change.filled_to(self.n_steps).form
        return np.array([first[form] + self.place[form][key] for key in _keys(change)])


def _keys(change: Change) -> list[Hashable]:
    """For each row of a change what is equal for those that do the same."""
    if isinstance(change.numbers, jax.Array):
        return [(id(change), row) for row in range(len(change.numbers))]
    return [(change.kind, row.tobytes()) for row in change.numbers]
