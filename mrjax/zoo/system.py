"""What a system is: the data it learns from, its network, loss and training, what it answers, and how it is judged."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax
from flax import nnx
from jaxtyping import PyTree

from mrjax import _checks
from mrjax.nn import Loss, TrainingSchedule
from mrjax.synthesis import Stream


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """What every training has to be told; a task adds settings of its own in a subclass.

    **Arguments:**

    - `batch_size`: Samples in each batch.
    - `steps`: Batches to train on.
    - `learning_rate`: Of the optimiser. Positive.
    - `seed`: Of the weights at the start and of the data. Not negative.

    **Raises:** `ValueError` where a value is not possible.
    """

    batch_size: int = 100
    steps: int = 1000
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self):
        _checks.positive_integer(self.batch_size, "batch_size")
        _checks.positive_integer(self.steps, "steps")
        if self.seed < 0:
            raise ValueError(f"`seed` must not be negative, but got {self.seed}.")
        if not self.learning_rate > 0:
            raise ValueError(f"`learning_rate` must be positive, but got {self.learning_rate!r}.")


@dataclasses.dataclass(frozen=True)
class Report:
    """What an evaluation found: a table to be printed."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How the networks and methods of one task are judged."""

    add_options: Callable[[argparse.ArgumentParser], None]
    """Declares what `mrjax evaluate` takes for this task, such as files to be judged on."""
    report: Callable[[Any, Callable[[PyTree], PyTree], argparse.Namespace], Report]
    """From the configuration, what the network or method answers to measurements, and the options, to a table."""


def normalisation_of(setting: str) -> str | None:
    """What networks of `mrjax.nn` take, from a setting, which is text also where it is "none"."""
    return None if setting == "none" else setting


def adam(config: TrainingConfig) -> optax.GradientTransformation:
    """The optimiser of a system that names no other."""
    return optax.adam(config.learning_rate)


def adam_to_rest(config: TrainingConfig) -> optax.GradientTransformation:
    """Adam whose learning rate falls to zero at the last step, along half a period of a cosine."""
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))


def checkpoint_every_500_steps(config: TrainingConfig) -> TrainingSchedule:
    """The schedule of a system that names no other."""
    return TrainingSchedule(config.steps, checkpoint_every=min(500, config.steps))


@dataclasses.dataclass(frozen=True)
class System:
    """A network for a task, by its parts; a configuration is one of its presets, or one with other settings.

    `docs/guides/training.md` writes one from the beginning.
    """

    name: str
    summary: str
    """One line for the model card."""
    source: str
    """Who published it."""
    presets: Mapping[str, Any]
    """Configurations by name, all of one subclass of `TrainingConfig`; `smoke` trains in minutes on one core."""
    data: Callable[[Any], Stream]
    """From a configuration to the batches; the stream names the axis of the samples."""
    described: Callable[[Any], str]
    """From a configuration to one line of the model card that says what `data` is."""
    network: Callable[[Any, nnx.Rngs], nnx.Module]
    loss: Callable[[Any], Loss]
    estimate: Callable[[Any, PyTree], PyTree]
    """From a network and measurements to what the task asks for, in its own units."""
    evaluation: Evaluation
    optimiser: Callable[[Any], optax.GradientTransformation] = adam
    schedule: Callable[[Any], TrainingSchedule] = checkpoint_every_500_steps


@dataclasses.dataclass(frozen=True)
class Method:
    """A method that needs no training, judged as the networks of its task are."""

    name: str
    config: Any
    estimator: Callable[[Any], Callable[[PyTree], PyTree]]
    """From the configuration to a function from measurements to what the task asks for."""
    evaluation: Evaluation
