"""From zero-filled images to maps: a linear first guess, and what a network adds to it."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex, Float

from mrjax.nn import channels_as_complex, complex_as_channels
from mrjax.zoo.relaxometry.data import Measurement, zero_filled
from mrjax.zoo.relaxometry.maps import RelaxationModel


def best_m0(model: RelaxationModel, contrasts: Complex[Array, "*voxels n"]) -> Complex[Array, "*voxels"]:
    """$M_0$ that explains contrasts best where the relaxation time is the usual one."""
    usual = jnp.full((1,) * (contrasts.ndim - 1), model.usual, contrasts.real.dtype)
    shape = model.signal(usual, jnp.ones_like(usual))
    return (shape * contrasts).sum(-1) / (shape**2).sum(-1)


class FirstMaps(nnx.Module):
    """A network that maps zero-filled images, added to the usual relaxation time and the $M_0$ that goes with it.

    The network sees contrasts without the phase of that $M_0$, and its answer is turned back: it need not learn phases.

    **Arguments:**

    - `network`: From `2 * n_contrasts` channels, real parts first, to three: `(image, nx, ny, channel)`.

    Called with a `Measurement`, it returns maps, `(image, nx, ny, 3)`.
    """

    def __init__(self, network: nnx.Module):
        self.network: Callable[[Array], Array] = network  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, measurement: Measurement) -> Float[Array, "image nx ny 3"]:
        """The maps."""
        contrasts = jnp.moveaxis(zero_filled(measurement), 1, -1)
        m0 = best_m0(measurement["model"], contrasts)
        turn = jnp.exp(1j * jnp.angle(m0)).astype(m0.dtype)
        found = self.network(complex_as_channels(contrasts * turn[..., None].conj()))
        m0 = m0 + turn * channels_as_complex(found[..., 1:])[..., 0]
        return jnp.concatenate([found[..., :1], complex_as_channels(m0[..., None])], axis=-1)
