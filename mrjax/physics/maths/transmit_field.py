"""The transmit field of a voxel, relative to nominal: a number that scales RF, or one that turns it as well."""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.sequence import Pulse
from mrjax.tissue import Tissue

Numbers = Float[Array, "..."]
TransmitField = Numbers | tuple[Numbers, Numbers] | None
"""Real; real and imaginary part, since loops compute with real numbers; or None where it is nominal."""


def transmit_field(tissue: Tissue) -> TransmitField:
    """That of a tissue."""
    if not tissue.has("b1"):
        return None
    b1 = jnp.asarray(tissue.b1)
    return (b1.real, b1.imag) if jnp.iscomplexobj(b1) else b1


def transmitted(about_x: Numbers, about_y: Numbers, field: TransmitField) -> tuple[Numbers, Numbers]:
    """The rotation by RF, as angles about x and y, that a transmit field makes of the nominal one."""
    match field:
        case None:
            return about_x, about_y
        case (real, imaginary):
            return about_x * real - about_y * imaginary, about_x * imaginary + about_y * real
        case _:
            return about_x * field, about_y * field


def rotation_vector(pulse: Pulse, tissue: Tissue) -> Complex[Array, "#voxel"]:
    """The flip angle along the axis of a pulse, in rad, as the number x + iy, where `b1` of the tissue is complex."""
    return pulse.flip_angle * jnp.exp(1j * jnp.asarray(pulse.phase)) * tissue.b1
