"""What every response of gradients declares, and the gradients that it is asked about."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.sequence.hardware.played_points import Spacing
from mrjax.sequence.precision import Numbers


class AskedGradients(eqx.Module):
    """Gradients along x, y and z, straight between points in time, from rest; points have one time where they jump."""

    times: Float[Numbers, " n"]
    """In s, known."""
    values: Float[Numbers, "n 3"]
    """In T/m."""


class AbstractGradientResponse(eqx.Module):
    """What amplifiers, coils and eddy currents make of the gradients that are asked for; linear in them."""

    @abstractmethod
    def added(self, asked: AskedGradients) -> tuple[Float[Array, "n 3"], Float[Array, " n"] | None]:
        """What is added to the gradients at each point in T/m, and to the field everywhere in T; None for nothing."""

    @abstractmethod
    def spacing(self, raster: float) -> Spacing:
        """How far apart points may lie for the response to be straight between them."""

    @property
    def delays(self) -> np.ndarray:
        """By how much corners are heard later in s, where that is known."""
        return np.zeros(0)


def by_axis(values: Array, n_axes: int) -> Array:
    """Coefficients, those of one axis at the end, as `(field, gradient, n)`: each axis by itself, or all with all."""
    if values.ndim == 3:
        return values
    own = jnp.broadcast_to(values, (n_axes, values.shape[-1]))
    return jnp.eye(n_axes, dtype=own.dtype)[:, :, None] * own[:, None]
