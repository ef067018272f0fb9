"""Random flip-angle schedules."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mrjax import _checks

LARGEST_FLIP_ANGLE = float(np.deg2rad(120))  # rad, of the published trains


def spline_schedule(
    key: Key[Array, ""], n_repetitions: int, n_knots: int, largest: Any = LARGEST_FLIP_ANGLE, noise: Any = 0.0
) -> Float[Array, " n_repetitions"]:
    """Flip angles along a natural cubic spline through random knots, with noise if asked, cut at zero and `largest`.

    The knots are uniform in [0, `largest`] and equally spaced in time, the first at the first repetition and the last at
    the last. The trains named Spline5 have 5 knots, SplineNoise11 have 11 and noise; the published arrays are not
    available, so these share their construction, not their numbers.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `n_repetitions`: Pulses. At least 1.
    - `n_knots`: At least 4.
    - `largest`: Flip angle in rad that is never exceeded. Positive scalar.
    - `noise`: Standard deviation of Gaussian noise on each angle, in rad. Scalar, not negative.

    **Returns:** Flip angles in rad, `(n_repetitions,)`. Derivatives with respect to `largest` and `noise` exist except
    where an angle is cut.

    **Raises:** `ValueError` where an argument is outside its range.

    **Source:** after H. Liu, O. van der Heide, C. A. T. van den Berg, A. Sbrizzi, NMR Biomed 34 (2021) e4527, PMC8244023.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import spline_schedule
        >>> spline_schedule(jax.random.key(0), 1120, n_knots=11, noise=0.02).shape
        (1120,)

        ```
    """
    n_repetitions = _checks.positive_integer(n_repetitions, "n_repetitions")
    if not isinstance(n_knots, int | np.integer) or n_knots < 4:
        raise ValueError(f"`n_knots` must be an integer of at least 4, but got {n_knots}.")
    largest = _checks.finite(_checks.positive(_scalar(largest, "largest"), "largest", "rad"), "largest")
    noise = _checks.finite(_checks.non_negative(_scalar(noise, "noise"), "noise", "rad"), "noise")
    for_knots, for_noise = jax.random.split(key)
    knots = largest * jax.random.uniform(for_knots, (n_knots,))
    smooth = jnp.asarray(_interpolation(n_repetitions, n_knots), knots.dtype) @ knots
    return jnp.clip(smooth + noise * jax.random.normal(for_noise, smooth.shape), 0.0, largest)


def _scalar(value: Any, name: str) -> Float[Array, ""]:
    array = _checks.real_array(value, name)
    if array.ndim:
        raise ValueError(f"`{name}` must be a scalar (rad), but got shape {array.shape}.")
    return array


def _interpolation(n_repetitions: int, n_knots: int) -> Float[np.ndarray, "n_repetitions n_knots"]:
    from scipy.interpolate import CubicSpline  # takes as long to import as most of mrjax

    # a spline is linear in its knots, so splines through unit knots give the matrix
    spline = CubicSpline(np.linspace(0, 1, n_knots), np.eye(n_knots), bc_type="natural")
    return spline(np.linspace(0, 1, n_repetitions))
