"""How a fit went: on the screen, in the exit status, and in a record beside the maps."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from mrjax import __version__
from mrjax.cli.batches import Result
from mrjax.cli.measurement import Measurement
from mrjax.inverse import FitStatus

OF_IMAGES = "that of the images"
UNITS = {
    "t1": "s",
    "t2": "s",
    "exchange_rate": "1/s",
    "residual_rms": OF_IMAGES,
    "fraction": "relative to water",
    "b1": "relative to nominal",
    "shift_ppm": "ppm",
    "off_resonance_ppm": "ppm",
}
"""Of the parameters of saturation experiments; of those of pools by what follows the name of the pool."""
ENOUGH = 0.5
"""The fraction of the voxels that must converge for a fit to count as one."""


def summary(name: str, result: Result, derived: Mapping[str, np.ndarray] | None = None) -> Table:
    """Quartiles of each parameter over the voxels that converged, and of what is made of them, and how many did not."""
    table = Table(title=f"{name}: {result.finished.sum():,} voxels")
    for column in ("", "25 %", "median", "75 %", "median std"):
        table.add_column(column, justify="right")
    good = result.finished & (result.status == FitStatus.CONVERGED)
    for parameter, values in result.parameters.items():
        if good.any():
            quartiles = np.nanpercentile(values[good], [25, 50, 75])
            spread = result.standard_deviation[parameter][good]
            # as many samples as parameters leave nothing to tell the noise by
            known = f"{np.nanmedian(spread):.4g}" if np.isfinite(spread).any() else "unknown"
            table.add_row(parameter, *(f"{value:.4g}" for value in quartiles), known)
    for made, values in (derived or {}).items():
        if good.any() and values.ndim == 1:
            table.add_row(made, *(f"{value:.4g}" for value in np.nanpercentile(values[good], [25, 50, 75])), "")
    table.caption = f"{_listed(_counts(result.status[result.finished]))}; SI units"
    return table


def exit_status(command: str, measured: Measurement, result: Result) -> int:
    """0 where most voxels converged; else 1, with a sentence on stderr. 130 after an interrupt."""
    if not result.finished.all():
        return 130
    counts = _counts(result.status) | {"excluded": measured.n_excluded}
    converged, asked = counts.pop("converged", 0), len(result.status) + measured.n_excluded
    if converged >= ENOUGH * asked:
        return 0
    print(
        f"mrjax {command}: only {converged:,} of {asked:,} voxels converged ({_listed(counts)}). Check units and order of what "
        "describes the images, and that the images are of this kind; the map or the column of the status says which voxels.",
        file=sys.stderr,
    )
    return 1


def units_of(result: Result) -> dict[str, str]:
    """Of the parameters of a saturation experiment, their standard deviations and the residual."""
    units = {name: UNITS.get(name.rpartition(".")[2], "") for name in (*result.parameters, "residual_rms")}
    return units | {f"{name}_std": units[name] for name in result.parameters}


def counts_of_all(measured: Measurement, result: Result) -> dict[str, int]:
    """How many voxels have which status, with those that were not fitted."""
    outside = 0 if measured.mask is None else int((~measured.mask).sum()) - measured.n_excluded
    unreached = int((~result.finished).sum())
    of_others = {"excluded": measured.n_excluded, "outside mask": outside, "not reached before an interrupt": unreached}
    counts = _counts(result.status[result.finished]) | of_others
    return {name: count for name, count in counts.items() if count}


def write_record(
    options: argparse.Namespace, measured: Measurement, result: Result, units: dict[str, str], settings: dict[str, Any]
) -> Path:
    """What the maps are: command line, version, units, meaning and counts of each status, settings of the sequence."""
    record = {
        "command_line": options.command_line,
        "mrjax_version": __version__,
        "units": units,
        "status": meanings(),
        "voxels": counts_of_all(measured, result),
        "not_fitted": {reason: count for reason, count in measured.left_out.items() if count},
        **settings,
    }
    path = options.out / "mrjax_fit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def meanings() -> dict[str, str]:
    """What the numbers of the status mean."""
    return {str(status.value): _name(status) for status in FitStatus}


def _name(status: FitStatus) -> str:
    return status.name.lower().replace("_", " ")


def _counts(statuses: np.ndarray) -> dict[str, int]:
    return {_name(status): int(np.sum(statuses == status)) for status in FitStatus}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
