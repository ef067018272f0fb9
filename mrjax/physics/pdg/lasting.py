"""RF that lasts, as a change of the magnetisation in its middle; until there and from there on it is wound as without RF."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.changes import RestingSpins, affine_maps
from mrjax.physics.isochromats.waveforms import Surroundings
from mrjax.physics.maths.transmit_field import transmit_field
from mrjax.physics.pdg.component_map import ComponentMap
from mrjax.sequence.double_length import angle
from mrjax.sequence.gradients import AXES
from mrjax.sequence.precision import Numbers, numpy_of
from mrjax.tissue import Tissue

LASTING = ("constant", "steps")
"""Kinds of changes."""

LARGEST_EXPONENT = 60.0
"""Of relaxation that is taken back, so that single precision holds it: nothing is left after more."""


class PulseSteps(eqx.Module):
    """Changes of one form that last, for which winding was asked."""

    numbers: Float[Numbers, "pulse number"]
    """Those that their map follows from, as in `Change` where winding is not asked for."""
    dt: Float[Numbers, " pulse"]
    """Of a step, in s."""
    offset: Float[Numbers, " pulse"]
    """In Hz."""
    n: Float[Numbers, " pulse"]
    """Steps that are played; others fill up to the longest pulse."""
    halves: Float[Numbers, "pulse 2 3"]
    """Areas along x, y and z before and after the middle of the pulse, in T s/m."""
    by_step: Float[Numbers, "pulse 8 step"]
    """RF in T, in real and imaginary part; along x, y and z areas and moments."""

    @classmethod
    def of(cls, form: Form, numbers: Float[Numbers, "pulse number"]) -> "PulseSteps":
        """From all their numbers."""
        xp = numpy_of(numbers)
        if form[0] == "constant":
            real, imaginary, offset, duration = numbers.T
            nothing = xp.zeros_like(real)
            halves = xp.zeros((len(numbers), 2, 3))
            by_step = xp.stack([real, imaginary, *[nothing] * 6], axis=1)[..., None]
            return cls(numbers, duration, offset, 1 + nothing, halves, by_step)
        whole, halves, by_step = numbers[:, :3], numbers[:, 3:9].reshape(-1, 2, 3), numbers[:, 9:]
        own = xp.concatenate([whole, by_step], axis=1)
        dt, offset, n = whole.T
        return cls(own, dt, offset, n, halves, by_step.reshape(len(numbers), 8, -1))

    @property
    def duration(self) -> Float[Numbers, " pulse"]:
        """In s."""
        return self.n * self.dt


def maps_of(pulses: dict[Form, PulseSteps], tissue: Tissue, gyromagnetic_ratio: float) -> ComponentMap:
    """What all pulses do in the middle to every voxel, `(pulse, voxel)`.

    The whole of a pulse as of a spin in the middle of the voxel, after the inverse of free precession until its middle, and
    before that of free precession from there on.
    """
    maps = affine_maps(
        {form: jnp.asarray(steps.numbers) for form, steps in pulses.items()}, _spins(tissue, gyromagnetic_ratio)
    )[1:]
    half = jnp.concatenate([jnp.asarray(steps.duration) for steps in pulses.values()])[:, None] / 2
    areas = jnp.concatenate([jnp.asarray(steps.halves) for steps in pulses.values()])
    undone = jnp.exp(jnp.minimum(half / tissue.t2[None], LARGEST_EXPONENT))
    turned = jnp.exp(-1j * _turned(half, areas, tissue, gyromagnetic_ratio))
    before, after = undone * turned[:, 0], undone * turned[:, 1]
    exponent = jnp.minimum(half / tissue.t1[None], LARGEST_EXPONENT)
    return _without_precession(_of_components(maps[:, :, 0]), before, after, exponent)


def _spins(tissue: Tissue, gyromagnetic_ratio: float) -> RestingSpins:
    """One in the middle of each voxel, where T2' does not act."""
    x, y, z = (jnp.asarray(getattr(tissue, axis))[None] if tissue.has(axis) else None for axis in AXES)
    resting = Surroundings.of(tissue)
    return RestingSpins(
        dataclasses.replace(resting, t2_prime=None),
        transmit_field(tissue),
        (x, y, z),
        (None, None, None),
        None,
        (),
        (1, tissue.voxel_shape[-1]),
        gyromagnetic_ratio,
    )


def _turned(
    half: Float[Array, "pulse 1"], areas: Float[Array, "pulse 2 3"], tissue: Tissue, gyromagnetic_ratio: float
) -> Float[Array, "pulse 2 #voxel"]:
    """By off-resonance and gradients, in each half of a pulse."""
    total = jnp.zeros((len(half), 2, 1), half.dtype)
    if tissue.has("off_resonance"):
        total = total + angle(jnp.asarray(tissue.off_resonance)[None], half)[:, None]
    for number, axis in enumerate(AXES):
        if tissue.has(axis):
            total = (
                total + gyromagnetic_ratio * areas[..., number, None] * jnp.asarray(getattr(tissue, axis))[None, None]
            )
    return total


def _of_components(maps: Float[Array, "pulse 12 voxel"]) -> ComponentMap:
    """From those of magnetisation along x, y and z."""
    columns = jnp.moveaxis(maps.reshape(-1, 4, 3, maps.shape[-1]), (1, 2), (0, 1))
    transverse = columns[:, 0] + 1j * columns[:, 1]
    x, y, z, added = columns[:, 2]
    of_x, of_y, tip, adds = transverse
    return ComponentMap((of_x - 1j * of_y) / 2, (of_x + 1j * of_y) / 2, tip, (x - 1j * y) / 2, z, adds, added)


def _without_precession(
    whole: ComponentMap,
    before: Complex[Array, "pulse #voxel"],
    after: Complex[Array, "pulse #voxel"],
    exponent: Float[Array, "pulse #voxel"],
) -> ComponentMap:
    """What is left where transverse components are multiplied by these factors, and others have not recovered meanwhile."""
    undone, recovered = jnp.exp(exponent), -jnp.expm1(-exponent)
    tip, keep = after * whole.tip * undone, undone**2 * whole.keep
    assert whole.adds_transverse is not None, "`_of_components` has it"
    return ComponentMap(
        after * whole.stay * before,
        after * whole.swap * jnp.conj(before),
        tip,
        undone * whole.untip * before,
        keep,
        after * whole.adds_transverse - tip * recovered,
        undone * (whole.adds_longitudinal - recovered) - keep * recovered,
    )
