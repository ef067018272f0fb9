"""A schedule of saturation transfer for tissues, limits and a pool of one's own, learned with the network that reads it."""

import dataclasses
import json

from mrjax import _checks
from mrjax.nn import TrainingSchedule
from mrjax.zoo.saturation_transfer import SaturationConfig, Scheduling, as_text, saturation_system, scheduling_of

AMIDE = {
    "b0": 3.0,
    "tissue": {
        "t1": [0.8, 2.0],
        "t2": [0.04, 0.12],
        "fraction": [2e-4, 2e-3],
        "exchange_rate": [20.0, 400.0],
        "pool_t1": 1.0,
        "pool_t2": 0.1,
        "shift_ppm": 3.5,
    },
    "estimate": ["fraction", "exchange_rate"],
    "noise": 2e-3,
    "schedule": {
        "images": 10,
        "start": "random",
        "most_time": 35.0,
        "b1": [0.0, 4e-6],
        "offset_ppm": 3.5,
        "saturation_time": [0.0, 4.0],
        "recovery": [0.0, 4.0],
        "flip_angle": 1.5707963267948966,
    },
}
"""The question of the preset: amide protons at 3 T."""


@dataclasses.dataclass(frozen=True)
class QuestionConfig(SaturationConfig):
    """As `SaturationConfig`, with `n_images`, `noise_std`, `start` and all of the experiment in a question.

    **Arguments:**

    - `question`: As `mrjax.zoo.saturation_transfer.scheduling_of` takes it, in JSON. `mrjax design cest` makes it of a file.
    - `checkpoint_every`: Steps from one checkpoint to the next.
    """

    question: str = as_text(AMIDE)
    checkpoint_every: int = 100

    def __post_init__(self):
        super().__post_init__()
        _checks.positive_integer(self.checkpoint_every, "checkpoint_every")
        asked = scheduling(self)
        start = json.loads(self.question)["schedule"]["start"]
        own = {"n_images": asked.n_images, "noise_std": asked.experiment.noise_std, "start": start}
        for name, value in own.items():
            object.__setattr__(self, name, value)  # so that the model card tells what is


def scheduling(config: QuestionConfig) -> Scheduling:
    """Of the question; a schedule of which nothing is learned keeps its start."""
    asked = scheduling_of(json.loads(config.question) | {"seed": config.seed})
    if config.learns == "schedule":
        return asked
    return dataclasses.replace(asked, start=asked.played(asked.start), bounds={})


SYSTEM = saturation_system(
    "saturation_schedule",
    "schedule of saturation transfer learned with a network, for the tissues and within the limits that were asked for",
    "after O. Perlman, B. Zhu, M. Zaiss, M. S. Rosen, C. T. Farrar, Magn Reson Med 87 (2022) 2792",
    {"smoke": QuestionConfig(steps=600, hidden=100)},
    scheduling,
    schedule=lambda config: TrainingSchedule(config.steps, checkpoint_every=min(config.checkpoint_every, config.steps)),
)
