"""One training: what changes from step to step, the compiled step, and where it all goes."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, PyTree
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mrjax._bars import CompilationColumn
from mrjax.nn._devices import everywhere, spread
from mrjax.nn._network import beside_weights, joined, parted
from mrjax.nn.checkpoints import CheckpointFolder
from mrjax.nn.history import History

Loss = Callable[[Any, PyTree], tuple[Array, dict[str, Array]]]
"""Takes a network and a batch; returns the loss and its named parts."""

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


class TrainingState(NamedTuple):
    """All that changes in a training, and that a checkpoint holds."""

    weights: PyTree
    other: PyTree
    """What else the network holds: running statistics, random numbers."""
    optimiser: PyTree
    step: np.ndarray
    best: np.ndarray
    """The least number that a validation gave."""
    since_best: np.ndarray
    """Validations since then."""


class TrainingRun:
    """A training in progress; `state` is always that of a step that is complete, with its log and its validation."""

    def __init__(
        self,
        network: nnx.Module,
        loss: Loss,
        schedule: Any,
        optimiser: optax.GradientTransformation,
        validate: Callable[[Any], float] | None,
        batch_axes: PyTree,
    ):
        self.network, self.schedule, self.validate, self.batch_axes = network, schedule, validate, batch_axes
        network.train()
        graph, *arrays = parted(network)
        weights, other = map(everywhere, arrays)
        memory = everywhere(optimiser.init(weights))
        self.state = TrainingState(weights, other, memory, np.asarray(0), np.asarray(np.inf), np.asarray(0))

        @jax.jit
        def step(weights: PyTree, other: PyTree, memory: PyTree, batch: PyTree) -> tuple[PyTree, ...]:
            def of_weights(weights: PyTree) -> tuple[Array, tuple[dict[str, Array], PyTree]]:
                now = joined(graph, weights, other)
                value, parts = loss(now, batch)
                return value, (parts, beside_weights(now, known=other))

            (value, (parts, following)), slope = jax.value_and_grad(of_weights, has_aux=True)(weights)
            change, memory = optimiser.update(slope, memory, weights)
            return optax.apply_updates(weights, change), following, memory, value, parts

        self.step = step

    def resume(self, checkpoints: CheckpointFolder) -> None:
        """Go on from the newest checkpoint, if there is one."""
        if (newest := checkpoints.newest) is not None:
            stored = TrainingState(*checkpoints.restore(newest, self.state))
            weights, other, memory = map(everywhere, stored[:3])
            self.state = stored._replace(weights=weights, other=other, optimiser=memory)
            self._hand_over(self.state)

    def through(
        self, batch: Callable[[int], PyTree], history: History, checkpoints: CheckpointFolder | None, progress: bool
    ) -> History:
        """The steps that are left; an interrupt saves the last complete one."""
        with Progress(*COLUMNS, CompilationColumn(), disable=not progress) as bar:
            task = bar.add_task("training", total=self.schedule.steps, completed=int(self.state.step))
            try:
                while self.state.step < self.schedule.steps and not self._out_of_patience():
                    state, numbers = self._next(batch)
                    lines = self._due(state.step, self.schedule.log_every)
                    if lines:
                        self._log(history, state, numbers)
                        bar.update(task, description=f"loss {numbers['loss']:.3e}")
                    keeps = self._due(state.step, self.schedule.checkpoint_every)
                    self.state = self._validated(history, state) if keeps else state
                    if keeps and checkpoints is not None:
                        checkpoints.save(int(self.state.step), self.state)
                    bar.update(task, completed=int(self.state.step))
            except KeyboardInterrupt:
                if checkpoints is not None:
                    checkpoints.save(int(self.state.step), self.state)
                raise
            finally:
                self._hand_over(self.state)
        return history

    def _next(self, batch: Callable[[int], PyTree]) -> tuple[TrainingState, dict[str, Array]]:
        now = spread(batch(int(self.state.step)), self.batch_axes)
        weights, other, memory, value, parts = self.step(*self.state[:3], now)
        following = TrainingState(weights, other, memory, np.asarray(self.state.step + 1), *self.state[4:])
        return following, {"loss": value, **parts}

    def _due(self, step: np.ndarray, every: int) -> bool:
        return bool(step % every == 0 or step == self.schedule.steps)

    def _log(self, history: History, state: TrainingState, numbers: dict[str, Array]) -> None:
        _require_finite(bool(np.isfinite(float(numbers["loss"]))), f"The loss is {float(numbers['loss'])}", state)
        floats = {name: float(number) for name, number in numbers.items()}
        history.append({"step": int(state.step), **floats, "time": time.time()})

    def _validated(self, history: History, state: TrainingState) -> TrainingState:
        """The state with the score of a validation."""
        _require_finite(_is_finite(state.weights), "The weights are not finite", state)
        _require_finite(_is_finite(state.other), "The running statistics of the network are not finite", state)
        if self.validate is None:
            return state
        self._hand_over(state)
        score = float(self.validate(self.network))
        history.append({"step": int(state.step), "validation": score, "time": time.time()})
        better = score < state.best
        best, since = (score, 0) if better else (float(state.best), int(state.since_best) + 1)
        return state._replace(best=np.asarray(best), since_best=np.asarray(since))

    def _out_of_patience(self) -> bool:
        return self.schedule.patience is not None and int(self.state.since_best) >= self.schedule.patience

    def _hand_over(self, state: TrainingState) -> None:
        """Put the state into the user's network, which from then on predicts."""
        nnx.update(self.network, nnx.State(state.weights), nnx.State(state.other))
        self.network.eval()


def _is_finite(arrays: PyTree) -> bool:
    floats = [leaf for leaf in jax.tree.leaves(arrays) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return all(bool(jnp.isfinite(leaf).all()) for leaf in floats)


def _require_finite(finite: bool, what: str, state: TrainingState) -> None:
    if not finite:
        raise ValueError(
            f"{what} at step {int(state.step)}; lower the learning rate, or look for samples that are not finite."
        )
