"""How fast gradients change, jumps included."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.sequence.precision import Numbers, in_best_precision
from mrjax.sequence.timeline import Timeline

TOO_SHORT = 0.01
"""Steps shorter than this share of the raster come from rounding: what changes in them is a jump."""


def slew_rates(timeline: Timeline, raster: float) -> Float[Numbers, "n 3"]:
    """In T/m/s: of each step, or of the jump into it within a gradient raster, what is larger along each axis; then the end."""
    return in_best_precision(_slew_rates, timeline.gradient, timeline.lasting, np.asarray(raster))


@eqx.filter_jit
def _slew_rates(gradient: Array, duration: Array, raster: Any) -> Array:
    raster = jnp.asarray(raster, duration.dtype)
    lasts = duration > jnp.maximum(TOO_SHORT * raster, 1e-12)
    slope = (gradient[:, 1] - gradient[:, 0]) / jnp.where(lasts, duration, 1.0)[:, None]
    # what came before is the last step that was long enough, or the rest before the sequence
    latest = jax.lax.cummax(jnp.where(lasts, jnp.arange(duration.shape[0]), -1))
    before = jnp.concatenate([jnp.full(1, -1, latest.dtype), latest])
    left = jnp.where((before >= 0)[:, None], gradient[jnp.maximum(before, 0), 1], 0.0)
    right = jnp.concatenate([gradient[:, 0], jnp.zeros((1, 3), gradient.dtype)])
    arrives = jnp.concatenate([lasts, jnp.ones(1, bool)])[:, None]
    rounding = 1e-6 * jnp.max(jnp.abs(gradient), initial=0.0)
    jump = jnp.where(arrives & (jnp.abs(right - left) > rounding), right - left, 0.0)
    jump = jump / jnp.where(raster > 0, raster, 1.0)
    slope = jnp.concatenate([jnp.where(lasts[:, None], slope, 0.0), jnp.zeros((1, 3), slope.dtype)])
    return jnp.where(jnp.abs(jump) > jnp.abs(slope), jump, slope)
