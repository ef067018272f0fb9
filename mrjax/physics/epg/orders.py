"""Orders of dephasing: how many a sequence needs, how fine they are, and what time does to each of them."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.physics.epg.events import PulseRotation, WindingInterval
from mrjax.physics.epg.operators import Attenuation, Relaxation
from mrjax.physics.maths import precession
from mrjax.sequence import AbstractContainer, Pulse
from mrjax.sequence.partial_orders import Order
from mrjax.sequence.walk import events_of, winding
from mrjax.tissue import Tissue


@dataclass(frozen=True)
class Orders:
    """The orders that are kept."""

    number: int
    per_cycle: int
    """Orders by which one cycle across the voxel is wound."""
    voxel_size: Float[Array, ""] | None
    """Over which one cycle is wound, in m."""

    def relaxation(self, duration: Float[Array, ""], tissue: Tissue, order: Order) -> Relaxation:
        """Relaxation and diffusion in a time during which a gradient winds `order` cycles."""
        recovered, e2 = precession.recovery(duration, tissue.t1), precession.decay(duration, tissue.t2)
        angle = precession.precession_angle(duration, tissue)
        return Relaxation(
            1 - recovered,
            e2 if angle is None else e2 * jnp.exp(1j * angle),
            recovered,
            self._attenuation(precession.finite(duration), tissue, order) if tissue.has("diffusion") else None,
        )

    def _attenuation(self, duration: Float[Array, ""], tissue: Tissue, order: Order) -> Attenuation:
        r"""$\exp(-b D)$ of each state, with $b = \tau (k_1^2 + k_1 k_2 + k_2^2) / 3$ while $k$ grows from $k_1$ to $k_2$."""
        k = jnp.arange(self.number, dtype=duration.dtype) / self.per_cycle
        by = float(order)
        exponent = duration * tissue.diffusion * precession.squared_winding(self.voxel_size)

        def attenuation(start, end):
            b = (start**2 + start * end + end**2) / 3
            return jnp.exp(-b[:, None] * exponent[None, :])

        return Attenuation(attenuation(k, k + by), attenuation(k, k - by), attenuation(k, k))


def needed_states(sequence: AbstractContainer, present: int = 0) -> int:
    """Number of orders that take part in the samples: half of all winding takes one away, the other half back.

    `present` is the highest order that is populated at the start.
    """
    return 1 + max(present, (present + winding(sequence)) // 2)


def in_multiples(needed: int, given: int | None) -> int:
    """Orders for each cycle: what is given, which must be a multiple of what is needed."""
    if given is not None and given % needed:
        raise ValueError(
            f"`orders_per_cycle` must be a multiple of the {needed} that the sequence or the state needs, but got {given}."
        )
    return needed if given is None else given


def are_complex(sequence: AbstractContainer, tissue: Tissue) -> bool:
    """Whether states leave the real numbers: where not all pulses turn about x, or anything precesses."""
    events = [located.event for located in events_of(sequence.events)]
    if tissue.has("off_resonance") or jnp.iscomplexobj(tissue.b1):
        return True
    if any(isinstance(event, Pulse) and isinstance(event.phase, Array) for event in events):
        return True
    if any(isinstance(event, PulseRotation) for event in events):
        return True
    gradients = (gradient for event in events if isinstance(event, WindingInterval) for _, gradient in event.gradients)
    return any(tissue.has(gradient.axis) for gradient in gradients)
