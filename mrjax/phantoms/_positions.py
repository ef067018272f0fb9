"""Where the voxels of a phantom, or of a tissue with positions, are."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.tissue import Tissue

from . import _spins
from .phantom import Phantom

Positions = tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]


def positions_of(where: Any) -> Positions:
    """x, y and z in m, of equal rank; of length one along axes that they do not change along."""
    if isinstance(where, Phantom):
        ones = (1,) * len(where.shape)
        x, y, z = _spins.positions(np.array(where.affine), where.shape, ones)
        return tuple(jnp.asarray(value, where.fractions.dtype) for value in (x, y, z))  # pyright: ignore[reportReturnType]
    if not isinstance(where, Tissue):
        raise ValueError(f"`where` must be a Phantom or a Tissue with positions, but got {type(where).__name__}.")
    if not any(map(where.has, "xyz")):
        raise ValueError(
            "`where` must know where its voxels are, but has none of x, y and z; `Phantom.spins` gives them."
        )
    rank = len(where.voxel_shape)
    return tuple(  # pyright: ignore[reportReturnType]
        with_rank(_checks.real_array(getattr(where, name), name), rank).astype(where.t1.dtype) for name in "xyz"
    )


def triple(value: Any, name: str) -> tuple[float, float, float]:
    """Three known finite numbers, in m."""
    array = np.asarray(value, float)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be three numbers (m), but got {value!r}.")
    x, y, z = array.tolist()
    return x, y, z


def length(value: Any, name: str) -> float:
    """A known positive length in m."""
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind not in "iuf" or not 0 < array < np.inf:
        raise ValueError(f"`{name}` must be a positive number (m), but got {value!r}.")
    return float(array)
