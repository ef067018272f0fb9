"""What ends an interval, by the numbers that it follows from."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mrjax.physics.isochromats.tables.courses import Row, Rows
from mrjax.sequence.precision import numpy_of

Kind = Literal["longitudinal", "turn", "constant", "steps"]
Form = tuple[Kind, int]
"""Of changes that one program computes: their kind, and how many numbers they follow from."""


@dataclass(frozen=True, eq=False)
class Change:
    """An affine map of the magnetisation of each spin, by the numbers that it follows from.

    - `"longitudinal"`: Only z stays, times a factor and plus a number.
    - `"turn"`: A flip angle in rad.
    - `"constant"`: RF in T, in real and imaginary part, with its offset in Hz and its duration in s.
    - `"steps"`: The duration of a step in s, the offset, the number of steps; if winding is asked for, the areas of gradients
      along x, y and z before and after the middle of the pulse; for each step the RF in T, in real and imaginary part, and along
      x, y and z the areas of gradients and their moments about its middle over its duration; then the integrals of the products
      of gradients, if they are asked for.
    """

    kind: Kind
    numbers: Rows
    phase: Row
    """By which the axis of RF is turned about z, in rad."""
    n_steps: int = 0
    """Of RF that lasts, with those that fill it up; zero where there are none."""
    n_own: int = 0
    """Numbers of a pulse as a whole, before those of its steps."""
    duration: Row = dataclasses.field(default_factory=lambda: np.zeros(1))
    """In s."""

    def filled_to(self, n_steps: int) -> "Change":
        """With more steps of RF, which do nothing: cheaper than another program."""
        if self.kind != "steps":
            return self
        own, by_step = self.numbers[:, : self.n_own], self.numbers[:, self.n_own :]
        by_step = by_step.reshape(len(own), -1, self.n_steps)
        xp = numpy_of(self.numbers)
        filled = xp.pad(by_step, [(0, 0), (0, 0), (0, n_steps - self.n_steps)]).reshape(len(own), -1)
        return dataclasses.replace(self, numbers=xp.concatenate([own, filled], axis=1), n_steps=n_steps)

    @property
    def form(self) -> Form:
        """Equal for those that one program computes."""
        return self.kind, self.numbers.shape[-1]
