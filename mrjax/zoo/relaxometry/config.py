"""What is measured for maps of T1 or T2: contrasts, coils, sampling and noise."""

import dataclasses

from mrjax import _checks
from mrjax.units import ms
from mrjax.zoo.system import TrainingConfig

PARAMETERS = ("t1", "t2")
OBJECTS = ("templates", "brains")
SAMPLING = ("lines", "points")


@dataclasses.dataclass(frozen=True)
class RelaxometryConfig(TrainingConfig):
    """As `TrainingConfig`, and how maps of one relaxation time are measured.

    **Arguments:**

    - `parameter`: "t1", by spoiled gradient echoes at several flip angles, or "t2", by spin echoes at several echo times.
    - `objects`: What is learned from: random "templates", or "brains", slices of the brain phantom with tissues drawn anew.
    - `n_pixels`: Along both sides of an image.
    - `n_contrasts`: Flip angles, between 3° and 20° in a geometric series, or echoes. At least 1.
    - `echo_spacing`: The echoes are at its multiples, in s.
    - `tr`: Of the gradient echoes, in s.
    - `n_coils`: Rungs of a birdcage.
    - `acceleration`: Points of k-space for each that is measured, other ones in each contrast. At least 1.
    - `sampling`: Of what is measured: whole "lines", or "points" of a plane of phase encodings.
    - `snr`: A signal of 1, which is about that of water in the brightest contrast, over the standard deviation of the noise
        in each part of a sample.

    **Raises:** `ValueError` where a value is not possible.
    """

    parameter: str = "t2"
    objects: str = "templates"
    n_pixels: int = 64
    n_contrasts: int = 8
    echo_spacing: float = 10 * ms
    tr: float = 10 * ms
    n_coils: int = 8
    acceleration: float = 5.0
    sampling: str = "lines"
    snr: float = 100.0

    def __post_init__(self):
        super().__post_init__()
        for name, allowed in (("parameter", PARAMETERS), ("objects", OBJECTS), ("sampling", SAMPLING)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"`{name}` must be {' or '.join(map(repr, allowed))}, but got {getattr(self, name)!r}."
                )
        for name in ("n_pixels", "n_contrasts", "n_coils"):
            _checks.positive_integer(getattr(self, name), name)
        for name in ("echo_spacing", "tr", "snr"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite, but got {getattr(self, name)!r}.")
        if not 1 <= self.acceleration <= self.n_pixels / 4:
            raise ValueError(
                f"`acceleration` must be from 1 to a quarter of `n_pixels`, {self.n_pixels}, but got {self.acceleration!r}."
            )
