"""Fits of many voxels, batch after batch, with a progress bar; an interrupt keeps what is finished."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from rich.progress import Progress

from mrjax.cli.interrupts import interruptible
from mrjax.inverse import FitStatus, least_squares
from mrjax.inverse.jacobian import Model

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


def fit_in_batches(
    model_of: Callable[[slice], Model],
    data: np.ndarray,
    init: dict[str, np.ndarray] | Callable[[Array], dict[str, Array]],
    bounds: tuple[dict[str, float], dict[str, float]],
    progress: Progress,
    *,
    noise_std: float | None = None,
    likelihood: Literal["gaussian", "rician"] = "gaussian",
    polarities: Array | None = None,
    batch_size: int = VOXELS_AT_ONCE,
) -> Result:
    """`least_squares` on `data` of shape `(n_voxels, n)`; `model_of` gives the model of a range of voxels.

    `noise_std`, `likelihood`, `polarities` and an `init` that is a function are those of `least_squares`.

    Every batch has the same size, the last one reaching back over voxels already done, so that one compilation serves all.
    """
    n_voxels = len(data)
    empty = lambda: np.full(n_voxels, np.nan)
    result = Result(
        {name: empty() for name in bounds[0]},
        {name: empty() for name in bounds[0]},
        empty(),
        np.full(n_voxels, FitStatus.EXCLUDED, int),
        np.zeros(n_voxels, bool),
    )
    size = min(batch_size, n_voxels)
    task = progress.add_task("fitting", total=n_voxels)
    try:
        for start in range(0, n_voxels, size):
            here = slice(max(0, min(start, n_voxels - size)), min(start + size, n_voxels))
            starts = init if callable(init) else {name: jnp.asarray(value[here]) for name, value in init.items()}
            fit = functools.partial(least_squares, model_of(here), jnp.asarray(data[here]), starts, bounds, noise_std)
            work = functools.partial(fit, likelihood=likelihood, polarities=polarities)
            _store(result, here, interruptible(lambda work=work: jax.device_get(work())))
            progress.update(task, completed=here.stop)
    except KeyboardInterrupt:
        progress.console.print(f"interrupted: {result.in_words}")
    return result


def _store(result: Result, here: slice, fit: Any) -> None:
    for name in result.parameters:
        result.parameters[name][here] = fit.parameters[name]
        result.standard_deviation[name][here] = fit.standard_deviation[name]
    result.residual_rms[here] = np.sqrt(np.mean(np.abs(fit.residual) ** 2, axis=-1))
    result.status[here] = fit.status
    result.finished[here] = True
