"""The modulation that half passages and BIR-4 are made of."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.sequence.pulses import _arguments

KAPPA = math.atan(20)


def tan_tanh(
    u: Float[Array, " n_samples"],
    dt: Float[Array, ""],
    time: Float[Array, ""],
    frequency_sweep: Any,
    beta: Any,
    kappa: Any,
) -> Complex[Array, " n_samples"]:
    r"""Amplitude $\tanh \beta (1 - |u|) / \tanh \beta$ and frequency $f \tan(\kappa u) / \tan \kappa$ of $-1 < u < 1$.

    A unit of $u$ takes `time` in s, a sample `dt`. The field is strongest and on resonance at $u = 0$, where its phase is zero.
    """
    beta, kappa = _arguments.positive_scalar(beta, "beta"), _arguments.positive_scalar(kappa, "kappa")
    kappa = _checks.require(kappa, kappa < math.pi / 2, "`kappa` must be below pi / 2 (rad)")
    sweep = _arguments.positive_scalar(frequency_sweep, "frequency_sweep", "Hz")
    sweep = _arguments.below_sampling(sweep, dt, "frequency_sweep", 0.5)
    turned = -2 * math.pi * sweep * time * jnp.log(jnp.cos(kappa * u)) / (kappa * jnp.tan(kappa))
    return jnp.tanh(beta * (1 - jnp.abs(u))) / jnp.tanh(beta) * jnp.exp(1j * turned)
