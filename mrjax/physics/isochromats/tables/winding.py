r"""Integrals over time of what gradients wind, $\int q\,dt$ and $\int q^2 dt$, by which diffusion weights configuration states.

A state that was wound by $q_0$ before is damped by $\exp(-4 \pi^2 D \int (q_0 + q)^2 dt)$, whatever $q_0$ is.
"""

import numpy as np
from jaxtyping import Float

from mrjax.physics.isochromats.tables.courses import N_WINDING, GradientCourse, Row, Rows
from mrjax.physics.maths.quadrature import NODES, WEIGHTS
from mrjax.sequence.precision import Numbers, numpy_of


def integrals_of_winding(courses: dict[int, list[GradientCourse]], start: Rows, times: Rows) -> list[Rows]:
    """From a time until others: of the area of gradients along x, y and z, of nothing across, of the square, of nothing."""
    corners = [course.times for along in courses.values() for course in along]
    nothing = 0 * times
    if not corners:
        return [nothing] * N_WINDING
    xp = numpy_of(corners, start, times)
    n_rows = max(map(len, (*corners, start, times)))
    spread = lambda row: xp.maximum(xp.broadcast_to(row, (n_rows, row.shape[-1])), start)
    together = xp.concatenate([spread(row) for row in (start, *corners, times)], axis=-1)
    order = xp.argsort(together, axis=-1)
    edges = xp.take_along_axis(together, order, axis=-1)
    lasts = xp.diff(edges, axis=-1)
    values = [_wound(courses, start, edges[:, :-1] + (1 + node) / 2 * lasts) for node in NODES]
    pieces = sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True)) * lasts[..., None] / 2
    until = xp.concatenate([xp.zeros_like(pieces[:, :1]), xp.cumsum(pieces, axis=1)], axis=1)
    place = xp.argsort(order, axis=-1)[:, -times.shape[-1] :]
    found = xp.take_along_axis(until, place[..., None], axis=1)
    return [found[..., 0], found[..., 1], found[..., 2], nothing, found[..., 3], nothing]


def _wound(courses: dict[int, list[GradientCourse]], start: Rows, times: Rows) -> Float[Numbers, "_row _n 4"]:
    """Areas along x, y and z since the start, and the sum of their squares, which three points integrate exactly."""
    along = [
        sum((course.until(times)[0] - course.until(start)[0] for course in courses.get(axis, [])), start=0 * times)
        for axis in range(3)
    ]
    xp = numpy_of(along)
    return xp.stack(xp.broadcast_arrays(*along, sum(area**2 for area in along)), axis=-1)


def wound_steadily(
    wound: Float[Numbers, "n column"], across: Float[Numbers, " n"], duration: Row
) -> Float[Numbers, "n column"]:
    """With the integrals of cycles that are wound across the voxel at one speed during an interval."""
    xp = numpy_of(wound, across, duration)
    columns = [*(wound[:, i] for i in range(7)), across * duration / 2, wound[:, 8], across**2 * duration / 3]
    return xp.stack(columns, axis=-1)


def since_the_row(
    own: Float[Numbers, "... column"], before: Float[Numbers, "... _column"], time: Float[Numbers, "..."]
) -> Float[Numbers, "... column"]:
    """Columns of a part of a row, before which something was wound in it, in a form in which all parts are added."""
    xp = numpy_of(own, before, time)
    begun, first, time = before[..., :4], own[..., 4:8], time[..., None]
    grown = 2 * begun * first + begun**2 * time
    squares = [
        own[..., 8:9] + xp.sum(grown[..., :3], axis=-1, keepdims=True),
        own[..., 9:10] + grown[..., 3:],
    ]
    shapes = [np.shape(part)[:-1] for part in (own, first + begun * time)]
    spread = np.broadcast_shapes(*shapes)
    parts = [own[..., :4], first + begun * time, *squares]
    return xp.concatenate([xp.broadcast_to(part, (*spread, part.shape[-1])) for part in parts], axis=-1)
