"""The picture of a trajectory before and after it is learned, and of what it sees."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure


def figure(tasks: list[Any], designs: tuple[Any, Any], results: list[Any], images: np.ndarray) -> Figure:
    """K-space, gradients of the first shot, an image that was not learned from with its errors, and the convergence."""
    drawn = Figure(layout="constrained", figsize=(15, 6))
    axes = drawn.subplots(2, 5)
    pairs = ((tasks[0], designs[0], "start"), (tasks[-1], designs[1], "learned"))
    for row, (task, design, title) in zip(axes, pairs, strict=True):
        k = np.asarray(task.trajectory(design)).reshape(*np.shape(design["weights"]), 2)
        for shot in k:
            row[0].plot(shot[:, 0], shot[:, 1], linewidth=0.6)
        row[0].set(title=title, aspect="equal", xlabel="kx (1/m)", ylabel="ky (1/m)")
        row[1].plot(np.asarray(task.gradients(design))[0].T * 1e3, linewidth=0.8)
        row[1].set(xlabel="point", ylabel="G (mT/m)")
        seen = np.abs(np.asarray(task.reconstructed(design, images[:1])))[0]
        row[2].imshow(seen.T, origin="lower", cmap="gray", vmin=0, vmax=1)
        row[3].imshow(np.abs(seen - images[0]).T, origin="lower", cmap="magma", vmin=0, vmax=0.3)
        for place, name in ((row[2], "image"), (row[3], "error, to 0.3")):
            place.set(title=name, xticks=[], yticks=[])
    axes[0, 4].imshow(images[0].T, origin="lower", cmap="gray", vmin=0, vmax=1)
    axes[0, 4].set(title="what is there", xticks=[], yticks=[])
    axes[1, 4].semilogy(np.concatenate([one.history.column("error")[1] for one in results]), color="k")
    axes[1, 4].set(xlabel="step", ylabel="squared error")
    return drawn
