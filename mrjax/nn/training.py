"""Training a network on a stream of batches: resumed bit for bit, wherever it was stopped."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mrjax import _checks
from mrjax.nn.checkpoints import Checkpoints
from mrjax.nn.history import History

Loss = Callable[[Any, PyTree], tuple[Array, dict[str, Array]]]
"""Takes a network and a batch; returns the loss and its named parts."""

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long to train, and what to do on the way.

    **Arguments:**

    - `steps`: Batches to train on.
    - `log_every`: Steps between two lines of the log.
    - `checkpoint_every`: Steps between two checkpoints.
    - `patience`: Validations without a better score after which training stops; None to go on to the end.

    **Raises:** `ValueError` where a number is not a positive integer.
    """

    steps: int
    log_every: int = 10
    checkpoint_every: int = 500
    patience: int | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                _checks.positive_integer(value, field.name)


def train(
    network: nnx.Module,
    loss: Loss,
    batch: Callable[[int], PyTree],
    schedule: Schedule,
    optimiser: optax.GradientTransformation,
    folder: Path | str | None = None,
    *,
    validate: Callable[[Any], float] | None = None,
    progress: bool = True,
) -> History:
    r"""Minimise a loss over a stream of batches; the network is changed in place.

    With a `folder`, checkpoints and a log of JSON lines are written there, and training goes on from the newest checkpoint,
    with the same weights, bit for bit, as if it had never stopped: batches depend on the step alone, and weights, optimiser
    and validation are in the checkpoint. An interrupt saves before it ends. On several devices the batch is spread
    over all, where one of its axes divides, and the weights are on each.

    **Arguments:**

    - `network`: A `flax.nnx` module; its `nnx.Param`s are trained, any other state stays as it is.
    - `loss`: Takes the network and a batch, returns a scalar and a dict of named parts for the log.
    - `batch`: Takes the step, from 0, and returns a batch: arrays with the samples first. `mrjax.synthesis.Stream.batch`.
    - `schedule`: How long, and how often what.
    - `optimiser`: Of optax.
    - `folder`: Where to keep checkpoints and log; None to keep nothing.
    - `validate`: Takes the network, returns a number that should fall; called before each checkpoint.
    - `progress`: Whether to show a bar with the loss.

    **Returns:** The `History` of losses, also of the steps before an interruption.

    **Raises:** `ValueError` where the checkpoint is damaged or of another network, and where the loss is not finite.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp, optax
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> network = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
        >>> def loss(network, x):
        ...     error = jnp.mean((network(x) - 3 * x) ** 2)
        ...     return error, {"error": error}
        >>> batch = lambda step: jax.random.normal(jax.random.key(step), (32, 1))
        >>> history = mr.nn.train(network, loss, batch, mr.nn.Schedule(steps=200), optax.adam(0.1), progress=False)
        >>> round(float(network.kernel[0, 0]), 2)
        3.0

        ```
    """
    run = _Run(network, loss, schedule, optimiser)
    if folder is None:
        return run.through(batch, History.in_memory(), None, validate, progress)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with Checkpoints(folder / "checkpoints") as checkpoints:
        run.resume(checkpoints)
        history = History.in_file(folder / "log.jsonl", before=int(run.state.step))
        return run.through(batch, history, checkpoints, validate, progress)


class State(NamedTuple):
    """All that changes in a training, and that a checkpoint holds."""

    weights: PyTree
    optimiser: PyTree
    step: np.ndarray
    best: np.ndarray
    """The least number that a validation gave."""
    since_best: np.ndarray
    """Validations since then."""


class _Run:
    """One training: what changes from step to step, and the compiled step."""

    def __init__(self, network: nnx.Module, loss: Loss, schedule: Schedule, optimiser: optax.GradientTransformation):
        self.network, self.schedule = network, schedule
        self.graph, weights, self.rest = nnx.split(network, nnx.Param, ...)
        weights = _everywhere(nnx.to_pure_dict(weights))
        self.state = State(weights, optimiser.init(weights), np.asarray(0), np.asarray(np.inf), np.asarray(0))
        self.step = jax.jit(self._step(loss, optimiser))

    def _step(self, loss: Loss, optimiser: optax.GradientTransformation) -> Callable:
        graph, rest = self.graph, self.rest

        def step(weights: PyTree, memory: PyTree, batch: PyTree) -> tuple[PyTree, PyTree, Array, dict[str, Array]]:
            of_weights = lambda weights: loss(nnx.merge(graph, nnx.State(weights), rest), batch)
            (value, parts), slope = jax.value_and_grad(of_weights, has_aux=True)(weights)
            change, memory = optimiser.update(slope, memory, weights)
            return optax.apply_updates(weights, change), memory, value, parts

        return step

    def resume(self, checkpoints: Checkpoints) -> None:
        if (newest := checkpoints.newest) is not None:
            self.state = State(*checkpoints.restore(newest, self.state))
            self._hand_back()

    def through(
        self,
        batch: Callable[[int], PyTree],
        history: History,
        checkpoints: Checkpoints | None,
        validate: Callable[[Any], float] | None,
        progress: bool,
    ) -> History:
        """The steps that are left; an interrupt saves first."""
        with Progress(*COLUMNS, disable=not progress) as bar:
            task = bar.add_task("training", total=self.schedule.steps, completed=int(self.state.step))
            try:
                while self.state.step < self.schedule.steps and not self._out_of_patience():
                    value, parts = self._advance(batch)
                    step = int(self.state.step)
                    if step % self.schedule.log_every == 0 or step == self.schedule.steps:
                        self._log(history, value, parts)
                        bar.update(task, description=f"loss {float(value):.3e}")
                    if step % self.schedule.checkpoint_every == 0 or step == self.schedule.steps:
                        self._keep(history, checkpoints, validate)
                    bar.update(task, completed=step)
            except KeyboardInterrupt:
                if checkpoints is not None:
                    checkpoints.save(int(self.state.step), self.state)
                raise
            finally:
                self._hand_back()
        return history

    def _advance(self, batch: Callable[[int], PyTree]) -> tuple[Array, dict[str, Array]]:
        here = _spread(batch(int(self.state.step)))
        weights, memory, value, parts = self.step(self.state.weights, self.state.optimiser, here)
        # in one assignment, so that an interrupt never finds half a step
        self.state = self.state._replace(weights=weights, optimiser=memory, step=np.asarray(self.state.step + 1))
        return value, parts

    def _log(self, history: History, value: Array, parts: dict[str, Array]) -> None:
        if not np.isfinite(float(value)):
            raise ValueError(
                f"The loss is {float(value)} at step {int(self.state.step)}; lower the learning rate, or look for samples "
                "that are not finite."
            )
        numbers = {"loss": float(value)} | {name: float(part) for name, part in parts.items()}
        history.append({"step": int(self.state.step), **numbers, "time": time.time()})

    def _keep(self, history: History, checkpoints: Checkpoints | None, validate: Callable[[Any], float] | None) -> None:
        if validate is not None:
            self._hand_back()
            score = float(validate(self.network))
            better = score < self.state.best
            self.state = self.state._replace(
                best=np.asarray(score if better else self.state.best),
                since_best=np.asarray(0 if better else self.state.since_best + 1),
            )
            history.append({"step": int(self.state.step), "validation": score, "time": time.time()})
        if checkpoints is not None:
            checkpoints.save(int(self.state.step), self.state)

    def _out_of_patience(self) -> bool:
        return self.schedule.patience is not None and int(self.state.since_best) >= self.schedule.patience

    def _hand_back(self) -> None:
        """Put the weights into the user's network; copies, since the step takes its own arguments over."""
        nnx.update(self.network, nnx.State(jax.tree.map(jnp.copy, self.state.weights)))


def _mesh() -> Mesh | None:
    return None if jax.device_count() == 1 else Mesh(np.array(jax.devices()), ("batch",))


def _spread(batch: PyTree) -> PyTree:
    """The samples of a batch over all devices, along the first axis that all arrays share and that divides."""
    mesh = _mesh()
    if mesh is None:
        return batch
    shapes = [leaf.shape for leaf in jax.tree.leaves(batch)]
    divides = lambda axis: all(shape[axis] % mesh.size == 0 for shape in shapes)
    axis = next((axis for axis in range(min(map(len, shapes))) if divides(axis)), None)
    spec = PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, "batch")
    return jax.device_put(batch, NamedSharding(mesh, spec))


def _everywhere(weights: PyTree) -> PyTree:
    """A copy of the weights on every device."""
    mesh, copied = _mesh(), jax.tree.map(jnp.copy, weights)
    return copied if mesh is None else jax.device_put(copied, NamedSharding(mesh, PartitionSpec()))
