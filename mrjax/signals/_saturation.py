"""From what users pass to the saturation models to checked arrays: samples on the last axis, voxels before it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks, units
from mrjax._shapes import with_rank
from mrjax.pool import Pool
from mrjax.signals._arguments import Numbers, sample_axis


class Saturation(NamedTuple):
    """Water and pools under continuous RF; every array broadcasts to `(*voxels, n_samples)` and has that rank."""

    offset: Float[Array, "..."]
    """Of the RF from the water, in rad/s."""
    nutation: Float[Array, "..."]
    """gamma B1 in rad/s."""
    duration: Float[Array, "..."]
    r1: Float[Array, "..."]
    r2: Float[Array, "..."]
    pools: tuple[Pool, ...]
    larmor: Float[Array, "..."]
    """In Hz."""

    def offset_from(self, pool: Pool) -> Float[Array, "..."]:
        """Of the RF from the resonance of a pool, in rad/s."""
        return self.offset - self.shift(pool)

    def shift(self, pool: Pool) -> Float[Array, "..."]:
        """Of the pool from the water, in rad/s."""
        return 2 * math.pi * 1e-6 * self.larmor * pool.shift()


def saturation(
    samples: dict[str, Numbers], voxels: dict[str, Numbers], pools: tuple[Pool, ...], b0: Numbers
) -> Saturation:
    """The arguments, checked and aligned; `duration` is infinite unless `samples` holds it."""
    arrays: dict[str, Any] = {
        name: _RANGES[name](_checks.real_array(value, name), name) for name, value in (samples | voxels).items()
    }
    field = _scalar_field(b0)
    pools = tuple(pool.checked(f"pools[{i}]") for i, pool in enumerate(pools))
    leaves: dict[str, Any] = {
        f"{name} of pools[{i}]": x for i, pool in enumerate(pools) for name, x in _arrays(pool).items()
    }
    dtype = jnp.result_type(field, *arrays.values(), *leaves.values())
    rank = len(_checks.broadcast_shape({name: arrays[name] for name in voxels} | leaves))
    along: dict[str, Any] = {
        name: with_rank(sample_axis(arrays[name], name).astype(dtype), rank + 1) for name in samples
    }
    _checks.broadcast_shape(along)
    across = {name: _voxel_axes(arrays[name], rank, dtype) for name in voxels}
    return Saturation(
        offset=2 * math.pi * (along["offset"] - across["off_resonance"]),
        nutation=units.GAMMA["1H"] * along["rf_amplitude"] * across["b1"],
        duration=along.get("duration", with_rank(jnp.asarray(math.inf, dtype), rank + 1)),
        r1=1 / across["t1"],
        r2=1 / across["t2"],
        pools=tuple(jax.tree.map(lambda x: _voxel_axes(x, rank, dtype), _with_shift(pool)) for pool in pools),
        larmor=with_rank((units.GAMMA_BAR["1H"] * field).astype(dtype), rank + 1),
    )


def tuple_of_pools(pools: Pool | tuple[Pool, ...], semisolid: bool) -> tuple[Pool, ...]:
    """`pools`, checked to be all semisolid or none."""
    pools = (pools,) if isinstance(pools, Pool) else tuple(pools)
    for i, pool in enumerate(pools):
        if not isinstance(pool, Pool):
            raise ValueError(f"`pools` must hold `mrjax.Pool`s, but entry {i} is a {type(pool).__name__}.")
        if pool.is_semisolid != semisolid:
            wanted = (
                "a semisolid pool; give it a `lineshape`"
                if semisolid
                else "pools without a line shape; for semisolid ones see `mrjax.signals.magnetization_transfer`"
            )
            raise ValueError(f"`pools` must be {wanted}, but got lineshape={pool.lineshape!r}.")
    return pools


def _scalar_field(b0: Numbers) -> Float[Array, ""]:
    field = _checks.real_array(b0, "b0")
    if field.ndim:
        raise ValueError(f"`b0` must be a number (T), but got shape {field.shape}.")
    return _checks.finite(_checks.positive(field, "b0", "T"), "b0")


def _arrays(pool: Pool) -> dict[str, Array]:
    # not `pool.shift()`, which has a dtype of its own where a Python number has none
    return pool.leaves() | {"shift_ppm": _checks.real_array(pool.shift_ppm, "shift_ppm")}


def _with_shift(pool: Pool) -> Pool:
    return Pool(*_arrays(pool).values(), lineshape=pool.lineshape)


def _voxel_axes(array: Array, rank: int, dtype: jnp.dtype) -> Array:
    return with_rank(array.astype(dtype)[..., None], rank + 1)


def _finite(value: Array, name: str) -> Array:
    return _checks.finite(value, name)


def _time(value: Array, name: str) -> Array:
    return _checks.positive(value, name, "s")


_RANGES: dict[str, Callable[[Array, str], Array]] = {
    "offset": _finite,
    "rf_amplitude": _finite,
    "off_resonance": _finite,
    "duration": lambda value, name: _checks.non_negative(value, name, "s"),
    "t1": _time,
    "t2": _time,
    "b1": lambda value, name: _checks.finite(_checks.non_negative(value, name, "relative to nominal"), name),
}
