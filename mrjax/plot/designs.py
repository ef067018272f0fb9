"""Designs before and after."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrjax.plot import _style

STYLES: tuple[dict[str, Any], ...] = ({"color": "0.6", "label": "start"}, {"color": "C0", "label": "best"})
"""Before and after."""


def design(result: Any, *, bound: Any = None, show: Callable[[Any], Any] | None = None) -> list[Axes]:
    """What was designed before and after, how the objective fell, and what each tissue gains.

    **Arguments:**

    - `result`: What `mrjax.design.optimise` returned.
    - `bound`: A `mrjax.design.CramerRao`; the relative standard deviation of each of its parameters is drawn for every tissue,
      before and after.
    - `show`: Takes a design and returns what is drawn of it, an array or a dictionary of arrays, one value for each repetition;
      the free leaves by default. For splines, their curves.

    **Returns:** the axes: one for each array, one for the convergence, and one for each parameter of `bound`.

    **Raises:** `ValueError` where an array to be drawn has more than one axis.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> result = mr.design.optimise(mr.design.energy, jnp.ones(8), free=lambda x: x, steps=20, progress=False)
        >>> len(mr.plot.design(result))
        2

        ```
    """
    curves = _curves(result, show)
    pairs = () if bound is None else tuple(map(bound.relative_deviation, (result.start, result.best)))
    panels = len(curves) + 1 + (len(pairs[0]) if pairs else 0)
    columns = min(panels, 3)
    figure = Figure(layout="constrained", figsize=(4 * columns, 2.9 * -(-panels // columns)))
    axes = [figure.add_subplot(-(-panels // columns), columns, i + 1) for i in range(panels)]
    for place, (name, pair) in zip(axes, curves.items(), strict=False):
        _before_and_after(place, name, pair)
    _convergence(axes[len(curves)], result)
    for place, name in zip(axes[len(curves) + 1 :], pairs[0] if pairs else (), strict=True):
        _tissues(place, name, *(100 * np.ravel(np.asarray(one[name])) for one in pairs))
    return axes


def _curves(result: Any, show: Callable[[Any], Any] | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if show is None:
        curves = result.free
    else:
        shown = [jax.tree_util.tree_leaves_with_path(show(one)) for one in (result.start, result.best)]
        curves = {
            jax.tree_util.keystr(path): (np.asarray(before), np.asarray(after))
            for (path, before), (_, after) in zip(*shown, strict=True)
        }
    for name, (before, _) in curves.items():
        if before.ndim > 1:
            raise ValueError(
                f"{name} must have one value for each repetition to be drawn, but got shape {before.shape}."
            )
    return {name.strip("[]'.") or "design": pair for name, pair in curves.items()}


def _before_and_after(axes: Axes, name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    factor, unit = _unit(name)
    few = pair[0].size < 40
    for values, style in zip(pair, STYLES, strict=True):
        axes.plot(np.ravel(values) * factor, marker="." if few else "", **style)
    axes.set_xlabel("repetition")
    axes.set_ylabel(f"{name.replace('_', ' ')}{unit}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def _unit(name: str) -> tuple[float, str]:
    """Of the names that protocols have."""
    if name.endswith(("angle", "phase")):
        return 180 / np.pi, " (deg)"
    if name == "bvals":
        return 1e-6, " (s/mm²)"
    return (1e3, " (ms)") if name in ("tr", "te", "echo_spacing", "inversion_time") else (1.0, "")


def _convergence(axes: Axes, result: Any) -> None:
    names = [name for name in result.history.lines[0] if name not in ("step", "breach")]
    for name in names:
        steps, values = result.history.column(name)
        axes.plot(steps, values, label=name, color="k" if name == "objective" else None)
    values = np.concatenate([result.history.column(name)[1] for name in names])
    if np.min(values) > 0 and np.max(values) > 10 * np.min(values):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step")
    axes.set_ylabel("objective")
    if len(names) > 1:
        axes.legend(frameon=False)


def _tissues(axes: Axes, name: str, before: np.ndarray, after: np.ndarray) -> None:
    places = np.arange(before.size)
    for values, shift, style in zip((before, after), (-0.2, 0.2), STYLES, strict=True):
        axes.bar(places + shift, values, 0.4, **style)
    axes.set_xticks(places if before.size <= 10 else [])
    axes.set_xlabel("tissue")
    title = _style.PARAMETER_STYLE[name][0] if name in _style.PARAMETER_STYLE else name
    axes.set_ylabel(f"standard deviation of {title} (%)")
    axes.margins(y=0.2)  # room for the legend
    axes.legend(frameon=False, ncols=2, loc="upper center")
