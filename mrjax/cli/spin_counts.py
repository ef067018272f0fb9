"""How many spins a voxel needs, so that what a sequence winds does not look unwound."""

import warnings

from mrjax.cli.scene import Scene
from mrjax.physics import Isochromats
from mrjax.physics.isochromats.images.neighbours import TooFewSpinsWarning, warn_if_neighbours_alias
from mrjax.physics.simulation import valid_sequence
from mrjax.sequence import Sequence
from mrjax.tissue import Tissue

START = {2: 2, 3: 1}
"""Spins along each axis of a voxel where the sequence needs no more, of planes and of volumes."""


def enough(sequence: Sequence, there: Scene) -> tuple[int, ...]:
    """Spins along each axis of a voxel; more along an axis along which magnetisation is wound far and remembered."""
    n_axes = len(there.phantom.shape)
    along = [START[n_axes]] * n_axes
    for _ in range(n_axes):
        found = _too_few(sequence, there.spins(tuple(along)))
        if found is None:
            break
        along["xyz".index(found.axis)] *= found.times
    return tuple(along)


def _too_few(sequence: Sequence, spins: Tissue) -> TooFewSpinsWarning | None:
    engine, tissue = Isochromats(), spins.checked()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rows = engine.in_rows(valid_sequence(sequence), tissue, None, always=True)[2]
        if rows is not None:
            warn_if_neighbours_alias(rows, tissue, engine)
    return next((one.message for one in said if isinstance(one.message, TooFewSpinsWarning)), None)
