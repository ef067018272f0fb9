"""Phases without their jumps by whole turns."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax.inverse.qsm._volumes import along_axes, checked_mask

TURN = 2 * np.pi
MOST_ITERATIONS = 100
TOLERANCE = 1e-3
"""Of the residual: the rest goes when whole turns are chosen."""


def unwrap(phase: Any, mask: Any = None) -> Float[Array, "nx ny nz"]:
    r"""A phase whose neighbours differ by less than half a turn, by least squares: Laplacian unwrapping.

    $$\psi = \arg\min_\psi \sum_{(r, s)} \big| \psi_s - \psi_r - \arg e^{i (\varphi_s - \varphi_r)} \big|^2, \qquad
    \hat\varphi = \varphi + 2 \pi \Big\lfloor \frac{\psi - \varphi}{2 \pi} \Big\rceil$$

    over neighbours $r$ and $s$ that both lie in the mask. In a mask of everything this is Poisson's equation with the Laplacian
    of the phase on the right. The result differs from the phase by whole turns alone.

    **Arguments:**

    - `phase`: $\varphi$ in rad. Shape `(nx, ny, nz)`.
    - `mask`: Where the phase is signal: true, or not zero; all of it by default. Shape `(nx, ny, nz)`. Parts that do not touch
        are each right up to whole turns.

    **Returns:** $\hat\varphi$ in rad, shape `(nx, ny, nz)`, its mean over the mask within half a turn of zero; zero outside.

    **Error:** none where true differences between neighbours in the mask are below half a turn. Where they are not, as next to
    veins and air, whole turns may be wrong in voxels around; `unwrap_by_path` confines that better.

    **Derivatives:** one in the phase of the voxel; the choice of turns has none.

    **Raises:** `ValueError` for a phase that is no volume or not finite in the mask, and a mask of another shape or empty.

    **Source:** D. C. Ghiglia and L. A. Romero, J Opt Soc Am A 11 (1994) 107-117, for the weighted least squares.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> true = jnp.broadcast_to(jnp.linspace(-9, 9, 16)[:, None, None], (16, 4, 4))
        >>> wrapped = jnp.angle(jnp.exp(1j * true))
        >>> bool(jnp.allclose(mr.inverse.qsm.unwrap(wrapped), true, atol=1e-4))
        True

        ```
    """
    wrapped, inside = _checked(phase, mask)
    return _unwrapped(wrapped, inside)


def unwrap_by_path(phase: Any, mask: Any = None) -> Float[Array, "nx ny nz"]:
    """A phase without jumps, from the most reliable voxels to the least, by scikit-image.

    **Arguments:** as of `unwrap`, known before compiling.

    **Returns:** as `unwrap`.

    **Derivatives:** none.

    **Raises:** as `unwrap`; `ImportError` without scikit-image, which `pip install mrjax[qsm]` brings.

    **Source:** H. Abdul-Rahman et al., Appl Opt 46 (2007) 6623-6635.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> true = jnp.broadcast_to(jnp.linspace(-9, 9, 16)[:, None, None], (16, 4, 4))
        >>> wrapped = jnp.angle(jnp.exp(1j * true))
        >>> bool(jnp.allclose(mr.inverse.qsm.unwrap_by_path(wrapped), true, atol=1e-4))
        True

        ```
    """
    try:
        from skimage.restoration import unwrap_phase
    except ImportError as error:
        raise ImportError(
            "`unwrap_by_path` needs scikit-image: `pip install mrjax[qsm]`; `unwrap` does without it."
        ) from error
    wrapped, inside = _checked(phase, mask)
    known = np.ma.array(np.array(wrapped, float), mask=~np.asarray(inside))  # of a copy, as it wants to write
    found = np.ma.filled(unwrap_phase(known, rng=0), 0.0)
    return _centred(jnp.asarray(found, wrapped.dtype), inside)


def _checked(phase: Any, mask: Any) -> tuple[Array, Array]:
    wrapped = _checks.real_array(phase, "phase")
    if wrapped.ndim != 3:
        raise ValueError(f"`phase` must be a volume, (nx, ny, nz), but got shape {wrapped.shape}.")
    inside = checked_mask(np.ones(wrapped.shape, bool) if mask is None else mask, wrapped.shape)
    return _checks.finite(jnp.where(inside, wrapped, 0.0), "phase"), inside


@eqx.filter_jit
def _unwrapped(phase: Array, mask: Array) -> Array:
    def steps(volume: Array) -> list[Array]:
        return [jnp.diff(volume, axis=axis) * _pairs(mask, axis) for axis in range(3)]

    def gathered(slopes: list[Array]) -> Array:
        """The adjoint of the differences."""
        parts = [jnp.diff(slope, axis=axis, prepend=0, append=0) for axis, slope in enumerate(slopes)]
        return -(parts[0] + parts[1] + parts[2])

    wrapped = [slope - TURN * jnp.round(slope / TURN) for slope in steps(jax.lax.stop_gradient(phase))]
    right = gathered([slope * _pairs(mask, axis) for axis, slope in enumerate(wrapped)])
    smooth = _solved(lambda volume: gathered(steps(volume)), right)
    away = smooth - phase
    # the solution is known but for a constant, of which most voxels are at whole turns
    mean = lambda wave: jnp.where(mask, wave(away), 0.0).sum()
    off = jnp.arctan2(mean(jnp.sin), mean(jnp.cos))
    return _centred(phase + TURN * jax.lax.stop_gradient(jnp.round((away - off) / TURN)), mask)


def _pairs(mask: Array, axis: int) -> Array:
    """Whether this voxel and the next one lie in the mask."""
    n = mask.shape[axis]
    return jax.lax.slice_in_dim(mask, 0, n - 1, axis=axis) & jax.lax.slice_in_dim(mask, 1, n, axis=axis)


def _solved(laplacian: Callable[[Array], Array], right: Array) -> Array:
    """By conjugate gradients, nearly enough to choose turns; each operator is compiled once."""
    enough = TOLERANCE**2 * jnp.vdot(right, right)

    def goes_on(carry: tuple[Array, Array, Array, Array, Array]) -> Array:
        _, residual, _, _, n = carry
        return (n < MOST_ITERATIONS) & (jnp.vdot(residual, residual) > enough)

    def nearer(carry: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        solution, residual, direction, last, n = carry
        better = _poisson_solution(residual)
        size = jnp.vdot(residual, better)
        direction = better + size / last * direction
        bent = laplacian(direction)
        step = size / jnp.vdot(direction, bent)
        return solution + step * direction, residual - step * bent, direction, size, n + 1

    zero = jnp.zeros_like(right)
    return jax.lax.while_loop(goes_on, nearer, (zero, right, zero, jnp.ones((), right.dtype), jnp.asarray(0)))[0]


def _poisson_solution(right: Array) -> Array:
    """With mirrored ends, of mean zero; by cosine transforms, which are quicker as matrices and compile sooner."""
    from scipy.fft import dct  # which few need

    matrices = [jnp.asarray(dct(np.eye(n), axis=0, norm="ortho"), right.dtype) for n in right.shape]
    total = jnp.zeros((1, 1, 1), right.dtype)
    for axis, n in enumerate(right.shape):
        at = tuple(slice(None) if axis == other else None for other in range(3))
        total = total + (4 * jnp.sin(jnp.pi * jnp.arange(n, dtype=right.dtype) / (2 * n)) ** 2)[at]
    spectrum = jnp.where(total > 0, along_axes(right, matrices) / jnp.where(total > 0, total, 1.0), 0.0)
    return along_axes(spectrum, [matrix.T for matrix in matrices])


def _centred(phase: Array, mask: Bool[Array, "nx ny nz"]) -> Array:
    mean = jnp.where(mask, phase, 0.0).sum() / mask.sum()
    return jnp.where(mask, phase - TURN * jax.lax.stop_gradient(jnp.round(mean / TURN)), 0.0)
