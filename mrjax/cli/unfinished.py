"""Batches of a fit that are kept on disk until all are fitted, so that a fit that was killed goes on."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mrjax import __version__
from mrjax.cli.batches import BatchFit

FOLDER = "unfinished"
PARAMETERS, DEVIATIONS = "parameters.", "standard_deviation."


def keeping(fit: Callable[..., BatchFit], folder: Path, settings: str) -> Callable[..., BatchFit]:
    """A fit of one batch that reads from `folder` what it has fitted before, and writes there what it has not.

    A file is named by all that its numbers follow from: model, data, limits, noise, `settings` and version. What is read
    is what was written, bit for bit; a fit of anything else finds nothing.
    """

    def kept(*arguments: Any) -> BatchFit:
        path = folder / f"{_digest(arguments, settings)}.npz"
        if path.is_file():
            return _read(path)
        fitted = jax.device_get(fit(*arguments))
        _write(path, fitted)
        return fitted

    return kept


def forget(out: Path) -> None:
    """Remove what is kept beside the maps: all are written."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def count(out: Path) -> int:
    """How many batches are kept."""
    return len(list((out / FOLDER).glob("*.npz")))


def _digest(arguments: Any, settings: str) -> str:
    leaves, structure = jax.tree.flatten(arguments)
    digest = hashlib.sha256(f"{__version__} {settings} {structure}".encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]


def _write(path: Path, fitted: BatchFit) -> None:
    """At once: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {f"{PARAMETERS}{name}": value for name, value in fitted.parameters.items()}
    values |= {f"{DEVIATIONS}{name}": value for name, value in fitted.standard_deviation.items()}
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, residual_rms=fitted.residual_rms, status=fitted.status, **values)
    partial.replace(path)


def _read(path: Path) -> BatchFit:
    with np.load(path) as file:
        of = lambda prefix: {key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)}
        return BatchFit(of(PARAMETERS), of(DEVIATIONS), file["residual_rms"], file["status"])
