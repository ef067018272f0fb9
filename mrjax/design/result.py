"""What a design comes to."""

import dataclasses

import numpy as np
from jaxtyping import PyTree

from mrjax._quantities import quantity
from mrjax.nn.history import History


@dataclasses.dataclass(frozen=True)
class DesignResult:
    """What `optimise` returns."""

    best: PyTree
    """The best design that was found, in the form of the start."""
    start: PyTree
    objective: float
    """Of the best; with batches that of the samples which designs are judged by."""
    history: History
    """Step by step the objective, each of its terms, and with constraints their largest breach."""
    reason: str
    """Why it ended, as a sentence."""
    free: dict[str, tuple[np.ndarray, np.ndarray]]
    """The free leaves by their place in the design, before and after."""

    @property
    def factor(self) -> float:
        """What the objective of the start is divided by."""
        return self._first / self.objective

    @property
    def _first(self) -> float:
        line = self.history.lines[0]
        return float(line.get("validation", line["objective"]))

    def __str__(self) -> str:
        lines = [f"Design: objective {self._first:.6g} to {self.objective:.6g}. {self.reason}"]
        for name, (before, after) in self.free.items():
            lines.append(f"  {name}: {quantity(before, 1.0, '')} to {quantity(after, 1.0, '')}")
        return "\n".join(lines)
