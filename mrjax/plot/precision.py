"""How precise estimates are, against how precise they could be."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mrjax.inverse import CramerRaoBound
from mrjax.plot import _style

CLOSE = 0.1
"""Estimates are drawn in a band of so much about the bound."""


def precision(bound: CramerRaoBound, estimates: Any, *, figure: Figure | None = None) -> np.ndarray:
    """Standard deviations of estimates over those of the Cramér-Rao bound, a picture for each parameter, both logarithmic.

    An efficient estimator lies on the line; the band about it is 10 % wide on each side.

    **Arguments:**

    - `bound`: As `mrjax.inverse.crlb` returns it.
    - `estimates`: What has their `standard_deviation`, such as `mrjax.inverse.monte_carlo` or a fit.
    - `figure`: Matplotlib figure to draw in; a new one by default.

    **Returns:** The axes, one for each parameter, in the order of their names.

    **Raises:** `ValueError` where parameters or voxels differ, or nothing is positive and finite.

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.01, 0.03, 0.06, 0.1])
        >>> truth = {"t2": jnp.linspace(0.03, 0.1, 5), "m0": 1.0}
        >>> bound = mr.inverse.crlb(model, truth, noise_std=0.01)
        >>> found = mr.inverse.monte_carlo(model, truth, 0.01, jax.random.key(1), 100)
        >>> axes = mr.plot.precision(bound, found)
        >>> axes[1].get_title()
        'T2'

        ```
    """
    limits, spreads = bound.standard_deviation, estimates.standard_deviation
    shapes = [{name: np.shape(value) for name, value in sorted(each.items())} for each in (limits, spreads)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`estimates` must have the parameters and voxels of `bound`, {shapes[0]}, but got {shapes[1]}."
        )
    figure = Figure(layout="constrained", figsize=(3.4 * len(limits), 3.4)) if figure is None else figure
    axes = np.atleast_1d(figure.subplots(1, len(limits)))
    for each, name in zip(axes, sorted(limits), strict=True):
        _draw(each, name, np.ravel(limits[name]), np.ravel(spreads[name]))
    axes[0].set_ylabel("standard deviation of estimates")
    return axes


def _draw(axes: Axes, name: str, bound: np.ndarray, spread: np.ndarray) -> None:
    title, unit, _ = _style.PARAMETER_STYLE.get(name, (name, "", ""))
    known = np.isfinite(bound) & np.isfinite(spread) & (bound > 0) & (spread > 0)
    if not known.any():
        raise ValueError(f"`bound` and `estimates` of {name!r} must be positive and finite somewhere, but are nowhere.")
    # in milliseconds where that is easier to read, on both axes
    if unit == "s" and bound[known].max() < 0.5:
        bound, spread, unit = bound * 1e3, spread * 1e3, "ms"
    both = np.concatenate([bound[known], spread[known]])
    ends = np.array([both.min() / 1.3, both.max() * 1.3])
    axes.fill_between(ends, ends * (1 - CLOSE), ends * (1 + CLOSE), color="0.9", linewidth=0)
    axes.plot(ends, ends, color="0.5", linewidth=1)
    axes.plot(bound[known], spread[known], ".", color="C0", alpha=1.0 if known.sum() < 100 else 0.4)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=title, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"Cramér-Rao bound ({unit})" if unit else "Cramér-Rao bound")
