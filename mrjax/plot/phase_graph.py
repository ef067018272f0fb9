"""The states of a phase distribution graph as a picture."""

from typing import Literal, get_args

import numpy as np
from matplotlib.axes import Axes

from mrjax.physics import PDG
from mrjax.plot import _style

By = Literal["x", "y", "z", "cycles", "time"]
LABELS = dict(
    zip(
        get_args(By),
        (*(f"k{axis} (1/mm)" for axis in "xyz"), "cycles across the voxel", "time under T2' (ms)"),
        strict=True,
    )
)
UNITS = (1e-3, 1e-3, 1e-3, 1.0, 1e3)
FAINTEST = 1e-4
"""Latent signal relative to the largest sample, below which colours do not differ."""


def phase_graph(engine: PDG, by: By = "time", *, axes: Axes | None = None) -> Axes:
    r"""What states are wound by before each pulse, coloured by how much signal passes through them.

    One dot stands for a state and its opposite, at $|\kappa|$ along one dimension. Colours are the latent signal relative to the
    largest sample, on a logarithmic scale from 1e-4 on; grey where it was not estimated, as with `accuracy=0`.

    **Arguments:**

    - `engine`: A `PDG` that `with_graph` returned.
    - `by`: `"x"`, `"y"`, `"z"` (spatial frequency), `"cycles"` (of `Dephase`) or `"time"`, along the vertical axis.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes.

    **Raises:** `ValueError` for an engine without graph, or another dimension.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(jnp.full(8, 2.0), echo_spacing=10e-3)
        >>> engine = mr.PDG().with_graph(train, mr.Tissue(1.0, 0.1, t2_prime=0.03))
        >>> mr.plot.phase_graph(engine).get_ylabel()
        "time under T2' (ms)"

        ```
    """
    graph = engine.graph
    if graph is None:
        raise ValueError("`engine` must have a graph to draw; use `engine.with_graph(sequence, tissue)`.")
    if by not in get_args(By):
        raise ValueError(f"`by` must be one of {', '.join(get_args(By))}, but got {by!r}.")
    dimension = get_args(By).index(by)
    present = np.arange(graph.n_states)[None] < graph.count[:, None]
    row, state = np.nonzero(present)
    wound = np.abs(graph.dephasing[row, state, dimension]) * UNITS[dimension]
    latent = graph.latent[row, state]
    axes = _style.axes_or_new(axes, figsize=(8, 4))
    unknown = np.isnan(latent)
    axes.scatter(row[unknown], wound[unknown], s=6, color="0.6")
    order = np.flatnonzero(~unknown)[np.argsort(latent[~unknown], kind="stable")]
    strength = np.log10(np.clip(latent[order], FAINTEST, 1.0))
    dots = axes.scatter(row[order], wound[order], s=6, c=strength, vmin=np.log10(FAINTEST), vmax=0.0, cmap="viridis")
    if len(order):
        axes.figure.colorbar(dots, ax=axes, label="log10 of the latent signal")
    axes.set_xlabel("pulses before")
    axes.set_ylabel(LABELS[by])
    return axes
