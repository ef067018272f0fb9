"""What a person may want of a sequence, as small functions to be weighted and added."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks


def relative_error(values: Any, target: Any, weights: Any = 1.0) -> Float[Array, ""]:
    r"""The squared error of an image, of k-space, of a slice profile, relative to the target.

    $$\frac{\sum_i w_i |x_i - t_i|^2}{\sum_i w_i |t_i|^2}$$

    Its square root is the normalised root mean square error (NRMSE).

    **Arguments:**

    - `values`: $x$, real or complex, of any shape and unit.
    - `target`: $t$, which broadcasts to that shape; not zero everywhere.
    - `weights`: $w$, zero or more, which broadcast to that shape.

    **Returns:** a number, zero or more.

    **Derivatives:** everywhere.

    **Raises:** `ValueError` for shapes that do not fit, weights that are negative and a target that is zero where it counts.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> round(float(mr.design.relative_error([1.0, 1.1], [1.0, 1.0])), 4)
        0.005

        ```
    """
    values, target = _checks.number_array(values, "values"), _checks.number_array(target, "target")
    weights = _checks.non_negative(_checks.real_array(weights, "weights"), "weights", "a plain number")
    _checks.broadcast_shape({"values": values, "target": target, "weights": weights})
    shape = values.shape
    for name, one in (("target", target), ("weights", weights)):
        if jnp.broadcast_shapes(shape, one.shape) != shape:
            raise ValueError(f"`{name}` must broadcast to the shape of `values`, {shape}, but has shape {one.shape}.")
    target, weights = jnp.broadcast_to(target, shape), jnp.broadcast_to(weights, shape)
    difference = values - target
    whole = jnp.sum(weights * _square(target))
    whole = _checks.require(whole, whole > 0, "`target` must not be zero everywhere where it counts")
    return jnp.sum(weights * _square(difference)) / whole


def magnitude_error(values: Any, target: Any, weights: Any = 1.0) -> Float[Array, ""]:
    r"""As `relative_error`, of magnitudes: the phase of the target is free (magnitude least squares).

    $$\frac{\sum_i w_i (|x_i| - |t_i|)^2}{\sum_i w_i |t_i|^2}$$

    **Arguments:** as of `relative_error`.

    **Returns:** a number, zero or more.

    **Derivatives:** everywhere but where a value is zero, whose derivative is taken to be zero.

    **Raises:** `ValueError` as `relative_error` does.

    **Source:** K. Setsompop, L. L. Wald, V. Alagappan, B. A. Gagoski, E. Adalsteinsson, Magn Reson Med 59 (2008) 908-915.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> round(float(mr.design.magnitude_error([1j, -1.1], [1.0, 1.0])), 4)
        0.005

        ```
    """
    values, target = _checks.number_array(values, "values"), _checks.number_array(target, "target")
    return relative_error(jnp.abs(values), jnp.abs(target), weights)


def contrast(first: Any, second: Any, duration: Any = 1.0, noise_std: Any = 1.0) -> Float[Array, ""]:
    r"""How well two tissues are told apart in a given time: the square of the contrast-to-noise ratio, for each second.

    $$\frac{1}{T} \frac{1}{n} \sum_{i=1}^n \frac{|S_{1,i} - S_{2,i}|^2}{\sigma^2}$$

    It is to be large: give it a negative weight.

    **Arguments:**

    - `first`, `second`: Signals of both tissues, real or complex, of one shape.
    - `duration`: $T$ of the sequence in s, positive.
    - `noise_std`: $\sigma$ in the unit of the signal, positive.

    **Returns:** a number, in 1/s.

    **Derivatives:** everywhere.

    **Raises:** `ValueError` for shapes that differ and numbers that are not positive.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> float(mr.design.contrast([0.5], [0.25], duration=0.5, noise_std=0.125))
        8.0

        ```
    """
    first, second = _checks.number_array(first, "first"), _checks.number_array(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"`first` and `second` must have one shape, but have {first.shape} and {second.shape}.")
    duration = _checks.positive(_checks.real_array(duration, "duration"), "duration", "s")
    noise = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "in the unit of the signal")
    return jnp.mean(_square(first - second)) / (duration * noise**2)


def side_lobes(trajectory: Any, position: Any, radius: Any, weights: Any = None) -> Float[Array, ""]:
    r"""The mean power of the point spread function beyond its main lobe, relative to its peak.

    $$\frac{1}{N} \sum_{|r_j| > R} \left| \frac{\sum_s w_s e^{2 \pi i k_s \cdot r_j}}{\sum_s w_s} \right|^2$$

    **Arguments:**

    - `trajectory`: $k$ in cycles/m, `(n_samples, n_axes)`.
    - `position`: $r$ in m, `(n_positions, n_axes)`: those of the voxels around the one in the middle.
    - `radius`: $R$ of the main lobe in m, positive; some position must lie beyond.
    - `weights`: $w$, compensation of density, `(n_samples,)`; one by default.

    **Returns:** a number from 0 to 1.

    **Derivatives:** in the trajectory and the weights.

    **Raises:** `ValueError` for other shapes, and where no position is beyond.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> k = jnp.arange(-8, 8)[:, None] / 0.16  # all of k-space of 16 voxels of 1 cm
        >>> voxels = jnp.arange(-8, 8)[:, None] * 0.01
        >>> print(f"{float(mr.design.side_lobes(k, voxels, radius=5e-3)):.4f}")
        0.0000

        ```
    """
    trajectory, position = _on_the_same_axes(trajectory, position, "position")
    radius = _checks.positive(_checks.real_array(radius, "radius"), "radius", "m")
    weights = jnp.ones(trajectory.shape[0]) if weights is None else _checks.real_array(weights, "weights")
    if weights.shape != trajectory.shape[:1]:
        raise ValueError(f"`weights` must be one for each of {trajectory.shape[0]} samples, but have {weights.shape}.")
    beyond = jnp.sum(position**2, axis=1) > radius**2
    n = _checks.require(jnp.sum(beyond), jnp.any(beyond), "`position` must have rows farther than `radius` (m)")
    phase = 2 * math.pi * (position @ trajectory.T)
    spread = (jnp.exp(1j * phase) @ weights.astype(jnp.result_type(phase, 1j))) / jnp.sum(weights)
    return jnp.sum(jnp.where(beyond, _square(spread), 0.0)) / n


def uncovered(trajectory: Any, targets: Any, width: Any) -> Float[Array, ""]:
    r"""The share of k-space that no sample is near, smooth in the samples.

    $$\frac{1}{n} \sum_q \prod_s \left(1 - e^{-|k_s - q|^2 / 2 w^2}\right)$$

    **Arguments:**

    - `trajectory`: $k$ in cycles/m, `(n_samples, n_axes)`.
    - `targets`: $q$, where samples are wanted, in cycles/m, `(n_targets, n_axes)`.
    - `width`: $w$, within which a target counts as covered, in cycles/m, positive.

    **Returns:** a number from 0 (every target has a sample on it) to 1.

    **Derivatives:** in the trajectory.

    **Raises:** `ValueError` for other shapes.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> grid = jnp.arange(-4, 4)[:, None] / 0.2
        >>> print(f"{float(mr.design.uncovered(grid[::2], grid, width=0.5)):.3f}")
        0.500

        ```
    """
    trajectory, targets = _on_the_same_axes(trajectory, targets, "targets")
    width = _checks.positive(_checks.real_array(width, "width"), "width", "cycles/m")

    def left(without: Array, sample: Array) -> tuple[Array, None]:
        distance = jnp.sum((targets - sample[None]) ** 2, axis=1) / width**2
        return without * -jnp.expm1(-distance / 2), None

    without, _ = jax.lax.scan(left, jnp.ones(targets.shape[0], targets.dtype), trajectory)
    return jnp.mean(without)


def _square(values: Array) -> Array:
    return values.real**2 + values.imag**2


def _on_the_same_axes(trajectory: Any, other: Any, name: str) -> tuple[Array, Array]:
    """Samples and other places, of as many axes."""
    trajectory, other = _rows(trajectory, "trajectory"), _rows(other, name)
    if trajectory.shape[1] != other.shape[1]:
        raise ValueError(
            f"`trajectory` and `{name}` must have one number of axes, but have shapes {trajectory.shape} and {other.shape}."
        )
    return trajectory, other


def _rows(values: Any, name: str) -> Array:
    values = _checks.real_array(values, name)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"`{name}` must have shape (n, n_axes), with a row for each, but has {values.shape}.")
    return values
