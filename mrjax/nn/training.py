"""Training a network on a stream of batches: resumed bit for bit, wherever it was stopped."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optax
from flax import nnx
from jaxtyping import PyTree

from mrjax import _checks
from mrjax.nn._run import Loss, TrainingRun
from mrjax.nn.checkpoints import CheckpointFolder
from mrjax.nn.history import History


@dataclasses.dataclass(frozen=True)
class TrainingSchedule:
    """How long to train, and what to do on the way.

    **Arguments:**

    - `steps`: Batches to train on.
    - `log_every`: Steps between two lines of the log.
    - `checkpoint_every`: Steps between two validations and checkpoints.
    - `patience`: Validations without a better score after which training stops; None to go on to the end.

    **Raises:** `ValueError` where a number is not a positive integer.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> mr.nn.TrainingSchedule(steps=8000, checkpoint_every=1000).patience is None
        True

        ```
    """

    steps: int
    log_every: int = 10
    checkpoint_every: int = 500
    patience: int | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.name != "patience":
                _checks.positive_integer(value, field.name)


def train(
    network: nnx.Module,
    loss: Loss,
    batch: Callable[[int], PyTree],
    schedule: TrainingSchedule,
    optimiser: optax.GradientTransformation,
    folder: Path | str | None = None,
    *,
    batch_axes: PyTree = 0,
    validate: Callable[[Any], float] | None = None,
    progress: bool = True,
) -> History:
    r"""Minimise a loss over a stream of batches; the network is changed in place.

    With a `folder`, checkpoints and a log of JSON lines are written there, and training goes on from the newest checkpoint,
    with the same weights, bit for bit, as if it had never stopped: batches depend on the step alone, and weights, optimiser
    and validation are in the checkpoint, as is what else the network holds: running statistics (`nnx.BatchNorm`) and the
    state of its random numbers (`nnx.Dropout`), which a step changes as the loss does. An interrupt saves before it ends.

    The network is put into training mode (`network.train()`), for `validate` and at the end into evaluation mode
    (`network.eval()`): batch statistics and dropout are those of training in the steps alone. A normalisation that is to
    stay as it is takes `use_running_average=True` where it is called.

    On several devices the samples of a batch are spread over all, along the axes that `batch_axes` names; each device
    computes the whole batch where their number does not divide. Weights, and arrays that all samples share, are on each
    device. Statistics of a batch are those of all its samples, on any number of devices.

    **Arguments:**

    - `network`: A `flax.nnx` module; its `nnx.Param`s are trained, any other state changes as the loss changes it.
    - `loss`: Takes the network and a batch, returns a scalar and a dict of named parts for the log.
    - `batch`: Takes the step, from 0, and returns a batch, a PyTree of arrays, such as `mrjax.synthesis.Stream.batch`.
    - `schedule`: How long, and how often what.
    - `optimiser`: Of optax.
    - `folder`: Where to keep checkpoints and log; None to keep nothing.
    - `batch_axes`: The axis of the samples in each array of a batch, as `in_axes` of `jax.vmap`: an integer for all arrays,
      or a tree like the batch, with None for an array that all samples share (a schedule, a map of coils).
    - `validate`: Takes the network, returns a number that should fall; called before each checkpoint.
    - `progress`: Whether to show a bar with the loss.

    **Returns:** The `History` of losses, also of the steps before an interruption.

    **Raises:** `ValueError` where the checkpoint is damaged or of another network, where the arrays of a batch hold
    different numbers of samples, where loss or weights are no longer finite at a line of the log or a checkpoint, and for
    `patience` without `validate`.

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
        >>> history = mr.nn.train(network, loss, batch, mr.nn.TrainingSchedule(steps=200), optax.adam(0.1), progress=False)
        >>> round(float(network.kernel[0, 0]), 2)
        3.0

        ```
    """
    if schedule.patience is not None and validate is None:
        raise ValueError(
            "`patience` counts validations, but `validate` is not given; pass it, or leave `patience` out."
        )
    run = TrainingRun(network, loss, schedule, optimiser, validate, batch_axes)
    if folder is None:
        return run.through(batch, History.in_memory(), None, progress)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with CheckpointFolder(folder / "checkpoints") as checkpoints:
        run.resume(checkpoints)
        history = History.in_file(folder / "log.jsonl", before=int(run.state.step))
        return run.through(batch, history, checkpoints, progress)
