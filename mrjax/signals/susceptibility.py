r"""The magnetic field of magnetised matter, and what it does to resonance frequencies.

Susceptibilities and fields are in ppm: of the vacuum's permeability and of the field of the magnet.
"""

import functools
import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import quick_length
from mrjax.units import GAMMA_BAR, ppm

KEPT = 2
"""Kernels kept for the next call: one of 128^3 voxels takes 130 MiB in double precision."""


def field_shift(
    susceptibility_ppm: Any, voxel_size: Any, b0_direction: Any = (0.0, 0.0, 1.0)
) -> Float[Array, "nx ny nz"]:
    r"""The field that a magnetised object adds to that of the magnet, as nuclei see it.

    $$\frac{\Delta B}{B_0}(r) = \int_\text{object} \chi(r')\, \frac{3 \cos^2\theta - 1}{4\pi |r - r'|^3}\, dr'$$

    with $\theta$ between $r - r'$ and $B_0$, and a sphere about $r$ left out (the Lorentz correction). The integral over each
    voxel is exact, so that the field at the centres of voxels of uniform susceptibility is right to first order in it; what
    is wrong is that curved surfaces have steps, next to them alone if voxels that they cut hold the mean of both sides.
    Nothing wraps: the object is alone in space, and what is outside the map has susceptibility zero. So subtract
    that of the surroundings, such as air (0.36 ppm), first.

    **Arguments:**

    - `susceptibility_ppm`: Volume susceptibility (SI) in ppm. Shape `(nx, ny, nz)`. Finite.
    - `voxel_size`: In m, a number or one for each axis. Positive; known before compiling.
    - `b0_direction`: Along the axes of the map, of any length but zero. Known before compiling.

    **Returns:** $\Delta B / B_0$ in ppm at the centre of each voxel, shape `(nx, ny, nz)`.

    **Error:** of the order of the square of the susceptibility; rounding, 1e-6 of the largest field in float32.

    **Derivatives:** in `susceptibility_ppm`, in which it is linear and its own adjoint.

    **Raises:** `ValueError` for a map that is no volume (the field of a slice depends on what lies above and below it), a
    voxel size that is not positive or a direction that is zero.

    **Source:** field and Lorentz correction: J. P. Marques and R. Bowtell, Concepts Magn Reson B 25 (2005) 65-78. Rectangular
    voxels: M. Jenkinson, J. L. Wilson and P. Jezzard, Magn Reson Med 52 (2004) 471-477.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> water = np.zeros((16, 16, 16))
        >>> water[8, 8, 8] = -9.4  # a voxel of water in air
        >>> shift = mr.signals.susceptibility.field_shift(water, voxel_size=2e-3)
        >>> print(shift[8, 8, 6:11].round(4))  # along B0 a dipole falls off with the cube of the distance
        [-0.1846 -1.267   0.     -1.267  -0.1846]

        ```
    """
    chi = _checks.finite(_checks.real_array(susceptibility_ppm, "susceptibility_ppm"), "susceptibility_ppm")
    if chi.ndim != 3:
        raise ValueError(
            "`susceptibility_ppm` must be a volume, (nx, ny, nz), as the field in a slice depends on what lies above and "
            f"below it, but got shape {chi.shape}; compute the field of the volume, then take a slice of it."
        )
    padded = tuple(quick_length(2 * n - 1) for n in chi.shape)
    transfer = _transfer(chi.shape, padded, _voxel_size(voxel_size), _direction(b0_direction))
    spectrum = jnp.fft.rfftn(chi, padded) * jnp.asarray(transfer, chi.dtype)
    return jnp.fft.irfftn(spectrum, padded)[tuple(slice(n) for n in chi.shape)]


def off_resonance(
    susceptibility_ppm: Any, voxel_size: Any, b0: Any, b0_direction: Any = (0.0, 0.0, 1.0)
) -> Float[Array, "nx ny nz"]:
    r"""The frequency of protons minus that without the object, in Hz.

    $$\Delta f = \frac{\gamma}{2\pi} B_0 \cdot \frac{\Delta B}{B_0}$$

    **Arguments:**

    - `susceptibility_ppm`, `voxel_size`, `b0_direction`: As of `field_shift`.
    - `b0`: Field of the magnet in T, a number. Positive.

    **Returns:** Shape `(nx, ny, nz)`, as the `off_resonance` of a `Tissue`.

    **Error, derivatives, raises, source:** as of `field_shift`; differentiable in `b0` too.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> vein = np.zeros((32, 32, 8))
        >>> vein[16, 16] = 0.4
        >>> print(mr.signals.susceptibility.off_resonance(vein, 1e-3, b0=3.0)[16, 16, 4].round(1))
        16.5

        ```
    """
    field = _checks.positive(_checks.finite(_checks.real_array(b0, "b0"), "b0"), "b0", "T")
    if field.ndim:
        raise ValueError(f"`b0` must be a number (T), but got shape {field.shape}.")
    return field * (GAMMA_BAR["1H"] * ppm) * field_shift(susceptibility_ppm, voxel_size, b0_direction)


def _voxel_size(value: Any) -> tuple[float, ...]:
    sizes = _known(value, "voxel_size")
    if sizes.shape not in ((), (1,), (3,)) or not np.all((sizes > 0) & np.isfinite(sizes)):
        raise ValueError(f"`voxel_size` must be a positive number or three (m), but got {value!r}.")
    return tuple(np.broadcast_to(sizes, 3).tolist())


def _direction(value: Any) -> tuple[float, ...]:
    direction = _known(value, "b0_direction")
    length = np.linalg.norm(direction)
    if direction.shape != (3,) or not np.isfinite(length) or length == 0:
        raise ValueError(f"`b0_direction` must be three numbers, not all zero, but got {value!r}.")
    return tuple((direction / length).tolist())


def _known(value: Any, name: str) -> Float[np.ndarray, "..."]:
    entries = value if isinstance(value, list | tuple) else (value,)
    if not all(map(_checks.is_concrete, entries)):
        raise ValueError(f"`{name}` must be known before compiling, but is traced; pass it as a static argument.")
    return np.asarray(value, float)


@functools.lru_cache(maxsize=KEPT)
def _transfer(
    shape: tuple[int, ...], padded: tuple[int, ...], voxel_size: tuple[float, ...], direction: tuple[float, ...]
) -> Float[np.ndarray, "..."]:
    """The Fourier transform of the field of one voxel, in double precision; real, as that field is even."""
    field = np.zeros(tuple(2 * n - 1 for n in shape))
    for first, second in itertools.combinations_with_replacement(range(3), 2):
        weight = direction[first] * direction[second] * (1 if first == second else 2)
        if weight:
            field += weight * _second_derivative(first, second, shape, voxel_size)
    field[tuple(n - 1 for n in shape)] += 1 / 3  # Lorentz: one third of the magnetisation of the voxel itself
    kernel = np.zeros(padded)
    kernel[tuple(slice(n) for n in field.shape)] = field
    transfer = np.fft.rfftn(np.roll(kernel, [1 - n for n in shape], (0, 1, 2))).real
    transfer.flags.writeable = False
    return transfer


def _second_derivative(
    first: int, second: int, shape: tuple[int, ...], voxel_size: tuple[float, ...]
) -> Float[np.ndarray, "..."]:
    r"""$\partial_i \partial_j \int_\text{voxel} dr' / 4\pi|r - r'|$ at the centres of voxels about it.

    Its antiderivative along all three axes, $-\arctan(yz / xr)$ for $i = j = x$ and $\log(z + r)$ for $x$ and $y$, is taken at
    the corners of the voxels. What does not depend on z drops out, so it is $\mathrm{arsinh}(z / \sqrt{x^2 + y^2})$, which loses
    no digits.
    """
    corners = [(np.arange(2 * n) - n + 0.5) * size for n, size in zip(shape, voxel_size, strict=True)]
    grids = np.meshgrid(*corners, indexing="ij", sparse=True)
    distance = np.sqrt(sum(grid**2 for grid in grids))
    if first == second:
        one, other = (grids[axis] for axis in range(3) if axis != first)
        primitive = -np.arctan2(one * other / grids[first], distance)
    else:
        (third,) = (grids[axis] for axis in range(3) if axis not in (first, second))
        primitive = np.arcsinh(third / np.sqrt(grids[first] ** 2 + grids[second] ** 2))
    for axis in range(3):
        primitive = np.diff(primitive, axis=axis)
    return primitive / (4 * np.pi)
