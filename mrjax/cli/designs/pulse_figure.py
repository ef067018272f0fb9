"""The picture of a pulse before and after its design."""

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.design import DesignResult, PulseTask

STYLES: tuple[dict[str, Any], ...] = ({"color": "0.6", "label": "start"}, {"color": "C0", "label": "best"})


def figure(task: PulseTask, result: DesignResult) -> Figure:
    """The field, what it does along each coordinate that spins differ in, and how the objective fell."""
    coordinates = [name for name in ("position", "off_resonance", "b1") if np.ptp(np.asarray(getattr(task, name))) > 0]
    drawn = Figure(layout="constrained", figsize=(4 * (2 + len(coordinates)), 3.2))
    axes = np.atleast_1d(drawn.subplots(1, 2 + len(coordinates)))
    responses = [jax.jit(task.response)(design) for design in (result.start, result.best)]
    time = (np.arange(task.n_samples) + 0.5) * task.dt * 1e3
    for design, style in zip((result.start, result.best), STYLES, strict=True):
        axes[0].plot(time, np.abs(task.samples(design)) * 1e6, **style)
    axes[0].set(xlabel="time (ms)", ylabel="|B1| (uT)")
    for place, name in zip(axes[1:], coordinates, strict=False):
        _along(place, task, name, responses)
    _, objective = result.history.column("objective")
    axes[-1].semilogy(objective, color="k")
    axes[-1].set(xlabel="step", ylabel="objective")
    axes[0].legend(frameon=False)
    return drawn


def _along(axes: Any, task: PulseTask, name: str, responses: list[mr.design.PulseResponse]) -> None:
    """What spins see along one coordinate, those in the middle of the others."""
    shape = np.shape(task.wanted)
    places = {
        other: np.broadcast_to(np.asarray(getattr(task, other)), shape) for other in ("position", "off_resonance", "b1")
    }
    middle = {"position": 0.0, "off_resonance": _middle(task, places["off_resonance"]), "b1": np.mean(task.b1)}
    at = np.ones(shape, bool)
    for other in places:
        if other != name:
            distance = np.abs(places[other] - middle[other])
            at &= distance <= distance.min() + 1e-12
    factor, label = {
        "position": (1e3, "position (mm)"),
        "off_resonance": (1.0, "off-resonance (Hz)"),
        "b1": (1.0, "B1"),
    }[name]
    order = np.argsort(places[name][at])
    target = np.asarray(task.compared(responses[0])[1])[at][order]
    for response, style in zip(responses, STYLES, strict=True):
        values = np.asarray(task.compared(response)[0])[at][order]
        axes.plot(places[name][at][order] * factor, _real(values), **style)
    counts = np.broadcast_to(np.asarray(task.weights), shape)[at][order] > 0
    axes.plot((places[name][at][order] * factor)[counts], _real(target)[counts], "k.", markersize=2, label="wanted")
    axes.set(xlabel=label, ylabel={"excitation": "|Mxy|", "refocusing": "|refocused|"}.get(task.kind, "Mz"))


def _middle(task: PulseTask, frequency: np.ndarray) -> float:
    """Of the frequencies that the pulse is for."""
    return float(np.mean(frequency[np.asarray(task.wanted) > 0]))


def _real(values: np.ndarray) -> np.ndarray:
    return np.abs(values) if np.iscomplexobj(values) else values
