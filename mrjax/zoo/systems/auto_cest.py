"""AutoCEST: saturation power, saturation time and repetition time of each image, learned with the network that reads them."""

import dataclasses

from mrjax.zoo.saturation_transfer import (
    SaturationConfig,
    Scheduling,
    constant_schedule,
    first_schedule,
    l_arginine,
    saturation_system,
)

BOUNDS = {"b1": (0.0, 6e-6), "saturation_time": (0.0, 5.0), "recovery": (0.0, 5.0)}
"""Of the published search, in T and s; what is published of repetition times is those that were found."""

PUBLISHED_TR, PUBLISHED_SATURATION = 3.52, 2.5
"""In s, of the published schedules of one repetition time."""


@dataclasses.dataclass(frozen=True)
class AutoCestConfig(SaturationConfig):
    """As `SaturationConfig`, and how long the images may take.

    **Arguments:**

    - `most_time`: Of all images, in s. 35.2 s are the published ten images.
    """

    most_time: float = 35.2


def scheduling(config: AutoCestConfig) -> Scheduling:
    """Phantoms of L-arginine at 9.4 T, saturated at 3 ppm."""
    constant = constant_schedule(
        config.n_images,
        b1=3e-6,
        offset_ppm=3.0,
        saturation_time=PUBLISHED_SATURATION,
        recovery=PUBLISHED_TR - PUBLISHED_SATURATION,
    )
    learned = BOUNDS if config.learns == "schedule" else {}
    start = first_schedule(config, constant, BOUNDS)
    within = Scheduling(l_arginine(config.noise_std), start, BOUNDS, config.most_time)
    return dataclasses.replace(within, start=within.played(start), bounds=learned) if not learned else within


SYSTEM = saturation_system(
    "auto_cest",
    "schedule of CEST fingerprinting learned with a network for concentration and exchange rate; the published network sizes, "
    "ranges of tissues and learning rates are not known",
    "O. Perlman, B. Zhu, M. Zaiss, M. S. Rosen, C. T. Farrar, Magn Reson Med 87 (2022) 2792",
    {"paper": AutoCestConfig(steps=6000), "smoke": AutoCestConfig(steps=600, hidden=100)},
    scheduling,
)
