"""The object and the coils, as they are given."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax._memory import remembered
from mrjax.phantoms.phantom import Phantom
from mrjax.physics.waveforms.winding import gradient_axes
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


def spins_of(tissue: Tissue | Phantom) -> Tissue:
    """Voxels with positions."""
    return _spins_of_phantom(tissue) if isinstance(tissue, Phantom) else tissue


@remembered
def _spins_of_phantom(phantom: Phantom) -> Tissue:
    return phantom.spins()


def checked_coils(coils: Any, shape: tuple[int, ...]) -> Complex[Array, "coil *voxels"]:
    """Sensitivities as complex numbers; their voxel axes broadcast to those of the object."""
    return _checked_once(coils, shape) if isinstance(coils, jax.Array) else _checked(coils, shape)


def _checked(coils: Any, shape: tuple[int, ...]) -> Complex[Array, "coil *voxels"]:
    array = _checks.finite(_checks.number_array(coils, "coils"), "coils")
    fits = array.ndim >= 1 and array.ndim <= len(shape) + 1
    if fits:
        try:
            fits = np.broadcast_shapes(array.shape[1:], shape) == shape
        except ValueError:
            fits = False
    if not fits:
        raise ValueError(
            f"`coils` must have the shape (n_coils, *voxels), where the voxels broadcast to {shape}, but got {array.shape}."
        )
    return array if jnp.iscomplexobj(array) else array + 0j


_checked_once = remembered(_checked)


def require_positions(sequence: AbstractContainer, tissue: Tissue) -> None:
    """Refuse an object that gradients cannot encode."""
    axes = gradient_axes(sequence)
    if axes and not any(tissue.has(axis) for axis in axes):
        listed = ", ".join(axes)
        raise ValueError(
            f"`tissue` has no positions along {listed}, along which the sequence plays gradients, so that there is no image: "
            "give it `x`, `y` and `z` in m, or pass a Phantom."
        )
