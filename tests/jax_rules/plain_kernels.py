"""The hot steps again, as a textbook writes them: what the fast forms are tested against."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.physics.epg import mixing
from mrjax.physics.isochromats import kernel as bloch_kernel


def mixed_and_wound(components: mixing.Components, mix: mixing.Mixing | None) -> mixing.Components:
    """`mixing.mixed_and_wound`, order by order: a 3 x 3 matrix for each, then F+ moves up, F- moves down."""
    plus, minus, z = components
    states = [jnp.stack([plus[k], minus[k], z[k]]) for k in range(len(plus))]
    if mix is not None:
        matrix, gain = _matrix(mix, plus.shape[1])
        states = [jnp.einsum("ijv,jv->iv", matrix, state) + (gain if k == 0 else 0) for k, state in enumerate(states)]
    nothing = jnp.zeros_like(states[0][0])
    lowered = [state[1] for state in states[1:]] + [nothing]
    raised = [jnp.conj(lowered[0])] + [state[0] for state in states[:-1]]
    return jnp.stack(raised), jnp.stack(lowered), jnp.stack([state[2] for state in states])


def _matrix(mix: mixing.Mixing, n_voxels: int) -> tuple[Array, Array]:
    value = lambda coefficient: jnp.broadcast_to(0.0 if coefficient is None else coefficient, (n_voxels,))
    a, b, c, d, e = map(value, (mix.stay, mix.swap, mix.tip, mix.untip, mix.keep))
    rows = [[a, b, c], [jnp.conj(b), jnp.conj(a), jnp.conj(c)], [d, jnp.conj(d), e]]
    gain = jnp.stack([value(mix.tipped), jnp.conj(value(mix.tipped)), value(mix.recovered)])
    return jnp.stack([jnp.stack(row) for row in rows]), gain


def step(
    magnetisation: bloch_kernel.Components,
    angles: tuple[
        bloch_kernel.Angle, bloch_kernel.Angle, tuple[bloch_kernel.Angle, ...], tuple[bloch_kernel.Angle, ...]
    ],
    transmit: bloch_kernel.Spins | None,
    coordinates: tuple[bloch_kernel.Spins, ...],
    precession: bloch_kernel.Spins,
    decay: tuple[bloch_kernel.Spins, bloch_kernel.Spins],
) -> bloch_kernel.Components:
    r"""`bloch_kernel.step` by the matrix of the rotation, $\cos t + (1 - \cos t) n n^T + \sin t [n]_\times$."""
    e1, e2 = decay
    transmit = jnp.ones_like(precession) if transmit is None else transmit
    about_z = precession + sum(angle * coordinate for angle, coordinate in zip(angles[2], coordinates, strict=True))
    skew = sum((angle * where for angle, where in zip(angles[3], coordinates, strict=False)), start=0.0)
    across = (angles[0] + 1j * angles[1]) * transmit * (1 + 1j * skew)
    vector = jnp.stack([across.real, across.imag, about_z])
    angle = jnp.sqrt(jnp.sum(vector**2, axis=0))
    x, y, z = jnp.einsum("ijv,jv->iv", _rotation(vector, angle), jnp.stack(magnetisation))
    return e2 * x, e2 * y, 1 + e1 * (z - 1)


def _rotation(vector: Float[Array, "3 spin"], angle: Float[Array, " spin"]) -> Float[Array, "3 3 spin"]:
    x, y, z = vector / jnp.where(angle == 0, 1.0, angle)[None]
    nothing = jnp.zeros_like(x)
    cross = jnp.stack([jnp.stack([nothing, -z, y]), jnp.stack([z, nothing, -x]), jnp.stack([-y, x, nothing])])
    axis = jnp.stack([x, y, z])
    outer = axis[:, None] * axis[None]
    identity = jnp.eye(3)[:, :, None]
    cosine, sine = jnp.cos(angle)[None, None], jnp.sin(angle)[None, None]
    return cosine * identity + (1 - cosine) * outer + sine * cross
