"""Unsupervised MTC-MRF: a network for semisolid pools whose estimates have to give the images back."""

import dataclasses

from mrjax.zoo.saturation_transfer import (
    SEMISOLID_BOUNDS,
    SaturationConfig,
    Scheduling,
    constant_schedule,
    estimate_within_limits,
    first_schedule,
    saturation_system,
    semisolid_brain,
    signal_error,
)


@dataclasses.dataclass(frozen=True)
class MtcMrfConfig(SaturationConfig):
    """As `SaturationConfig`, with the published number of images and a schedule that stays as it starts."""

    n_images: int = 40
    hidden: int = 256
    learns: str = "nothing"

    def __post_init__(self):
        super().__post_init__()
        if self.learns != "nothing":
            raise ValueError(
                "`learns` must be 'nothing': where images have only to be given back, the best schedule is one whose images "
                "hold nothing. `loas` learns schedules."
            )


def scheduling(config: MtcMrfConfig) -> Scheduling:
    """White and grey matter at 3 T, 8 to 50 ppm from the water."""
    constant = constant_schedule(config.n_images, b1=1.4e-6, offset_ppm=20.0, saturation_time=1.2, recovery=4.0)
    return Scheduling(semisolid_brain(config.noise_std), first_schedule(config, constant, SEMISOLID_BOUNDS), {})


SYSTEM = saturation_system(
    "mtc_mrf",
    "network for semisolid pools that learns without labels, voxel by voxel; the published one is convolutional",
    "B. Kang, B. Kim, M. Schär, H. Park, H.-Y. Heo, Magn Reson Med 85 (2021) 2040",
    {
        "paper": MtcMrfConfig(steps=10000),
        "smoke": MtcMrfConfig(steps=300, n_images=10, hidden=100, batch_size=128),
    },
    scheduling,
    loss=lambda config: signal_error,
    estimate=estimate_within_limits,
)
