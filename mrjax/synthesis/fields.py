"""Random smooth maps: off-resonance and transmit fields, and textures."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mrjax import _checks

WAVES = 12
"""Plane waves in a texture."""

SHORTEST, LONGEST = 1 / 12, 1.0
"""Their wavelengths over the field of view."""

Plane = tuple[Float[Array, "nx 1"], Float[Array, "1 ny"]]


def smooth_field(
    key: Key[Array, ""], shape: Sequence[int], limits: Any, degree: int = 3, n_gaussians: int = 3
) -> Float[Array, "nx ny"]:
    r"""A random polynomial of both coordinates plus random Gaussians, within limits: an off-resonance or B1 map.

    $$f(u, v) = \sum_{i + j \le d} a_{ij} u^i v^j + \sum_n b_n e^{-|(u, v) - c_n|^2 / 2 w_n^2}, \qquad -1 \le u, v \le 1$$

    with $a_{ij}, b_n \sim \mathcal{N}(0, 1)$, $c_n$ uniform in the map and $w_n$ in 0.2..0.8. It is then stretched to reach
    from one to the other of two values drawn uniformly within `limits`, so that some maps are nearly flat.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `shape`: Pixels, `(nx, ny)`.
    - `limits`: `(low, high)` in the unit of the map, `low < high`, finite.
    - `degree`: Of the polynomial. At least 1.
    - `n_gaussians`: At least 1.

    **Returns:** Shape `(nx, ny)`, nowhere outside `limits`.

    **Derivatives:** in `limits`.

    **Raises:** `ValueError` where an argument is outside its range.

    **Source:** the kind of field is that of the templates of Simu-Net and MOST-DL, "low-order polynomial plus Gaussians"; they
    do not say which distribution it has.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import smooth_field
        >>> hertz = smooth_field(jax.random.key(0), (64, 64), (-150.0, 150.0))
        >>> hertz.shape, bool(abs(hertz).max() <= 150)
        ((64, 64), True)

        ```
    """
    degree, n_gaussians = (
        _checks.positive_integer(n, name) for n, name in ((degree, "degree"), (n_gaussians, "n_gaussians"))
    )
    low, high = checked_limits(limits, "limits")
    u, v = plane(shape)
    for_polynomial, for_gaussians, for_ends = jax.random.split(key, 3)
    raw = _polynomial(for_polynomial, u, v, degree) + _gaussians(for_gaussians, u, v, n_gaussians)
    raw = (raw - raw.min()) / jnp.maximum(raw.max() - raw.min(), jnp.finfo(raw.dtype).tiny)
    first, last = jax.random.uniform(for_ends, (2,), raw.dtype)
    # between both ends by weights that add up to one, so that rounding does not leave the limits
    share = jnp.clip(first + (last - first) * raw, 0, 1)
    return jnp.clip(low * (1 - share) + high * share, low, high)


def plane(shape: Sequence[int]) -> Plane:
    """Coordinates of the centres of pixels, from -1 at the one edge of the map to 1 at the other."""
    nx, ny = (_checks.positive_integer(n, "shape") for n in shape)
    u, v = (jnp.asarray((2 * np.arange(n) + 1) / n - 1, jnp.result_type(float)) for n in (nx, ny))
    return u[:, None], v[None]


def checked_limits(limits: Any, name: str) -> tuple[Array, Array]:
    """Two finite numbers in order."""
    pair = _checks.finite(_checks.real_array(limits, name), name).astype(jnp.result_type(float))
    if pair.shape != (2,):
        raise ValueError(f"`{name}` must be (low, high), but got shape {pair.shape}.")
    _checks.require(pair, pair[1] > pair[0], f"`{name}` must be (low, high) with low < high")
    return pair[0], pair[1]


def texture(key: Key[Array, ""], u: Float[Array, "nx 1"], v: Float[Array, "1 ny"]) -> Float[Array, "nx ny"]:
    """Plane waves of random directions, lengths and phases, of variance one."""
    turn, shift, long = jax.random.uniform(key, (3, WAVES), u.dtype)
    angle, phase = 2 * jnp.pi * turn, 2 * jnp.pi * shift
    wave_number = jnp.pi / (SHORTEST * jnp.exp(long * np.log(LONGEST / SHORTEST)))  # the map is two long
    right, up = wave_number * jnp.cos(angle), wave_number * jnp.sin(angle)
    # as products of a function of u and one of v, of which sums are a product of matrices
    cosines, sines = ((f(right[None] * u + phase[None]) @ f(up[:, None] * v)) for f in (jnp.cos, jnp.sin))
    return np.sqrt(2 / WAVES) * (cosines - sines)


def _polynomial(key: Key[Array, ""], u: Array, v: Array, degree: int) -> Float[Array, "nx ny"]:
    power = np.arange(degree + 1)
    weights = jax.random.normal(key, (degree + 1, degree + 1), u.dtype)
    weights = jnp.where(power[:, None] + power[None] <= degree, weights, 0.0)
    return u ** power[None] @ weights @ v ** power[:, None]


def _gaussians(key: Key[Array, ""], u: Array, v: Array, n: int) -> Float[Array, "nx ny"]:
    for_height, for_form = jax.random.split(key)
    height = jax.random.normal(for_height, (n,), u.dtype)
    x, y, wide = jax.random.uniform(for_form, (3, n), u.dtype)
    right, up, width = 2 * x - 1, 2 * y - 1, 0.2 + 0.6 * wide
    along_u = height[None] * jnp.exp(-(((u - right[None]) / width[None]) ** 2) / 2)
    return along_u @ jnp.exp(-(((v - up[:, None]) / width[:, None]) ** 2) / 2)
