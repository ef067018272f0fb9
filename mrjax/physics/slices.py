"""Voxels at every position across a slice."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from mrjax._checks import Neutral
from mrjax.physics.slice_profile import SliceProfile
from mrjax.tissue import Tissue


def sliced(tissue: Tissue, profile: SliceProfile) -> Tissue:
    """A tissue with one voxel axis more, the last, for the positions of a slice profile.

    The rotation at each position is that of the nominal pulse in a complex transmit field, and its share in the signal a
    factor of `m0`.
    """
    spread = jax.tree.map(lambda leaf: leaf[..., None] if leaf.ndim else leaf, tissue)
    field = profile.flip_angle / profile.nominal_flip_angle * jnp.exp(1j * profile.phase)
    b1 = _times(spread.b1, field) if tissue.has("b1") else field
    m0 = _times(spread.m0, profile.weights) if tissue.has("m0") else profile.weights
    is_default = lambda leaf: isinstance(leaf, Neutral)
    return eqx.tree_at(lambda spread: (spread.b1, spread.m0), spread, (b1, m0), is_leaf=is_default)


def require_profile(profile: Any) -> None:
    """Refuse what is no slice profile."""
    if profile is not None and not isinstance(profile, SliceProfile):
        raise ValueError(
            f"`slice_profile` must be what `mrjax.slice_profile` returns, but got {type(profile).__name__}."
        )


def lasting_rf_with_a_profile() -> ValueError:
    """That a profile does not go with RF that lasts."""
    return ValueError(
        "`slice_profile` is that of `Pulse`s, which take no time, but the sequence has RF that lasts; give the "
        "tissue positions along the slice in place of the profile, or play `Pulse`s."
    )


def _times(leaf: Array, along_slice: Inexact[Array, " n"]) -> Array:
    """The product of a leaf and what differs along the slice, both with as many axes."""
    return leaf * along_slice.reshape((1,) * max(0, leaf.ndim - 1) + along_slice.shape)
