"""Steps of an optimiser of optax within bounds, and where they have led so far."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree
from rich.progress import Progress

from mrjax._bars import CompilationColumn
from mrjax.design._evaluation import Evaluated, another_design, check_start
from mrjax.design._variables import Variables
from mrjax.design.batches import Batches
from mrjax.nn._run import COLUMNS
from mrjax.nn.checkpoints import CheckpointFolder
from mrjax.nn.history import History


class DescentState(NamedTuple):
    """All that changes, and that a checkpoint holds."""

    point: list[Array]
    optimiser: PyTree
    best: list[Array]
    """Of the points before this one that have been judged."""
    least: Array
    """The objective there."""
    size: Array
    """The magnitude of the objective at the start, in units of which it is differentiated; zero before it is known."""
    start: list[Array]
    """Where it all began, by which a folder is known."""
    step: np.ndarray


class Descent:
    """A descent in progress; `state` is always that of a step that is complete, with its line of the history."""

    def __init__(
        self,
        evaluated: Evaluated,
        variables: Variables,
        optimiser: optax.GradientTransformation,
        batches: Batches | None = None,
    ):
        self.variables, self.batches, self.evaluated = variables, batches, jax.jit(evaluated)
        start = variables.start
        least, size = jnp.asarray(jnp.inf), jnp.asarray(0.0)
        self.state = DescentState(start, optimiser.init(start), start, least, size, list(start), np.asarray(0))

        @jax.jit
        def step(point: list[Array], memory: PyTree, size: Array, *batch: PyTree) -> tuple[Any, ...]:
            (value, terms), slope = jax.value_and_grad(evaluated, has_aux=True)(point, *batch)
            size = jnp.where(size > 0, size, jnp.where(value == 0, 1.0, jnp.abs(value)))
            relative = jax.tree.map(lambda one: one / size.astype(one.dtype), slope)
            change, memory = optimiser.update(relative, memory, point)
            following: Any = optax.apply_updates(point, change)
            following = variables.within(following)
            return {"point": following, "optimiser": memory, "size": size}, value, terms, slope

        self.step = step

    @property
    def best_point(self) -> list[Array]:
        """The best so far, as `Variables` has points."""
        return self.state.best

    @property
    def least(self) -> float:
        """The objective there."""
        return float(self.state.least)

    @property
    def last_line(self) -> int:
        """The newest line of the history that belongs to this state."""
        return int(self.state.step) - 1

    def resume(self, checkpoints: CheckpointFolder) -> None:
        """Go on from the newest checkpoint, if there is one and it is of this design."""
        if (newest := checkpoints.newest) is None:
            return
        stored = DescentState(*checkpoints.restore(newest, self.state))
        if not all(np.array_equal(old, new) for old, new in zip(stored.start, self.state.start, strict=True)):
            raise another_design(checkpoints.folder.parent)
        self.state = stored._replace(step=np.asarray(stored.step))

    def through(
        self, steps: int, history: History, checkpoints: CheckpointFolder | None, every: int, progress: bool
    ) -> str:
        """The steps that are left; returns why it ended. An interrupt keeps what is complete."""
        with Progress(*COLUMNS, CompilationColumn(), disable=not progress) as bar:
            task = bar.add_task("design", total=steps, completed=int(self.state.step))
            try:
                while self.state.step < steps:
                    value = self._next(history)
                    if value is None:
                        return f"Objective or derivative were not finite after {int(self.state.step)} steps."
                    if checkpoints is not None and (self.state.step % every == 0 or self.state.step == steps):
                        checkpoints.save(int(self.state.step), self.state)
                    bar.update(task, completed=int(self.state.step), description=f"objective {value:.4g}")
                self._look(history)
            except KeyboardInterrupt:
                if checkpoints is not None:
                    checkpoints.save(int(self.state.step), self.state)
                return f"Interrupted after {int(self.state.step)} of {steps} steps."
        return f"All {steps} steps were taken."

    def _next(self, history: History) -> float | None:
        """One step; None, and the state as it was, where objective or derivative are not finite."""
        changed, value, terms, slope = self._taken()
        if self.state.step == 0:
            check_start(value, terms, slope, self.variables)
        if not (np.isfinite(value) and all(np.all(np.isfinite(one)) for one in slope)):
            return None
        judged = self._judged(value, terms, history)
        self.state = self.state._replace(step=np.asarray(self.state.step + 1), **judged, **changed)
        return float(value)

    def _look(self, history: History) -> None:
        """The objective where the last step led."""
        _, value, terms, _ = self._taken()
        self.state = self.state._replace(**self._judged(value, terms, history, is_last=True))

    def _taken(self) -> tuple[Any, ...]:
        """A step from here: where it leads; value, terms and slope here."""
        batch = () if self.batches is None else (self.batches.draw(int(self.state.step)),)
        return self.step(self.state.point, self.state.optimiser, self.state.size, *batch)

    def _judged(self, value: Array, terms: dict[str, Array], history: History, is_last: bool = False) -> dict[str, Any]:
        """The best with this point in it, and a line of the history."""
        line, judged = _line(self.state.step, value, terms), value
        if self.batches is not None:
            judged = jnp.asarray(jnp.inf)
            if is_last or self.state.step % self.batches.validate_every == 0:
                judged, _ = self.evaluated(self.state.point, self.batches.validation)
                line["validation"] = float(judged)
        history.append(line)
        return {"best": self.state.point, "least": judged} if judged < self.state.least else {}


def _line(step: Any, value: Array, terms: dict[str, Array]) -> dict[str, Any]:
    return {"step": int(step), "objective": float(value), **{name: float(term) for name, term in terms.items()}}
