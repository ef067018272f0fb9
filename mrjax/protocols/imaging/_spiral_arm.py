"""A spiral from the middle of k-space outwards, as fast as gradients and their slew rate allow."""

import math

import numpy as np
from jaxtyping import Float

from mrjax.protocols.imaging._lobes import GAMMA_BAR_PROTON
from mrjax.sequence import Scanner

STEPS = 10
"""In which the speed is followed within a gradient raster."""

MARGIN = 0.93
"""Share of the limits that is used: what makes up for straight lines between points takes the rest."""

LARGEST_ANGLE = 0.2
"""By which k turns within a gradient raster, in rad: straight lines cannot follow a sharper bend."""


def archimedean_gradient(turn: float, k_max: float, scanner: Scanner, speed_limit: float) -> Float[np.ndarray, "n 2"]:
    r"""Along x and y in T/m at whole gradient rasters, zero at first, for $k = a \theta e^{i \theta}$ until `k_max`.

    From step to step $\theta''$ is the largest for which $|k''|$ stays within the slew rate; where $|k'|$ has reached the
    limit of speed, it is held.

    **Arguments:**

    - `turn`: By which k grows in a turn, in cycles/m.
    - `k_max`: Where the spiral ends at the earliest, in cycles/m.
    - `speed_limit`: Of k, in cycles/m/s.
    """
    a, dt = turn / (2 * math.pi), scanner.gradient_raster / STEPS
    slew = MARGIN * GAMMA_BAR_PROTON * scanner.max_slew / a
    fastest = MARGIN * min(GAMMA_BAR_PROTON * scanner.max_gradient, speed_limit) / a
    theta, rate, speeds = 0.0, 0.0, [0j]
    while theta * a < k_max:
        for _ in range(STEPS):
            grown = rate + _acceleration(theta, rate, slew) * dt
            grown = min(grown, fastest / math.hypot(1.0, theta), LARGEST_ANGLE / scanner.gradient_raster)
            theta, rate = theta + (rate + grown) / 2 * dt, grown
        speeds.append(a * rate * (1 + 1j * theta) * np.exp(1j * theta))
    speed = np.array(speeds)
    # straight lines between values of a curve have too little area, by this much
    speed[1:-1] -= np.diff(speed, 2) / 12
    gradient = -speed / GAMMA_BAR_PROTON
    return np.stack([gradient.real, gradient.imag], axis=-1)


def _acceleration(theta: float, rate: float, slew: float) -> float:
    r"""The largest $\theta''$ with $|(1 + i\theta) \theta'' + (2 i - \theta) \theta'^2| \le$ `slew`; zero where none is."""
    square = 1 + theta**2
    # |p + q x|^2 with q = 1 + i theta and p = (2 i - theta) rate^2
    mixed, own = rate**2 * theta, rate**4 * (4 + theta**2) - slew**2
    inside = mixed**2 - square * own
    return (math.sqrt(inside) - mixed) / square if inside > 0 else -mixed / square
