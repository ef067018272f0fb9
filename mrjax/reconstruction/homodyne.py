"""Partial Fourier: one side of k-space from the other."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding import Fourier


def homodyne(k_space: ArrayLike, n_acquired: int, axis: int = -1, n_dims: int | None = None) -> Array:
    r"""A real image from the first lines of k-space, where the phase is smooth.

    $$\hat x = \operatorname{Re}\big( e^{-i \varphi} F^{-1} (h \, y) \big), \qquad \varphi = \arg F^{-1} (g \, y)$$

    $g$ keeps the lines that lie symmetrically about the centre, under a Hann window; $h$ counts lines without a partner twice and
    falls linearly from 2 to 0 over the symmetric ones.

    **Arguments:**

    - `k_space`: $y$, zero frequency at n // 2 of each axis. Shape `(*others, *voxels)`; lines after the first `n_acquired` are
        not read.
    - `n_acquired`: Lines along `axis`, more than half of them.
    - `axis`: That of the lines, one of the voxels'.
    - `n_dims`: Axes of voxels, the last ones; all by default.

    **Returns:** The real image, in the scale of the unitary `Fourier`; its sign is kept.

    **Error:** none for an image whose phase is that of the symmetric lines; a phase that varies faster is lost with its part of
    the signal.

    **Derivatives:** in the data, where the phase estimate is not zero.

    **Raises:** `ValueError` where not more than half of the lines are acquired.

    **Source:** Noll, Nishimura, Macovski 1991.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier
        >>> from mrjax.reconstruction import homodyne
        >>> image = jnp.array([0.0, 1.0, 3.0, 2.0, 1.0, 0.0, 2.0, 0.0])
        >>> k_space = Fourier(8)(image * jnp.exp(0.5j))
        >>> error = homodyne(k_space.at[6:].set(0), n_acquired=6) - image
        >>> bool(jnp.abs(error).max() < 1e-5)
        True

        ```
    """
    y = _checks.number_array(k_space, "k_space")
    rank = y.ndim if n_dims is None else _checks.positive_integer(n_dims, "n_dims")
    axis = axis % y.ndim
    if axis < y.ndim - rank:
        raise ValueError(f"`axis` must be one of the last {rank} of `k_space`, but got axis {axis} of shape {y.shape}.")
    n = y.shape[axis]
    if not n // 2 < n_acquired <= n:
        raise ValueError(f"`n_acquired` must be more than {n // 2} and at most {n}, but got {n_acquired}.")
    fourier = Fourier(y.shape[y.ndim - rank :])
    smooth, doubled = (_along(window, axis, y) for window in _windows(n, n_acquired))
    phase = fourier.adjoint(y * smooth)
    size = jnp.abs(phase)
    turned_back = phase.conj() / jnp.where(size > 0, size, 1.0)
    return (fourier.adjoint(y * doubled) * turned_back).real


def _windows(n: int, n_acquired: int) -> tuple[np.ndarray, np.ndarray]:
    q = np.arange(n) - n // 2
    width = n_acquired - n // 2  # the first line that is missing
    symmetric = np.abs(q) < width
    smooth = np.where(symmetric, np.cos(np.pi * q / (2 * width)) ** 2, 0.0)
    doubled = np.where(q <= -width, 2.0, np.where(symmetric, 1 - q / width, 0.0))
    if n % 2 == 0 and width < n // 2 + 1:
        doubled[0] = 1.0  # the line at -n/2 is its own partner
    return smooth, doubled


def _along(window: np.ndarray, axis: int, like: Any) -> Array:
    return jnp.asarray(window, like.real.dtype).reshape(*(1,) * axis, -1, *(1,) * (like.ndim - axis - 1))
