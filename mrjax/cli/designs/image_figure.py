"""The picture of a sequence as it is learned: k-space, the image, and how the error fell."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mrjax as mr


def figure(echoes: mr.design.FreeEchoes, designs: list[Any], images: list[np.ndarray], stages: list[Any]) -> Figure:
    """K-space of every design, then the images of the last and of the target, then the error of all stages."""
    n = len(designs)
    drawn = Figure(layout="constrained", figsize=(2.6 * n, 5.4))
    axes = drawn.subplots(2, n)
    for i, design in enumerate(designs):
        k = np.asarray(echoes.k_space(design))
        for line in k:
            axes[0, i].plot(line[:, 0], line[:, 1], ".-", markersize=2, linewidth=0.5)
        axes[0, i].set(title="start" if i == 0 else f"stage {i}", xlabel="kx (1/FOV)", aspect="equal")
        axes[0, i].set(xlim=(-echoes.matrix, echoes.matrix), ylim=(-echoes.matrix, echoes.matrix))
    axes[0, 0].set_ylabel("ky (1/FOV)")
    most = max(float(image.max()) for image in images)
    for place, image, title in zip(axes[1], images, ("learned", "target"), strict=False):
        place.imshow(image.T, origin="lower", cmap="gray", vmin=0, vmax=most)
        place.set(title=title, xticks=[], yticks=[])
    errors = np.concatenate([stage.history.column("error")[1] for stage in stages])
    axes[1, 2].semilogy(np.sqrt(errors), color="k")
    axes[1, 2].set(xlabel="step", ylabel="NRMSE of signals")
    for design, style in zip((designs[0], designs[-1]), ({"color": "0.6"}, {"color": "C0"}), strict=True):
        axes[1, 3].plot(np.rad2deg(np.asarray(design["flip_angle"])), ".-", **style)
    axes[1, 3].set(xlabel="repetition", ylabel="flip angle (deg)")
    for place in axes[1, 4:]:
        place.set_axis_off()
    return drawn
