"""k-space: the magnitude of samples, on a logarithmic scale."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _extent, _style
from mrjax.sequence import AbstractContainer, Sequence, Timeline
from mrjax.sequence.gradients import AXES

COLOURS = "magma"


def k_space(
    data: Any,
    trajectory: Any = None,
    along: Several[str] = ("x", "y"),
    *,
    field_of_view: Any = None,
    decades: float | int = 4,
    axes: Axes | None = None,
) -> Axes:
    """The magnitude of samples in k-space, in dB below the largest.

    **Arguments:**

    - `data`: On a grid, complex `(nx, ny)` with the middle of k-space at `n // 2`, x to the right; or at any places,
      `(n_samples,)`. Coils on an axis before are added as the root of the sum of squares.
    - `trajectory`: For samples at any places: a sequence, its timeline, or k in cycles/m, `(n_samples, 3)` or
      `(n_samples, 2)`.
    - `along`: Two of `"x"`, `"y"` and `"z"`: the components of `trajectory` to show, in this order.
    - `field_of_view`: Of data on a grid in m, a number or one for x and y: draws axes in cycles/m, onto which
      `mrjax.plot.trajectory` can draw its path.
    - `decades`: How far below the largest magnitude the scale goes, in powers of ten. Positive.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes.

    **Raises:** `ValueError` where `data` is no grid and no `trajectory` is given, or the two differ in length.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> axes = mr.plot.k_space(np.fft.fftshift(np.fft.fft2(np.eye(16))), field_of_view=0.2)
        >>> axes.get_xlabel()
        'kx (1/m)'

        ```
    """
    if not decades > 0:
        raise ValueError(f"`decades` must be positive, but got {decades!r}.")
    values = _style.as_numbers(data)
    n_axes = 2 if trajectory is None else 1
    if values.ndim not in (n_axes, n_axes + 1) or not values.size:
        due = "(nx, ny) on a grid, or come with a `trajectory`" if n_axes == 2 else "(n_samples,) beside a `trajectory`"
        raise ValueError(f"`data` must have shape {due}, with an axis of coils before or none, but got {values.shape}.")
    size = np.sqrt((np.abs(values) ** 2).sum(0)) if values.ndim > n_axes else np.abs(values)
    decibel = _in_decibel(size, decades)
    axes = _style.axes_or_new(axes, figsize=(5.2, 4.5))
    options = {"cmap": COLOURS, "vmin": -20 * decades, "vmax": 0}
    names = _names(along)
    if trajectory is None:
        extent = _grid_extent(size.shape, field_of_view)
        drawn = axes.imshow(decibel.T, origin="lower", extent=extent, interpolation="nearest", **options)
    else:
        places = _places(trajectory, names, size.size)
        order = np.argsort(decibel)  # strong samples above weak ones
        drawn = axes.scatter(*places[order].T, c=decibel[order], s=4, lw=0, **options)
        axes.set_facecolor("0.15")
        axes.set_aspect("equal", adjustable="datalim")
    _lay_out(axes, names, trajectory is not None or field_of_view is not None)
    axes.figure.colorbar(drawn, ax=axes, label="magnitude (dB)", shrink=0.8, pad=0.02)
    return axes


def _in_decibel(size: np.ndarray, decades: float | int) -> np.ndarray:
    largest = float(np.nanmax(size)) or 1.0
    return 20 * np.log10(np.maximum(size / largest, 10.0**-decades))


def _names(along: Several[str]) -> tuple[str, ...]:
    names = tuple(along)
    if len(names) != 2 or len(set(names)) < 2 or not set(names) <= set(AXES):
        raise ValueError(f'`along` must be two of "x", "y" and "z", each once, but got {along!r}.')
    return names


def _places(trajectory: Any, names: tuple[str, ...], n_samples: int) -> np.ndarray:
    if isinstance(trajectory, AbstractContainer):
        trajectory = Sequence(trajectory).timeline()
    k = np.asarray(trajectory.trajectory() if isinstance(trajectory, Timeline) else trajectory, float)
    columns = [AXES.index(name) for name in names]
    if k.ndim != 2 or k.shape[0] != n_samples or k.shape[1] <= max(columns):
        raise ValueError(
            f"`trajectory` must have shape (n_samples, 3) with the {n_samples} samples of `data`, but got {k.shape}."
        )
    return k[:, columns]


def _grid_extent(shape: tuple[int, ...], field_of_view: Any) -> _extent.Extent | None:
    """Neighbours on the grid are one over the field of view apart."""
    if field_of_view is None:
        return None
    return _extent.edges(shape, 1 / _extent.pair(field_of_view, "field_of_view"))


def _lay_out(axes: Axes, names: tuple[str, ...], has_unit: bool) -> None:
    if not has_unit:
        axes.set_xticks([])
        axes.set_yticks([])
    unit = " (1/m)" if has_unit else ""
    axes.set_xlabel(f"k{names[0]}{unit}")
    axes.set_ylabel(f"k{names[1]}{unit}")
