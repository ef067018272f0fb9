"""Which points of a Cartesian k-space are sampled."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from mrjax import _checks
from mrjax.encoding.grids import checked_shape, positions

Shape = int | tuple[int, ...]


def uniform(shape: Shape, acceleration: Shape, n_calibration: int = 0) -> Bool[Array, "*shape"]:
    """Every so many lines along each axis, those through the centre among them.

    **Arguments:**

    - `shape`: Points along each phase-encoding axis. For a mask of an image whose first axis is read out: `uniform(...)[None]`.
    - `acceleration`: Of each axis, or one for all; integers of at least 1.
    - `n_calibration`: Points along each axis of the centre that are sampled fully, for coil maps.

    **Returns:** A mask, true where k-space is sampled.

    **Raises:** `ValueError` for accelerations that do not fit the shape.

    !!! example

        ```python
        >>> from mrjax.encoding import patterns
        >>> print(patterns.uniform(8, acceleration=2, n_calibration=2).astype(int))
        [1 0 1 1 1 0 1 0]

        ```
    """
    n = checked_shape(shape)
    factors = checked_shape(acceleration)
    factors = factors * len(n) if len(factors) == 1 else factors
    if len(factors) != len(n):
        raise ValueError(f"`acceleration` must be one integer, or one for each axis of {n}, but got {acceleration}.")
    lines = [(index % factor == 0) for index, factor in zip(positions(n), factors, strict=True)]
    mask = np.ones(n, bool)
    for line in lines:
        mask &= line
    return jnp.asarray(mask | _center(n, n_calibration))


def variable_density(
    key: Array, shape: Shape, acceleration: float | int, power: float | int = 3.0, n_calibration: int = 0
) -> Bool[Array, "*shape"]:
    r"""Points drawn at random, denser towards the centre.

    Each is drawn with a weight of $(1 - \rho)^p$, where $\rho$ is the distance from the centre as a part of the largest.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `shape`, `n_calibration`: As of `uniform`.
    - `acceleration`: Points of k-space for each that is sampled, at least 1; kept to the nearest point.
    - `power`: $p$, zero for even density.

    **Returns:** A mask, true where k-space is sampled.

    **Raises:** `ValueError` for an acceleration below 1, or one that the calibration region alone spends.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.encoding import patterns
        >>> mask = patterns.variable_density(jax.random.key(0), (64, 64), acceleration=4)
        >>> int(mask.sum())
        1024

        ```
    """
    n = checked_shape(shape)
    count = _count(n, acceleration, n_calibration)
    weights = power * jnp.log(jnp.maximum(1 - jnp.asarray(_radius(n), float), 1e-6))
    # the largest of log-weights with Gumbel noise are drawn without replacement
    drawn = weights + jax.random.gumbel(key, n, weights.dtype)
    drawn = jnp.where(_center(n, n_calibration), jnp.inf, drawn)
    kept = jnp.argsort(drawn.ravel(), descending=True)[:count]
    return jnp.zeros(drawn.size, bool).at[kept].set(True).reshape(n)


def poisson_disc(
    key: Array, shape: Shape, acceleration: float | int, growth: float | int = 0.0, n_calibration: int = 0
) -> Bool[Array, "*shape"]:
    r"""Points drawn at random that keep a distance from each other.

    The distance is $d \, (1 + g \rho)$, where $\rho$ is that from the centre as a part of the largest; $d$ is searched for the
    acceleration.

    **Arguments:**

    - `key`: Of `jax.random`; known, not traced.
    - `shape`, `n_calibration`: As of `uniform`; one to three axes.
    - `acceleration`: Points of k-space for each that is sampled, at least 1; kept to the nearest point. There are only so
        many distances on a grid, and what the next smaller one has too much is left out at random.
    - `growth`: $g$, zero or more.

    **Returns:** A mask, true where k-space is sampled.

    **Raises:** as `variable_density`.

    **Source:** the dart throwing of Bridson 2007, over all points of a grid in random order.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.encoding import patterns
        >>> mask = patterns.poisson_disc(jax.random.key(0), (64, 64), acceleration=4, growth=1.0, n_calibration=8)
        >>> int(mask.sum())
        1024

        ```
    """
    n = checked_shape(shape)
    wanted = _count(n, acceleration, n_calibration)
    places = np.random.default_rng(np.asarray(_data(key))).permutation(int(np.prod(n)))
    center = _center(n, n_calibration)
    low, high = 0.0, 2.0 * float(acceleration)
    best = np.ones(n, bool)  # of those with enough points
    for _ in range(14):
        distance = (low + high) / 2
        mask = _thrown(places, distance * (1 + growth * _radius(n)), center)
        if mask.sum() >= wanted:
            low, best = distance, mask
        else:
            high = distance
    kept = places[(best & ~center).ravel()[places]][: wanted - int(center.sum())]
    mask = center.copy()
    mask.ravel()[kept] = True
    return jnp.asarray(mask)


def partial_fourier(shape: Shape, fraction: float | int, axis: int = -1) -> Bool[Array, "*shape"]:
    """The first part of the lines along an axis, beyond the centre.

    **Arguments:**

    - `shape`: Points along each axis.
    - `fraction`: Of the lines, above 0.5 and at most 1; rounded up to whole lines.
    - `axis`: Along which lines are left out, the last ones.

    **Returns:** A mask, true where k-space is sampled.

    **Raises:** `ValueError` for a fraction out of range.

    !!! example

        ```python
        >>> from mrjax.encoding import patterns
        >>> print(patterns.partial_fourier(8, fraction=0.75).astype(int))
        [1 1 1 1 1 1 0 0]

        ```
    """
    n = checked_shape(shape)
    if not 0.5 < fraction <= 1:
        raise ValueError(f"`fraction` must be above 0.5 and at most 1, but got {fraction}.")
    lines = np.arange(n[axis]) < int(np.ceil(fraction * n[axis]))
    return jnp.asarray(np.broadcast_to(np.moveaxis(lines.reshape(-1, *(1,) * (len(n) - 1)), 0, axis), n))


def _data(key: Any) -> Array:
    if not _checks.is_concrete(key):
        raise ValueError(
            "`key` must be known, not traced: points are thrown one after the other; make the mask outside."
        )
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def _thrown(places: np.ndarray, distance: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Visits places in order; one that is free is taken, and what is nearer than its distance is free no more."""
    reach = int(np.ceil(distance.max()))
    offsets = np.indices((2 * reach + 1,) * center.ndim).reshape(center.ndim, -1) - reach
    squared = (offsets**2).sum(0)
    taken = np.pad(center, reach, constant_values=True)
    mask = center.copy()
    strides = np.cumprod((1, *taken.shape[:0:-1]))[::-1]
    steps, free, flat = strides @ offsets, taken.ravel(), mask.ravel()
    inside = np.ravel_multi_index(tuple(i + reach for i in np.unravel_index(places, center.shape)), taken.shape)
    near = {}
    for place, at, radius in zip(places.tolist(), inside.tolist(), distance.ravel()[places].tolist(), strict=True):
        if free[at]:
            continue
        flat[place] = True
        size = int(radius * 16)  # a sixteenth of a point is fine enough
        if size not in near:
            near[size] = steps[squared < max(radius, 0.5) ** 2]
        free[at + near[size]] = True
    return mask


def _radius(n: tuple[int, ...]) -> np.ndarray:
    """Distance from the centre, one in the middle of an edge, at most one."""
    squared = sum((index / max(1, m // 2)) ** 2 for index, m in zip(positions(n), n, strict=True))
    return np.minimum(np.sqrt(np.broadcast_to(squared, n)), 1.0)


def _center(n: tuple[int, ...], n_calibration: int) -> np.ndarray:
    mask = np.ones(n, bool)
    for index in positions(n):
        mask &= (index >= -(n_calibration // 2)) & (index < n_calibration - n_calibration // 2)
    return mask


def _count(n: tuple[int, ...], acceleration: float | int, n_calibration: int) -> int:
    count = round(int(np.prod(n)) / acceleration) if acceleration >= 1 else 0
    spent = int(_center(n, n_calibration).sum())
    if count < max(1, spent):
        raise ValueError(
            f"`acceleration` must be at least 1 and leave more than the {spent} points of calibration, but got {acceleration}."
        )
    return count
