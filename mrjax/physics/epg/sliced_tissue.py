"""Voxels at every position across a slice."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.physics.slice_profile import SliceProfile
from mrjax.tissue import Tissue


class SlicedTissue(Tissue):
    """A tissue with one voxel axis more, the last, for the positions of a slice profile.

    The profile is part of `b1`, and the share of each position in the signal part of `m0`.
    """

    pulse_phase: Float[Array, "..."]
    """Added to the phase of every pulse, in rad."""

    def __init__(self, tissue: Tissue, profile: SliceProfile):
        spread = jax.tree.map(lambda leaf: leaf[..., None] if leaf.ndim else leaf, tissue)
        for field in dataclasses.fields(Tissue):
            setattr(self, field.name, getattr(spread, field.name))
        times = lambda name, along_slice: jnp.multiply(*_aligned(getattr(spread, name), along_slice))
        relative = profile.flip_angle / profile.nominal_flip_angle
        self.b1 = times("b1", relative) if tissue.has("b1") else relative
        self.m0 = times("m0", profile.weights) if tissue.has("m0") else profile.weights
        self.pulse_phase = profile.phase


def _aligned(leaf: Array, along_slice: Float[Array, " n"]) -> tuple[Array, Array]:
    """Both with as many axes."""
    return leaf, along_slice.reshape((1,) * max(0, leaf.ndim - 1) + along_slice.shape)
