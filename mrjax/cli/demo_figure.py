"""The figure of `mrjax demo`."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrjax.cli.fingerprinting import FingerprintingExperiment
from mrjax.plot import parameter_map, sequence_diagram, signal_curves


def draw(experiment: FingerprintingExperiment, maps: dict[str, np.ndarray]) -> Figure:
    """Sequence and fingerprints above; true, estimated, error and standard-deviation maps of T1 and T2 below."""
    figure = Figure(figsize=(15, 12), layout="constrained")
    above, below = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(1, 2.1))))
    left, right = above.subplots(1, 2, width_ratios=(1.3, 1))
    sequence_diagram(experiment.sequence, axes=left)
    left.set_title("What the scanner plays")
    _fingerprints(right, experiment)
    for row, name in zip(below.subplots(2, 4), ("t1", "t2"), strict=True):
        _maps(row, name, maps)
    return figure


def _fingerprints(axes: Axes, experiment: FingerprintingExperiment) -> None:
    """The purest voxel of each tissue."""
    phantom, times = experiment.phantom, np.asarray(experiment.sequence.sample_times)
    purest = [int(np.argmax(fraction[experiment.mask])) for fraction in np.asarray(phantom.fractions)]
    signal_curves(experiment.signals[purest], times, labels=phantom.names, axes=axes)
    for line in axes.lines:
        line.set_linewidth(0.8)
    axes.set_title("What one voxel of each tissue answers, noise included")


def _maps(row: np.ndarray, name: str, maps: dict[str, np.ndarray]) -> None:
    limits = (0.0, float(2.2 * np.nanmedian(maps[f"{name}_true"])))  # for tissue; CSF saturates
    label = name.upper()
    parameter_map(maps[f"{name}_true"], name, limits=limits, title=f"{label}, true", axes=row[0])
    parameter_map(maps[name], name, limits=limits, title=f"{label}, estimated", axes=row[1])
    parameter_map(
        maps[f"{name}_error"] * 100,
        title=f"{label}, error",
        unit="%",
        limits=(-15.0, 15.0),
        colours="RdBu_r",
        axes=row[2],
    )
    relative = 100 * maps[f"{name}_std"] / maps[name]
    reach = float(np.nanpercentile(relative, 97))
    parameter_map(relative, title=f"{label}, one standard deviation", unit="%", limits=(0.0, reach), axes=row[3])
