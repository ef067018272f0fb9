"""Where there is signal enough for a phase."""

from typing import Any

import numpy as np

from mrjax import _checks

N_BINS = 256
LEAST_QUALITY = 0.5
"""Length of the mean phasor of neighbours, of 1: below, phases are noise or change by half a turn."""


def signal_mask(magnitude: Any, phase: Any = None, threshold: float | None = None) -> np.ndarray:
    """A mask of one object from its magnitude, and from how its phase agrees with that of neighbours.

    Voxels above a threshold are opened, the largest part is kept, and its holes are filled. Skull and scalp are not told
    from brain: where they touch it, pass a mask of your own to what follows.

    **Arguments:**

    - `magnitude`: In any unit, zero or more. Shape `(nx, ny, nz)`; of echoes the root of the sum of their squares serves.
    - `phase`: Wrapped, in rad, such as that between two echoes. Shape `(nx, ny, nz)`. Not looked at by default.
    - `threshold`: In the unit of the magnitude; by default where the histogram parts best (Otsu), not above a fifth of its 99th
        percentile, as a brain in air has dark parts.

    **Returns:** booleans, shape `(nx, ny, nz)`, a NumPy array.

    **Derivatives:** none.

    **Raises:** `ValueError` for arrays that are no volumes of one shape or not finite, and where nothing is above the threshold.

    **Source:** N. Otsu, IEEE Trans Syst Man Cybern 9 (1979) 62-66.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> magnitude = np.full((12, 12, 12), 0.02)
        >>> magnitude[3:9, 3:9, 3:9] = 1.0
        >>> mask = mr.inverse.qsm.signal_mask(magnitude)
        >>> bool(mask[6, 6, 6]), bool(mask[1, 1, 1])
        (True, False)

        ```
    """
    from scipy import ndimage  # which few need

    size = _volume(magnitude, "magnitude")
    limit = _threshold(size) if threshold is None else threshold
    bright = size > limit
    if phase is not None:
        angle = _volume(phase, "phase")
        if angle.shape != size.shape:
            raise ValueError(f"`phase` must have the shape {size.shape} of `magnitude`, but got {angle.shape}.")
        parts = (ndimage.uniform_filter(part, 3, mode="nearest") for part in (np.cos(angle), np.sin(angle)))
        bright &= np.hypot(*parts) > LEAST_QUALITY
    parts = np.zeros(size.shape, int)
    if ndimage.label(ndimage.binary_opening(bright), output=parts) == 0:
        raise ValueError(
            f"`magnitude` must have an object above {limit:.4g} that is larger than specks; give another threshold, or a mask."
        )
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    filled = np.asarray(ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(largest, 2))))
    return filled[2:-2, 2:-2, 2:-2]


def _volume(values: Any, name: str) -> np.ndarray:
    array = np.asarray(_checks.finite(_checks.real_array(values, name), name))
    if array.ndim != 3:
        raise ValueError(f"`{name}` must be a volume, (nx, ny, nz), but got shape {array.shape}.")
    return array


def _threshold(magnitude: np.ndarray) -> float:
    """Otsu's, of the histogram up to its 99th percentile."""
    high = float(np.percentile(magnitude, 99))
    counts, edges = np.histogram(magnitude, N_BINS, (0.0, high or 1.0))
    middles = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middles)[:-1]
    above = counts.sum() - below
    parted = (below > 0) & (above > 0)
    gap = sums / np.maximum(below, 1) - ((counts * middles).sum() - sums) / np.maximum(above, 1)
    between = np.where(parted, below * above * gap**2, 0.0)
    return min(float(edges[1 + np.argmax(between)]), 0.2 * high)
