"""Spins laid out in parts of columns, small enough for a cache and for the memory."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int

from mrjax import _checks
from mrjax.physics.execution.distinct import without_m0
from mrjax.physics.imaging.columns import Columns
from mrjax.physics.imaging.parts import Part
from mrjax.sequence.precision import Numbers, numpy_of
from mrjax.tissue import Tissue

SPINS_AT_ONCE = 2**14
"""On a CPU: what is known of them stays in its second-level cache from line to line."""

LARGEST = 2**26
"""Bytes of one part on a CPU at most, and that many times sixteen on other devices."""

FEWEST_PLACES = 16
"""Of a part, for rows of vectors to be worth it."""


def part_shape(columns: Columns, n_at_once: int) -> tuple[int, int]:
    """Columns and places of a part of about so many spins; a few parts of equal size hold all."""
    n_columns, n_places = columns.spin.shape
    places = min(n_places, max(n_at_once // n_columns, FEWEST_PLACES))
    places = -(-n_places // -(-n_places // places))
    most = max(1, min(n_columns, n_at_once // places))
    return -(-n_columns // -(-n_columns // most)), places


def spins_at_once(bytes_per_spin: int, n_within: int, shape: tuple[int, ...]) -> int:
    """Voxels of one part, each of several spins."""
    on_cpu = jax.default_backend() == "cpu"
    most = (LARGEST if on_cpu else 16 * LARGEST) // (2 * bytes_per_spin * n_within)
    n = math.prod(shape)
    return max(1, min(most, SPINS_AT_ONCE // n_within if on_cpu else n, n))


def parts_of(
    tissue: Tissue,
    coils: Inexact[Array, "coil *voxels"] | None,
    columns: Columns,
    shape: tuple[int, int],
    n_multiple: int,
) -> Part:
    """All parts, as many as a multiple of some number, with those that hold nothing at the end; NumPy's where known."""
    spin = _cut(columns.spin, shape, -1)
    n_parts = -(-len(spin) // n_multiple) * n_multiple
    spin = np.concatenate([spin, np.full((n_parts - len(spin), spin.shape[1]), -1)])
    here = spin >= 0
    inside = np.where(here, spin, spin[here][0])
    n = math.prod(tissue.voxel_shape)

    def take(leaf: Any) -> Any:
        if np.size(leaf) == 1:
            return (np.asarray(leaf) if _checks.is_concrete(leaf) else leaf).reshape(1)
        xp = np if _checks.is_concrete(leaf) else jnp
        flat = xp.broadcast_to(xp.asarray(leaf), tissue.voxel_shape).reshape(n)
        return flat[inside]

    m0 = tissue.m0 if tissue.has("m0") else np.ones((), tissue.t1.dtype)
    xp = np if _checks.is_concrete(m0) and (coils is None or _checks.is_concrete(coils)) else jnp
    weights = xp.broadcast_to(xp.asarray(m0), tissue.voxel_shape).reshape(1, n)
    if coils is not None:
        raised = coils.reshape(len(coils), *(1,) * (len(tissue.voxel_shape) + 1 - coils.ndim), *coils.shape[1:])
        weights = weights * xp.broadcast_to(xp.asarray(raised), (len(coils), *tissue.voxel_shape)).reshape(-1, n)
    taken = xp.where(here[:, None], weights[:, inside].swapaxes(0, 1), 0)
    complex_dtype = jnp.result_type(tissue.t1.dtype, 1j)
    along, across = _places(columns, shape, n_parts, tissue.t1.dtype)
    return Part(jax.tree.map(take, without_m0(tissue)), taken.astype(complex_dtype), along, across)


def _cut(values: Any, shape: tuple[int, int], fill: int) -> Int[np.ndarray, "part spin"]:
    rows, columns = shape
    missing = [(0, -values.shape[0] % rows), (0, -values.shape[1] % columns)]
    padded = np.pad(values, missing, constant_values=fill)
    cut = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    return cut.transpose(0, 2, 1, 3).reshape(-1, rows * columns)


def _places(columns: Columns, shape: tuple[int, int], n_parts: int, dtype: Any) -> tuple[tuple, tuple]:
    """Along and across the columns of each part; None for what is known to be zero everywhere."""
    n_across, n_along = (-(-n // each) for n, each in zip(columns.spin.shape, shape, strict=True))
    number = np.minimum(np.arange(n_parts), n_across * n_along - 1)

    def of_parts(row: Numbers, each: int, n: int, which: np.ndarray, needed: bool) -> Any:
        xp = numpy_of(row)
        if xp is np and not np.any(row) and not needed:
            return None
        return xp.pad(row, (0, n * each - len(row))).reshape(n, each)[which].astype(dtype)

    known = [not isinstance(row, jax.Array) and not np.any(row) for row in columns.along]
    always = 0 if all(known) else -1  # one row says how many places there are
    along = tuple(
        of_parts(row, shape[1], n_along, number % n_along, i == always) for i, row in enumerate(columns.along)
    )
    across = tuple(of_parts(row, shape[0], n_across, number // n_along, False) for row in columns.across)
    return along, across
