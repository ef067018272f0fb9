"""What all systems that learn a schedule of saturation transfer, or only read its images, have in common."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import optax

from mrjax.design import at_rate
from mrjax.zoo.saturation_transfer.evaluation import evaluation
from mrjax.zoo.saturation_transfer.network import OF_ESTIMATES, ScheduledNetwork, estimate, samples
from mrjax.zoo.saturation_transfer.scheduling import Bounds, Schedule, Scheduling, random_schedule, schedule_from_file
from mrjax.zoo.system import System, TrainingConfig, adam_to_rest

SCHEDULE, NOTHING = "schedule", "nothing"


@dataclasses.dataclass(frozen=True)
class SaturationConfig(TrainingConfig):
    """As `TrainingConfig`, and the schedule.

    **Arguments:**

    - `n_images`: Of the schedule, unless a file says how many.
    - `start`: "constant", images that are all alike; "random", drawn within the bounds by the seed; or a CSV file as
      `mrjax.io.read_schedule` reads it.
    - `learns`: "schedule", with the network; or "nothing" of it, and the network reads images of the start.
    - `schedule_rate`: By how much longer the steps of the schedule are than those of the network.
    - `hidden`: Units of each of the two hidden layers.
    - `noise_std`: Of an image, relative to the equilibrium.

    **Raises:** `ValueError` where a value is not possible.
    """

    batch_size: int = 256
    steps: int = 3000
    n_images: int = 10
    start: str = "random"
    learns: str = SCHEDULE
    schedule_rate: float = 20.0
    hidden: int = 300
    noise_std: float = 5e-3

    def __post_init__(self):
        super().__post_init__()
        if self.learns not in (SCHEDULE, NOTHING):
            raise ValueError(f"`learns` must be '{SCHEDULE}' or '{NOTHING}', but got {self.learns!r}.")
        for name in ("schedule_rate", "noise_std"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be positive and finite, but got {getattr(self, name)!r}.")


def first_schedule(config: SaturationConfig, constant: Schedule, bounds: Bounds) -> Schedule:
    """The schedule that `start` names.

    **Arguments:**

    - `config`: With `start` and `seed`.
    - `constant`: Where `start` is "constant"; also what a random one has of what is not drawn.
    - `bounds`: Within which a random one is drawn.

    **Returns:** the schedule.

    **Raises:** `ValueError` where `start` is neither, nor a file.
    """
    if config.start == "constant":
        return constant
    if config.start == "random":
        return random_schedule(constant, bounds, config.seed)
    if not config.start.endswith(".csv"):
        raise ValueError(f"`start` must be 'constant', 'random' or a CSV file, but got {config.start!r}.")
    return schedule_from_file(config.start)


def optimiser(config: SaturationConfig) -> optax.GradientTransformation:
    """Adam that comes to rest, with steps of the schedule that are longer than those of the network."""
    adam = adam_to_rest(config)
    return at_rate(adam, config.schedule_rate, "schedule") if config.learns == SCHEDULE else adam


def saturation_system(
    name: str,
    summary: str,
    source: str,
    presets: Mapping[str, SaturationConfig],
    scheduling_of: Callable[[Any], Scheduling],
    **others: Any,
) -> System:
    """A system that learns a schedule and a network for it.

    **Arguments:**

    - `name`, `summary`, `source`, `presets`: As of `System`.
    - `scheduling_of`: From a configuration to the experiment, its schedule, and what of it is learned.
    - `others`: Of `System`, in place of what is usual for this task, such as another `loss`.

    **Returns:** the `System`; its estimates are dictionaries of parameters in SI units, of images, or of tissues that it images
    first.
    """
    usual = {
        "data": lambda config: samples(scheduling_of(config), config.batch_size, config.seed),
        "described": lambda config: described(scheduling_of(config)),
        "network": lambda config, rngs: ScheduledNetwork(scheduling_of(config), (config.hidden,) * 2, rngs),
        "loss": lambda config: OF_ESTIMATES,
        "estimate": estimate,
        "evaluation": evaluation(scheduling_of),
        "optimiser": optimiser,
    }
    return System(name, summary, source, presets, **(usual | others))


def described(scheduling: Scheduling) -> str:
    """The line of the model card on tissues, noise, and what is learned of the schedule."""
    experiment = scheduling.experiment
    ranges = [f"{name} {low:.4g} to {high:.4g}" for name, (low, high) in experiment.limits.items()]
    learned = [f"{name} {low:.4g} to {high:.4g}" for name, (low, high) in scheduling.bounds.items()]
    most = f", at most {scheduling.most_time:.4g} s in all" if scheduling.most_time is not None and learned else ""
    return (
        f"{scheduling.n_images} simulated images at {experiment.b0:g} T with noise of {experiment.noise_std:g} of M0, of tissues "
        f"with {', '.join(ranges)} (SI units); learned of the schedule: {', '.join(learned) or 'nothing'}{most}"
    )
