"""The voxels whose data the fit explains least, with their data and the curves that were fitted."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from mrjax.cli.batches import Result
from mrjax.cli.contrasts import Contrast, Known
from mrjax.cli.fit_figure import grid
from mrjax.cli.measurement import Measurement
from mrjax.inverse import FitStatus
from mrjax.signals.models import SignalModel

MOST = 8
POINTS = 200


class Curves(NamedTuple):
    """Signals of some voxels, `(n_voxels, n)` or, complex ones, as magnitudes."""

    voxels: np.ndarray
    """Their numbers among the fitted ones."""
    x: np.ndarray
    data: np.ndarray
    fitted_x: np.ndarray
    fitted: np.ndarray
    label: str
    """Of the x axis."""


def worst(result: Result, measured: Measurement) -> np.ndarray:
    """Numbers of the voxels whose residual is the largest part of their signal; of fits with a result."""
    size = np.sqrt(np.mean(np.abs(measured.signals) ** 2, axis=-1))
    part = np.divide(result.residual_rms, size, out=np.full(size.shape, np.nan), where=size > 0)
    part[~np.isfinite(part)] = -1.0
    order = np.argsort(-part, kind="stable")[:MOST]
    return order[part[order] >= 0]


def curves(
    contrast: Contrast, known: Known, model: SignalModel, measured: Measurement, result: Result, voxels: np.ndarray
) -> Curves:
    """What was measured in some voxels, and what the model gives for their parameters, between the samples where it can."""
    parameters = {name: jnp.asarray(values[voxels], jnp.float32) for name, values in result.parameters.items()}
    data = measured.signals[voxels]
    name, samples = next(iter(known.played.values.items()))
    # of the images themselves where settings beside the first differ, too
    between = contrast.has_curve and all(np.all(value == value[0]) for value in list(known.played.values.values())[1:])
    x = samples if between else np.arange(1, data.shape[-1] + 1)
    label = {"bval": "b (s/m^2)", "flip_angle": "flip angle (rad)"}.get(name, f"{name} (s)")
    if not between:
        fitted_x, label, here = x, "image", model.at(voxels)
    else:
        fitted_x = np.linspace(samples.min(), samples.max(), POINTS)
        values = {key: np.broadcast_to(value[0], (POINTS,)) for key, value in known.played.values.items()}
        dense = dataclasses.replace(known.played, values=values | {name: fitted_x})
        maps = {key: jnp.asarray(value[voxels], jnp.float32) for key, value in known.maps.items()}
        here = contrast.model(dataclasses.replace(known, played=dense, maps=maps))
    fitted = np.asarray(here(parameters))
    if np.iscomplexobj(fitted) or (contrast.signals == "signed" and data.min() >= 0):
        data, fitted = np.abs(data), np.abs(fitted)
    return Curves(voxels, x, data, fitted_x, fitted, label)


def draw(found: Curves, measured: Measurement, result: Result) -> Figure:
    """A panel for each voxel."""
    figure, panels = grid(len(found.voxels), 2.6)
    labels = measured.labels if measured.mask is None else np.argwhere(measured.mask).tolist()
    for i, voxel in enumerate(found.voxels):
        order = np.argsort(found.fitted_x, kind="stable")
        panels[i].plot(found.x, found.data[i], "o", color="black", markersize=4)
        panels[i].plot(found.fitted_x[order], found.fitted[i][order], color="firebrick")
        label = voxel if labels is None else labels[voxel]
        place = ", ".join(map(str, label)) if isinstance(label, list) else str(label)
        status = FitStatus(int(result.status[voxel])).name.lower().replace("_", " ")
        panels[i].set_title(f"voxel {place}: {status}", fontsize="small")
        panels[i].set_xlabel(found.label, fontsize="small")
    return figure
