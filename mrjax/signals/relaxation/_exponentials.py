"""Exponentials that keep their digits in float32 and their derivatives at infinity."""

import jax.numpy as jnp
from jaxtyping import Array

_NOTHING_LEFT = 800.0  # exp(-746) is 0 in float64


def decay(time: Array, constant: Array) -> Array:
    """`exp(-time / constant)`; 0, with zero derivatives, for infinite time, 1 for an infinite constant."""
    time, constant, gone = _separate_gone(time, constant)
    return jnp.where(gone, 0.0, jnp.exp(-time / constant))


def recovery(time: Array, constant: Array) -> Array:
    """`1 - exp(-time / constant)`, to full relative precision where the time is short."""
    time, constant, gone = _separate_gone(time, constant)
    return jnp.where(gone, 1.0, -jnp.expm1(-time / constant))


def divide(numerator: Array, denominator: Array) -> Array:
    """`numerator / denominator`, and 0, with zero derivatives, where the (non-negative) denominator is 0."""
    defined = denominator > 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1.0), 0.0)


def before_second_pulse(pulses: tuple[Array, Array], waits: tuple[Array, Array], t1: Array) -> Array:
    r"""Steady-state $M_z / M_0$ before the second of two repeated pulses, each with spoiling before it.

    The cycle is: first pulse (angle $b$), wait $\tau_b$, second pulse (angle $a$), wait $\tau_a$. From
    $M_z \to 1 + (M_z \cos - 1) e^{-\tau/T_1}$ once for either half of the cycle,

    $$M_z = \frac{1 - e^{-\tau_b/T_1} + \cos b \, e^{-\tau_b/T_1} (1 - e^{-\tau_a/T_1})}
                 {1 - \cos a \cos b \, e^{-(\tau_a + \tau_b)/T_1}}$$
    """
    (first, second), (after_first, after_second) = pulses, waits
    cycle = after_first + after_second
    # 1 - cos a cos b, without cancellation for small angles
    lost = jnp.sin((first + second) / 2) ** 2 + jnp.sin((first - second) / 2) ** 2
    grown = recovery(after_first, t1) + jnp.cos(first) * decay(after_first, t1) * recovery(after_second, t1)
    return divide(grown, recovery(cycle, t1) + decay(cycle, t1) * lost)


def _separate_gone(time: Array, constant: Array) -> tuple[Array, Array, Array]:
    # Both arguments are replaced where nothing is left, not the result alone: the derivative of what `where`
    # discards is still computed, and inf * 0 is nan.
    gone = jnp.isinf(time) | (time > _NOTHING_LEFT * constant)
    return jnp.where(gone, 0.0, time), jnp.where(gone, 1.0, constant), gone
