"""Fits of many voxels, batch after batch, with a progress bar; an interrupt keeps what is finished."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.progress import Progress

from mrjax.cli.interrupts import interruptible
from mrjax.inverse import Fit, FitStatus, least_squares
from mrjax.inverse.batches import fits_in_batches
from mrjax.inverse.jacobian import Model
from mrjax.signals.models import SignalModel

VOXELS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Result:
    """Fitted parameters of a list of voxels, as NumPy arrays; nan where a voxel was not reached."""

    parameters: dict[str, np.ndarray]
    standard_deviation: dict[str, np.ndarray]
    residual_rms: np.ndarray
    status: np.ndarray
    finished: np.ndarray
    """False for voxels that an interrupt left unfitted."""

    @property
    def in_words(self) -> str:
        """What becomes of it after an interrupt."""
        count = self.finished.sum()
        return (
            f"{count} of {self.finished.size} voxels are fitted and will be written" if count else "nothing is fitted"
        )


class BatchFit(NamedTuple):
    """What is kept of the fit of a batch."""

    parameters: dict[str, Any]
    standard_deviation: dict[str, Any]
    residual_rms: Any
    status: Any


def fit_in_batches(
    model: Model,
    data: np.ndarray,
    progress: Progress,
    *,
    init: Any | None = None,
    bounds: Any | None = None,
    noise_std: float | None = None,
    batch_size: int = VOXELS_AT_ONCE,
    estimator: Callable[..., Fit] | None = None,
    keeping: Callable[[Callable[..., BatchFit]], Callable[..., BatchFit]] | None = None,
    **options: Any,
) -> Result:
    """`least_squares` on `data` of shape `(n_voxels, n)`, which takes `options`; a model that has no limits needs them here.

    With an `estimator` that does it instead, of model, data, start, bounds and noise; `keeping` makes of what fits a batch one
    that remembers.
    """
    n_voxels, names = len(data), _names(model, init)
    empty = lambda: np.full(n_voxels, np.nan)
    result = Result(
        {name: empty() for name in names},
        {name: empty() for name in names},
        empty(),
        np.full(n_voxels, FitStatus.EXCLUDED, int),
        np.zeros(n_voxels, bool),
    )
    task = progress.add_task("fitting", total=n_voxels)
    fit = lambda *arguments: _of_batch((estimator or functools.partial(least_squares, **options))(*arguments))
    batches = fits_in_batches(
        fit if keeping is None else keeping(fit), model, data, init, bounds, noise_std, batch_size
    )
    try:
        while (batch := interruptible(lambda: next(batches, None))) is not None:
            here, fitted = batch
            _store(result, here, fitted)
            progress.update(task, completed=here.stop)
    except KeyboardInterrupt:
        progress.console.print(f"interrupted: {result.in_words}")
    return result


def _names(model: Model, init: Any) -> tuple[str, ...]:
    return model.names if isinstance(model, SignalModel) else tuple(init)


def _of_batch(fit: Fit) -> BatchFit:
    fit = jax.device_get(fit)
    residual_rms = np.sqrt(np.mean(np.abs(fit.residual) ** 2, axis=-1))
    return BatchFit(fit.parameters, fit.standard_deviation, residual_rms, fit.status)


def _store(result: Result, here: slice, fitted: BatchFit) -> None:
    for name in result.parameters:
        result.parameters[name][here] = fitted.parameters[name]
        result.standard_deviation[name][here] = fitted.standard_deviation[name]
    result.residual_rms[here] = fitted.residual_rms
    result.status[here] = fitted.status
    result.finished[here] = True
