r"""The fields that come with gradients, for a field has no curl and no divergence (Maxwell), to first order in $1 / B_0$.

$$B_c = \frac{1}{B_0} \left(\frac{x^2 + y^2}{8} G_z^2 + \frac{z^2}{2} (G_x^2 + G_y^2)
- \frac{x z}{2} G_x G_z - \frac{y z}{2} G_y G_z\right)$$

M. A. Bernstein et al., Magn Reson Med 39 (1998) 300-308, for gradient coils of cylindrical symmetry.
"""

import numpy as np
from jaxtyping import Array, Float

from mrjax.physics.isochromats.places import Coordinates
from mrjax.physics.isochromats.tables.courses import N_PRODUCTS, GradientCourse, Rows
from mrjax.sequence.precision import Numbers, numpy_of

GAUSS = 0.5 - 0.5 / np.sqrt(3.0)
"""Where a cubic, such as the product of two straight lines, is taken twice for its integral."""


def shapes_in_space(coordinates: Coordinates, b0: Float[Array, ""]) -> tuple[Array | None, ...]:
    """What each product of gradients is multiplied with at some places, in m^2/T; None for zero."""
    x, y, z = coordinates
    product = lambda a, b: None if a is None or b is None else a * b / (2 * b0)
    squares = [r**2 for r in (x, y) if r is not None]
    across, crossed = sum(squares) / (8 * b0) if squares else None, (product(x, z), product(y, z))
    return across, product(z, z), *(None if term is None else -term for term in crossed)


def products_until(courses: dict[int, list[GradientCourse]], times: Rows) -> Float[Numbers, "_row _n 4"]:
    """Integrals of the products of gradients until some times, in T^2 s/m^2."""
    corners = [course.times for along in courses.values() for course in along]
    if not corners:
        return np.zeros((*times.shape, N_PRODUCTS))
    xp = numpy_of(corners, times)
    n_rows = max(map(len, (*corners, times)))
    spread = lambda row: xp.broadcast_to(row, (n_rows, row.shape[-1]))
    together = xp.concatenate([spread(row) for row in (*corners, times)], axis=-1)
    order = xp.argsort(together, axis=-1)
    edges = xp.take_along_axis(together, order, axis=-1)
    lasts = xp.diff(edges, axis=-1)
    halves = [_products(courses, edges[:, :-1] + share * lasts) for share in (GAUSS, 1 - GAUSS)]
    pieces = (halves[0] + halves[1]) * lasts[..., None] / 2
    until = xp.concatenate([xp.zeros_like(pieces[:, :1]), xp.cumsum(pieces, axis=1)], axis=1)
    place = xp.argsort(order, axis=-1)[:, -times.shape[-1] :]
    return xp.take_along_axis(until, place[..., None], axis=1)


def _products(courses: dict[int, list[GradientCourse]], times: Rows) -> Float[Numbers, "_row _n 4"]:
    x, y, z = (sum((course.values(times) for course in courses.get(i, [])), start=0 * times) for i in range(3))
    xp = numpy_of(x, y, z)
    return xp.stack(xp.broadcast_arrays(z**2, x**2 + y**2, x * z, y * z), axis=-1)
