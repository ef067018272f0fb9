"""Steps of a timeline, as events give them and as they are put in a row."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Steps = dict[str, Array]
"""The fields of a `Timeline`, with axes of repetitions in front; numbers of steps count from the first of these."""

STEP_NUMBERS = ("sample_step", "rf_step")
"""The fields that are numbers of steps."""

REFOCUSES_FROM = 2 * math.pi / 3
"""Flip angle in rad from which a pulse without `use` is taken for a refocusing one."""


def no_steps() -> Steps:
    """The steps of what a timeline does not show."""
    none = jnp.zeros(0)
    return {
        "duration": none,
        "b1": none + 0j,
        "rf_offset": none,
        "gradient": jnp.zeros((0, 2, 3)),
        "flip": none + 0j,
        "winding": none,
        "sample_step": jnp.zeros(0, int),
        "sample_into": none,
        "receiver_phase": none,
        "rf_step": jnp.zeros(0, int),
        "rf_into": none,
        "rf_turns": none,
    }


def resting(duration: Float[Array, " n"]) -> Steps:
    """Steps that last so long, in s, and in which nothing is played."""
    still = jnp.zeros_like(duration)
    gradient = jnp.zeros((duration.shape[0], 2, 3), duration.dtype)
    return no_steps() | {
        "duration": duration,
        "b1": still + 0j,
        "rf_offset": still,
        "gradient": gradient,
        "flip": still + 0j,
        "winding": still,
    }


def in_a_row(steps: Steps, axis: int) -> Steps:
    """The steps of all repetitions of the last axis of repetitions, which comes before `axis`, one after the other."""
    n_repetitions, n_steps = steps["duration"].shape[-2:]
    steps = later(steps, n_steps * np.arange(n_repetitions)[:, None])
    return {
        name: x.reshape(*x.shape[: axis - 1], x.shape[axis - 1] * x.shape[axis], *x.shape[axis + 1 :])
        for name, x in steps.items()
    }


def later(steps: Steps, by: int | np.ndarray) -> Steps:
    """The same, after so many other steps."""
    return steps | {name: steps[name] + jnp.broadcast_to(jnp.asarray(by), steps[name].shape) for name in STEP_NUMBERS}
