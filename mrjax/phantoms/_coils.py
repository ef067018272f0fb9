"""Receive coils: birdcages and arrays of loops by the law of Biot and Savart, and Gaussian maps."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.tissue import Tissue

from ._positions import Positions, length, positions_of, triple
from .phantom import Phantom

WIRE = 1e-4
"""Radius in m within which the field of a wire no longer grows: it is too small by 1e-6 in 0.1 m distance."""

Point = Sequence[float | int]


def birdcage_coils(
    where: Phantom | Tissue,
    n_coils: int = 8,
    radius: float | int = 0.14,
    rung_length: float | int = 0.3,
    centre: Point = (0.0, 0.0, 0.0),
) -> Complex[Array, "n_coils *voxels"]:
    r"""Sensitivities of the rungs of a birdcage, each received by a channel of its own.

    $$C(r) \propto B_x(r) - i B_y(r)$$

    where $B$ is the static field of the current in a rung, a straight wire along z: by reciprocity a coil receives
    $C (M_x + i M_y)$. Of long rungs that is one over the distance, with the phase of the direction.

    **Arguments:**

    - `where`: A `Phantom`, or a `Tissue` with positions such as `Phantom.spins` gives.
    - `n_coils`: Rungs, at equal angles from the x axis towards y. At least 1.
    - `radius`, `rung_length`: In m. Positive.
    - `centre`: Of the cage, x, y and z in m.

    **Returns:** Shape `(n_coils, *voxels)`, of length one along axes of a tissue that positions do not change along. The
    root of the sum of squares is 1 at the centre, where all are real and positive.

    **Error:** rounding, 1e-6; what waves and currents in tissue do to the field is left out, which matters from 3 T on. Within
    0.1 mm of a wire the field no longer grows.

    **Derivatives:** in the positions of a tissue.

    **Raises:** `ValueError` for a tissue without positions, lengths that are not positive or no positive number of coils.

    **Source:** the law of Biot and Savart for a straight wire, as in any textbook.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> phantom = mr.phantoms.shepp_logan((32, 32))
        >>> mr.phantoms.birdcage_coils(phantom, n_coils=4).shape
        (4, 32, 32)

        ```
    """
    angles = _angles(n_coils)
    half = length(rung_length, "rung_length") / 2
    x, y = length(radius, "radius") * np.array([np.cos(angles), np.sin(angles)])
    ends = [np.stack([x, y, np.full(n_coils, z)], axis=-1) for z in (-half, half)]
    return _sensitivities(where, np.stack(ends, axis=1)[:, None], centre)


def loop_coils(
    where: Phantom | Tissue,
    n_coils: int = 8,
    radius: float | int = 0.14,
    loop_size: float | int = 0.1,
    rings: int = 1,
    centre: Point = (0.0, 0.0, 0.0),
) -> Complex[Array, "n_coils *voxels"]:
    r"""Sensitivities of square loops around an object, as those of a head array, by the law of Biot and Savart.

    $C \propto B_x - i B_y$ as in `birdcage_coils`.

    **Arguments:**

    - `where`: A `Phantom`, or a `Tissue` with positions such as `Phantom.spins` gives.
    - `n_coils`: Loops, all rings together, which face the axis at equal angles. A multiple of `rings`.
    - `radius`: Of the rings in m. Positive.
    - `loop_size`: Length of the sides of a loop, and distance of rings along z, in m. Positive.
    - `rings`: Around z, each turned by half a step against the one before. At least 1.
    - `centre`: Of the array, x, y and z in m.

    **Returns:** Shape `(n_coils, *voxels)`, as of `birdcage_coils`.

    **Error, derivatives, raises, source:** as of `birdcage_coils`; also `ValueError` where rings cannot be alike.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> spins = mr.phantoms.brain((32, 32)).spins(sub_spins=2)
        >>> mr.phantoms.loop_coils(spins, n_coils=16, rings=2).shape
        (16, 1, 64, 64)

        ```
    """
    rings = _checks.positive_integer(rings, "rings")
    if _checks.positive_integer(n_coils, "n_coils") % rings:
        raise ValueError(f"`n_coils` must be a multiple of `rings`, {rings}, but got {n_coils}.")
    side, each = length(loop_size, "loop_size"), n_coils // rings
    ring = np.repeat(np.arange(rings), each)
    angles = np.tile(_angles(each), rings) + np.pi * ring / each
    out = np.stack([np.cos(angles), np.sin(angles), np.zeros(n_coils)], axis=-1)
    along = np.stack([-np.sin(angles), np.cos(angles), np.zeros(n_coils)], axis=-1)
    up = np.array([0.0, 0.0, 1.0])[None]
    middle = length(radius, "radius") * out + up * side * (ring - (rings - 1) / 2)[:, None]
    corners = [middle + side / 2 * (a * along + b * up) for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    wires = np.stack(
        [np.stack(ends, axis=1) for ends in zip(corners, np.roll(corners, -1, axis=0), strict=True)], axis=1
    )
    return _sensitivities(where, wires, centre)


def gaussian_coils(
    where: Phantom | Tissue,
    n_coils: int = 8,
    radius: float | int = 0.14,
    width: float | int = 0.1,
    centre: Point = (0.0, 0.0, 0.0),
) -> Complex[Array, "n_coils *voxels"]:
    r"""Sensitivities that fall off as Gaussians from points on a ring, without phase: simple, and of no real coil.

    $$C_c(r) \propto \exp\left(-\frac{|r - r_c|^2}{2 w^2}\right)$$

    **Arguments:**

    - `where`, `n_coils`, `radius`, `centre`: As of `birdcage_coils`; the points $r_c$ are where its rungs are.
    - `width`: $w$ in m. Positive.

    **Returns:** Shape `(n_coils, *voxels)`; the root of the sum of squares is 1 at the centre.

    **Derivatives, raises:** as of `birdcage_coils`.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> phantom = mr.phantoms.shepp_logan((32, 32))
        >>> mr.phantoms.gaussian_coils(phantom, n_coils=6).shape
        (6, 32, 32)

        ```
    """
    angles, wide = _angles(n_coils), length(width, "width")
    x, y, z = _from(positions_of(where), centre)
    column = lambda values: jnp.asarray(values, x.dtype).reshape(-1, *(1 for _ in range(x.ndim)))
    ring = length(radius, "radius")
    right, up = x[None] - column(ring * np.cos(angles)), y[None] - column(ring * np.sin(angles))
    squared = right**2 + up**2 + z[None] ** 2 - ring**2
    return jnp.exp(-squared / (2 * wide**2)).astype(jnp.result_type(x, jnp.complex64)) / np.sqrt(n_coils)


def _angles(n_coils: int) -> Float[np.ndarray, " n_coils"]:
    return 2 * np.pi * np.arange(_checks.positive_integer(n_coils, "n_coils")) / n_coils


def _from(places: Positions, centre: Point) -> Positions:
    x, y, z = (value - start for value, start in zip(places, triple(centre, "centre"), strict=True))
    return x, y, z


def _sensitivities(
    where: Phantom | Tissue, wires: Float[np.ndarray, "n_coils n_wires 2 3"], centre: Point
) -> Complex[Array, "n_coils *voxels"]:
    """Of coils made of straight wires, whose ends are given relative to the centre."""
    places = _from(positions_of(where), centre)
    middle = np.asarray(_received((jnp.zeros(()),) * 3, jnp.asarray(wires)))
    largest = np.sqrt((np.abs(middle) ** 2).sum())
    factor = np.conj(middle) / np.abs(middle) / largest
    maps = _received(places, jnp.asarray(wires, places[0].dtype))
    return maps * jnp.asarray(factor, maps.dtype).reshape(-1, *(1 for _ in maps.shape[1:]))


@jax.jit
def _received(places: Positions, wires: Float[Array, "n_coils n_wires 2 3"]) -> Complex[Array, "n_coils *voxels"]:
    """$B_x - i B_y$ of a current in each coil; one wire after the other, as all together need many times the memory."""
    shape = jnp.broadcast_shapes(*(value.shape for value in places))
    nothing = jnp.zeros(shape, jnp.result_type(places[0], jnp.complex64))
    of_wire = lambda total, ends: (total + _of_wire(places, ends), None)
    return jax.lax.map(lambda coil: jax.lax.scan(of_wire, nothing, coil)[0], wires)


def _of_wire(places: Positions, ends: Float[Array, "2 3"]) -> Complex[Array, "*voxels"]:
    r"""Of a straight wire: $B \propto a \times b \, (|a| + |b|) / (|a| |b| (|a| |b| + a \cdot b))$ with a and b from its ends."""
    first, second = (tuple(p - e for p, e in zip(places, end, strict=True)) for end in ends)
    far = lambda v: jnp.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2 + WIRE**2)
    one, other = far(first), far(second)
    product = one * other
    inner = first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
    strength = (one + other) / (product * (product + inner))
    across_x = first[1] * second[2] - first[2] * second[1]
    across_y = first[2] * second[0] - first[0] * second[2]
    return (across_x - 1j * across_y) * strength
