"""Sums of exponentials at points off the grid, by a library: modes to points (type 2), and points to modes (type 1).

jax-finufft computes on CPUs, where it was measured to take a thirtieth (onto a grid in 3D) to three quarters (2D, from it) of
the time of nufftax (`benchmarks/results/nufft.md`); nufftax computes on other devices, where jax-finufft must
be compiled by hand.
Each serves for the other where it alone is installed.
"""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.encoding.grids import positions
from mrjax.jax_rules.linear_operations import Linear

LIBRARIES = ("jax_finufft", "nufftax")


@functools.cache
def installed() -> tuple[str, ...]:
    """The libraries that there are; `ImportError` where there is none."""
    found = tuple(name for name in LIBRARIES if importlib.util.find_spec(name) is not None)
    if not found:
        raise ImportError(
            "`Nufft` needs jax-finufft or nufftax, but neither is installed; `pip install 'mrjax[nufft]'`."
        )
    return found


def to_points(
    points: Array, modes: Array, *, shape: tuple[int, ...], sign: int, tolerance: float, threads: int | None = None
) -> Array:
    """Type 2 by nufftax, as `mrjax.jax_rules.linear_pair` has it: `(groups, each, *shape)` to `(groups, each, n)`."""
    if "nufftax" not in installed():
        return _finufft_to_points(points, modes, shape=shape, sign=sign, tolerance=tolerance, threads=threads)
    import nufftax

    transform = getattr(nufftax, f"nufft{len(shape)}d2")
    return _in_groups(lambda x, f: transform(*x[::-1], f, eps=tolerance, isign=sign), points, modes)


def to_modes(
    points: Array, values: Array, *, shape: tuple[int, ...], sign: int, tolerance: float, threads: int | None = None
) -> Array:
    """Type 1 by nufftax, its transpose: `(groups, each, n)` to `(groups, each, *shape)`."""
    if "nufftax" not in installed():
        return _finufft_to_modes(points, values, shape=shape, sign=sign, tolerance=tolerance, threads=threads)
    import nufftax

    transform = getattr(nufftax, f"nufft{len(shape)}d1")
    n_modes = shape[0] if len(shape) == 1 else shape[::-1]
    return _in_groups(lambda x, c: transform(*x[::-1], c, n_modes, eps=tolerance, isign=sign), points, values)


def _in_groups(transform: Callable, points: Array, values: Array) -> Array:
    """One after the other; nufftax takes many values, but one set of points."""
    with jax.numpy_rank_promotion("allow"):  # which nufftax needs, whatever the user forbids
        if points.shape[0] == 1:
            return transform(points[0], values[0])[None]
        return jax.lax.map(lambda group: transform(*group), (points, values))


def _finufft_to_points(
    points: Array, modes: Array, *, shape: tuple[int, ...], sign: int, tolerance: float, threads: int | None = None
) -> Array:
    import jax_finufft
    from jax_finufft.options import Opts

    options = Opts(nthreads=threads or 0)
    return jax_finufft.nufft2(modes, *_one_each(points), iflag=sign, eps=tolerance, opts=options)


def _finufft_to_modes(
    points: Array, values: Array, *, shape: tuple[int, ...], sign: int, tolerance: float, threads: int | None = None
) -> Array:
    import jax_finufft
    from jax_finufft.options import Opts

    options = Opts(nthreads=threads or 0)
    return jax_finufft.nufft1(shape, values, *_one_each(points), iflag=sign, eps=tolerance, opts=options)


def _one_each(points: Array) -> tuple[Array, ...]:
    """The coordinates, with an axis of length one over which values go."""
    return tuple(points[:, None, axis] for axis in range(points.shape[1]))


def _on_cpu(finufft: Callable, other: Callable) -> Callable:
    def computed(points: Array, values: Array, **options: Any) -> Array:
        return (finufft if "jax_finufft" in installed() else other)(points, values, **options)

    return computed


def _moved_points(
    apply: Callable, points: Array, tangent: Array, modes: Array, shape: tuple[int, ...], sign: int
) -> Array:
    r"""$\mathrm{d}y = \sum_d \mathrm{d}x_d \, A(\pm i \, n_d f)$, in one transform for all axes."""
    n_groups, n_each = modes.shape[:2]
    weighted = jnp.stack([modes * _as_modes(n, modes, sign) for n in positions(shape)], axis=1)
    changes = apply(points, weighted.reshape(n_groups, -1, *shape))
    return (changes.reshape(n_groups, len(shape), n_each, -1) * tangent[:, :, None]).sum(1)


def _moved_sources(
    apply: Callable, points: Array, tangent: Array, values: Array, shape: tuple[int, ...], sign: int
) -> Array:
    r"""$\mathrm{d}f_n = \sum_d \pm i \, n_d \, A^T(\mathrm{d}x_d \, c)$, in one transform for all axes."""
    n_groups, n_each, n_points = values.shape
    weighted = values[:, None] * tangent[:, :, None]
    changes = apply(points, weighted.reshape(n_groups, -1, n_points)).reshape(n_groups, len(shape), n_each, *shape)
    terms = [changes[:, d] * _as_modes(n, values, sign) for d, n in enumerate(positions(shape))]
    return sum(terms[1:], start=terms[0])


def _as_modes(n: Any, like: Array, sign: int) -> Array:
    """`sign * i * n`, for the two axes in front."""
    return jnp.asarray(sign * 1j * n, like.dtype)[None, None]


def _rule(change: Callable) -> Callable:
    """The derivative in the points, whose options are those of the transform that is applied."""

    def derivative(apply: Any, points: Array, tangent: Array, values: Array) -> Array:
        options = apply.keywords
        return change(apply, points, tangent, values, options["shape"], options["sign"])

    return derivative


TO_POINTS = Linear(
    "modes_to_points",
    to_points,
    _on_cpu(_finufft_to_points, to_points),
    lambda points, modes, **_: (points.shape[-1],),
    _rule(_moved_points),
)
TO_MODES = Linear(
    "points_to_modes",
    to_modes,
    _on_cpu(_finufft_to_modes, to_modes),
    lambda points, values, *, shape, **_: shape,
    _rule(_moved_sources),
)
