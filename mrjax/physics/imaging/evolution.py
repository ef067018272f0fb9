"""Decay and precession in some time as one complex factor, whose derivatives are multiples of itself."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.physics.maths.trigonometry import cosine_and_sine

Spins = Float[Array, "*spin"]


@jax.custom_jvp
def decayed_and_turned(
    time: Float[Array, ""], rates: tuple[Spins, Spins | None], turned: Spins | None
) -> Complex[Array, "*spin"]:
    r"""$e^{-t R_2 + i \phi}$, where $\phi$ is $\omega t$ less whole turns, or by something else that has no derivative.

    `rates` are $R_2$ in 1/s and $\omega$ in rad/s.
    """
    decayed = jnp.exp(-time * rates[0])
    if turned is None:
        return jax.lax.complex(decayed, jnp.zeros_like(decayed))
    cosine, sine = cosine_and_sine(turned)
    return jax.lax.complex(decayed * cosine, decayed * sine)


@decayed_and_turned.defjvp
def _jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    time, (decay, frequency), _ = primals
    d_time, (d_decay, d_frequency), _ = tangents
    factor = decayed_and_turned(*primals)
    of_decay = -(time * d_decay + decay * d_time)
    of_angle = jnp.zeros_like(decay) if frequency is None else time * d_frequency + frequency * d_time
    return factor, factor * jax.lax.complex(of_decay, of_angle)
