"""LOAS: powers, offsets and times of semisolid fingerprinting, learned with the network that reads the images."""

import dataclasses

from mrjax.zoo.saturation_transfer import (
    SEMISOLID_BOUNDS,
    SaturationConfig,
    Scheduling,
    constant_schedule,
    first_schedule,
    saturation_system,
    semisolid_brain,
)


@dataclasses.dataclass(frozen=True)
class LoasConfig(SaturationConfig):
    """As `SaturationConfig`, with the published number of images and width of the network."""

    n_images: int = 40
    hidden: int = 256


def scheduling(config: LoasConfig) -> Scheduling:
    """White and grey matter at 3 T, 8 to 50 ppm from the water."""
    constant = constant_schedule(config.n_images, b1=1.4e-6, offset_ppm=20.0, saturation_time=1.2, recovery=4.0)
    start = first_schedule(config, constant, SEMISOLID_BOUNDS)
    learned = SEMISOLID_BOUNDS if config.learns == "schedule" else {}
    return Scheduling(semisolid_brain(config.noise_std), start, learned)


SYSTEM = saturation_system(
    "loas",
    "schedule of semisolid fingerprinting learned with a network for exchange rate, fraction, T2 of the pool and T1; as "
    "published but for the noise, which the published code leaves out of the signal that it returns",
    "B. Kang et al. (2022), code: github.com/Heo-Group/LOAS-MRF",
    {
        "paper": LoasConfig(steps=20000, learning_rate=1e-4, schedule_rate=1.0),
        "smoke": LoasConfig(steps=200, n_images=10, hidden=100, batch_size=128),
    },
    scheduling,
)
