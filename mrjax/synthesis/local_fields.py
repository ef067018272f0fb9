"""The field of a volume as a scan measures it, with noise, and what differs from scan to scan."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.synthesis.susceptibility import SusceptibilityVolume
from mrjax.units import GAMMA_BAR, ppm


def local_field(
    key: Key[Array, ""], volume: SusceptibilityVolume, dipole: Dipole, *, snr: Any, echo_time: Any, b0: Any
) -> Float[Array, "nx ny nz"]:
    r"""The relative field of a volume inside its mask, with the noise that a phase image has.

    $$\frac{\Delta B}{B_0} = M \, (D \chi + \sigma z), \qquad
    \sigma(r) = \frac{\sigma_\phi(r)}{2\pi \bar\gamma B_0 T_E}, \qquad
    \sigma_\phi(r) = \min\left(\frac{1}{\mathrm{SNR} \; m(r)}, \frac{\pi}{\sqrt 3}\right), \qquad z \sim \mathcal{N}(0, 1)$$

    with the magnitude $m$; the phase of noise alone is uniform, with a standard deviation of $\pi / \sqrt 3$. Cut patches
    afterwards (`random_patch`): the field of a patch depends on what lies about it.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `volume`: As of `random_susceptibility` or `brain_susceptibility`.
    - `dipole`: `mrjax.encoding.Dipole` of the shape of the volume.
    - `snr`: Of the magnitude where it is one. Positive scalar; `inf` for no noise.
    - `echo_time`: $T_E$ in s, positive scalar.
    - `b0`: $B_0$ in T, positive scalar.

    **Returns:** In ppm, zero outside the mask. Shape `(nx, ny, nz)`.

    **Derivatives:** in the susceptibility and what `dipole` holds.

    **Raises:** `ValueError` where a number is not positive, or the shape of `dipole` is another one.

    !!! example

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> from mrjax.synthesis import local_field, random_susceptibility
        >>> volume = random_susceptibility(jax.random.key(0), (16, 16, 16), n_shapes=8)
        >>> dipole = mr.encoding.Dipole((16, 16, 16), voxel_size=1e-3)
        >>> local_field(jax.random.key(1), volume, dipole, snr=50.0, echo_time=0.02, b0=3.0).shape
        (16, 16, 16)

        ```
    """
    given = {"snr": (snr, "relative"), "echo_time": (echo_time, "s"), "b0": (b0, "T")}
    ratio, time, magnet = (_positive_scalar(value, name, unit) for name, (value, unit) in given.items())
    field = dipole(volume.susceptibility)
    magnitude = jnp.maximum(volume.magnitude, jnp.finfo(volume.magnitude.dtype).tiny)
    phase_noise = jnp.minimum(1 / (ratio * magnitude), np.pi / np.sqrt(3))
    noise = phase_noise / (2 * np.pi * GAMMA_BAR["1H"] * magnet * time) / ppm
    measured = field + noise.astype(field.dtype) * jax.random.normal(key, field.shape, field.dtype)
    return jnp.where(volume.mask, measured, 0.0)


def random_b0_direction(key: Key[Array, ""], max_tilt: Any) -> Float[Array, " 3"]:
    r"""A direction of the magnet uniform on the sphere, within an angle of the third axis.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `max_tilt`: In rad, from 0 to $\pi$. Scalar.

    **Returns:** A unit vector, shape `(3,)`.

    **Raises:** `ValueError` where `max_tilt` is outside its range.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import random_b0_direction
        >>> direction = random_b0_direction(jax.random.key(0), max_tilt=0.3)
        >>> bool(direction[2] > 0.95)
        True

        ```
    """
    tilt = _checks.real_array(max_tilt, "max_tilt")
    tilt = _checks.require(tilt, (tilt >= 0) & (tilt <= np.pi), "`max_tilt` must be from 0 to pi (rad)")
    height, turn = jax.random.uniform(key, (2,), jnp.result_type(float))
    # 1 - cos(tilt) is that of an angle uniform on the cap, with no digits lost for small ones
    rise = 2 * height * jnp.sin(tilt.astype(height.dtype) / 2) ** 2
    radius, angle = jnp.sqrt(rise * (2 - rise)), 2 * jnp.pi * turn
    return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle), 1 - rise])


def random_patch(key: Key[Array, ""], arrays: PyTree, patch_shape: Sequence[int]) -> PyTree:
    """The same random patch of several volumes, wholly inside.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `arrays`: A PyTree of arrays of shape `(*voxels, ...)`, with as many axes of voxels, of the same lengths, as `patch_shape`.
    - `patch_shape`: Voxels of the patch along each axis.

    **Returns:** The tree with arrays of shape `(*patch_shape, ...)`.

    **Raises:** `ValueError` where volumes differ in their voxels or are smaller than the patch.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import random_patch, random_susceptibility
        >>> volume = random_susceptibility(jax.random.key(0), (16, 16, 16), n_shapes=8)
        >>> random_patch(jax.random.key(1), volume, (8, 8, 8)).mask.shape
        (8, 8, 8)

        ```
    """
    sizes = tuple(_checks.positive_integer(n, "patch_shape") for n in patch_shape)
    leading = {np.shape(leaf)[: len(sizes)] for leaf in jax.tree.leaves(arrays)}
    if len(leading) != 1 or any(len(voxels) < len(sizes) for voxels in leading):
        raise ValueError(f"`arrays` must have the same {len(sizes)} axes of voxels, but got {sorted(leading)}.")
    (voxels,) = leading
    room = np.array(voxels) - np.array(sizes)
    if np.any(room < 0):
        raise ValueError(f"`patch_shape` must fit into the volumes of {voxels} voxels, but got {sizes}.")
    first = jax.random.randint(key, (len(sizes),), 0, jnp.asarray(room + 1))

    def cut(array: Array) -> Array:
        others = array.shape[len(sizes) :]
        return jax.lax.dynamic_slice(array, (*first, *(0 for _ in others)), (*sizes, *others))

    return jax.tree.map(cut, arrays)


def _positive_scalar(value: Any, name: str, unit: str) -> Array:
    array = _checks.positive(_checks.real_array(value, name), name, unit)
    if array.ndim:
        raise ValueError(f"`{name}` must be a number, but got shape {array.shape}.")
    return array
