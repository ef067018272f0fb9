"""The Bloch equations in a field that is constant over each step: the same for every spin, or growing with its coordinates."""

from jaxtyping import Array, Float

from mrjax.jax_rules import computed_once
from mrjax.physics.maths.transmit_field import TransmitField, transmitted
from mrjax.physics.maths.trigonometry import sinc_and_versine

Spins = Float[Array, "*spin"]
Components = tuple[Spins, Spins, Spins]
Angle = Float[Array, ""] | Spins
"""The same for all spins, or one for each."""

_sinc_and_versine = computed_once(sinc_and_versine)


def relaxed(magnetisation: Components, e1: Spins, e2: Spins) -> Components:
    """Relaxation towards z = 1 by the given factors."""
    x, y, z = magnetisation
    return e2 * x, e2 * y, 1 + e1 * (z - 1)


Turn = tuple[Angle, Angle, Spins, Spins, Spins]
"""A vector of angles by its components, with the quotients that `turn_about` finds of its length."""


def turn_about(about_x: Angle, about_y: Angle, about_z: Spins) -> Turn:
    r"""What a rotation by a vector of angles needs: $\sin t / t$ and $(1 - \cos t) / t^2$ with $t$ its length."""
    return about_x, about_y, about_z, *_sinc_and_versine(about_x**2 + about_y**2 + about_z**2)


def turned_by(turn: Turn, magnetisation: Components) -> Components:
    r"""Right-handed rotation by a vector of angles, by components (Rodrigues).

    With the angle $t$ its length and $v$ the vector, $M + (\sin t / t) v \times M + ((1 - \cos t) / t^2) v \times (v \times M)$.
    """
    x, y, z = magnetisation
    more_x, more_y, more_z = added_by(turn, magnetisation)
    return x + more_x, y + more_y, z + more_z


def added_by(turn: Turn, magnetisation: Components) -> Components:
    """What a rotation adds to the magnetisation."""
    about_x, about_y, about_z, sinc, versine = turn
    x, y, z = magnetisation
    cross_x = about_y * z - about_z * y
    cross_y = about_z * x - about_x * z
    cross_z = about_x * y - about_y * x
    return (
        sinc * cross_x + versine * (about_y * cross_z - about_z * cross_y),
        sinc * cross_y + versine * (about_z * cross_x - about_x * cross_z),
        sinc * cross_z + versine * (about_x * cross_y - about_y * cross_x),
    )


def rotated(magnetisation: Components, about_x: Angle, about_y: Angle, about_z: Spins) -> Components:
    """`magnetisation`, turned right-handed by a vector of angles."""
    return turned_by(turn_about(about_x, about_y, about_z), magnetisation)


@computed_once
def step(
    magnetisation: Components,
    angles: tuple[Angle, Angle, tuple[Angle, ...], tuple[Angle, ...]],
    transmit: TransmitField,
    coordinates: tuple[Spins, ...],
    precession: Spins,
    decay: tuple[Spins, Spins],
) -> Components:
    """The hot step: rotate, then relax.

    Of the angles the last are those by which the RF is skewed for a unit of each coordinate, where gradients change
    meanwhile (`cayley_klein.rotation_of`); there may be none.
    """
    about_x, about_y, per_coordinate, skews = angles
    about_x, about_y = transmitted(about_x, about_y, transmit)
    if skews:
        skew = sum(angle * coordinate for angle, coordinate in zip(skews, coordinates, strict=True))
        about_x, about_y = about_x - skew * about_y, about_y + skew * about_x
    about_z = precession
    for angle, coordinate in zip(per_coordinate, coordinates, strict=True):
        about_z = about_z + angle * coordinate
    return relaxed(rotated(magnetisation, about_x, about_y, about_z), *decay)
