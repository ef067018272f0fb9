"""The picture of a trajectory before and after it is learned, and of what it sees."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure


class Row(NamedTuple):
    """A trajectory and the image that it sees."""

    title: str
    task: Any
    design: Any
    seen: np.ndarray


def figure(rows: list[Row], truth: np.ndarray, curves: dict[str, np.ndarray]) -> Figure:
    """K-space, gradients of the first shot, an image that was not learned from with its errors, and the convergence.

    **Arguments:**

    - `rows`: Two, of the start and of what was learned.
    - `truth`: The image that both see, the largest value of which is one.
    - `curves`: Errors at each step, by name.
    """
    drawn = Figure(layout="constrained", figsize=(15, 6))
    axes = drawn.subplots(2, 5)
    errors = [np.abs(np.abs(one.seen) - np.abs(truth)) for one in rows]
    most = float(f"{max(np.quantile(one, 0.999) for one in errors):.1g}")
    for row, (title, task, design, seen), error in zip(axes, rows, errors, strict=True):
        values = np.asarray(task.gradients(design))
        k = np.asarray(task.trajectory(design)).reshape(len(values), -1, 2)
        for shot in k:
            row[0].plot(shot[:, 0], shot[:, 1], linewidth=0.6)
        row[0].set(title=title, aspect="equal", xlabel="kx (1/m)", ylabel="ky (1/m)")
        row[1].plot(values[0].T * 1e3, linewidth=0.8)
        row[1].set(xlabel="point", ylabel="G (mT/m)")
        row[2].imshow(np.abs(seen).T, origin="lower", cmap="gray", vmin=0, vmax=1)
        row[3].imshow(error.T, origin="lower", cmap="magma", vmin=0, vmax=most)
        for place, name in ((row[2], "image"), (row[3], f"error, to {most:g}")):
            place.set(title=name, xticks=[], yticks=[])
    axes[0, 4].imshow(np.abs(truth).T, origin="lower", cmap="gray", vmin=0, vmax=1)
    axes[0, 4].set(title="what is there", xticks=[], yticks=[])
    for name, curve in curves.items():
        axes[1, 4].semilogy(curve, linewidth=0.8, label=name)
    axes[1, 4].set(xlabel="step", ylabel="error")
    axes[1, 4].legend()
    return drawn
