"""A design as files, a figure and a table."""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import mrjax as mr
from mrjax.cli.designs.folder import claim as claim_folder, write_sequence
from mrjax.cli.designs.question import Question
from mrjax.design import DesignResult

SMALLEST_MATRIX = 64


def claim(folder: Path, asked: Question) -> None:
    """Note what is asked in a folder; `ValueError` where it holds another design."""
    claim_folder(folder, asked.as_dict())


def write(folder: Path, asked: Question, result: DesignResult, options: argparse.Namespace) -> list[Path]:
    """Write the design as JSON and CSV, the figure, and a Pulseq file where one is asked for; returns their paths."""
    paths = [folder / name for name in ("design.json", "design.csv", "design.png")]
    record = _record(asked, result, options)
    if getattr(options, "fov", None) is not None:
        paths.append(folder / f"{asked.experiment.name}.seq")
        sequence = _sequence(asked, asked.complete(result.best), options)
        record["largest_change_when_read_back"] = write_sequence(paths[-1], sequence, mr.Scanner(), _seen)
    paths[0].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    _write_table(paths[1], asked, asked.complete(result.best))
    _figure(asked, result).savefig(paths[2], dpi=150)
    return paths


def _record(asked: Question, result: DesignResult, options: argparse.Namespace) -> dict[str, Any]:
    before, after = (asked.bound.relative_deviation(design) for design in (result.start, result.best))
    units = {one.name: one.quantity.si for one in asked.experiment.settings}
    pair = lambda start, best: {"start": np.asarray(start).tolist(), "best": np.asarray(best).tolist()}
    shown = [asked.shown(design) for design in (result.start, result.best)]
    return {
        "design": {name: {"unit": units[name], **pair(shown[0][name], shown[1][name])} for name in asked.start},
        "relative_standard_deviation": {name: pair(before[name], after[name]) for name in before},
        "objective": {**pair(asked.bound(result.start), result.objective), "factor": result.factor},
        "tissue_names": asked.labels,
        "question": asked.as_dict(),
        "reason": result.reason,
        "steps": len(result.history.lines) - 1,
        "command_line": options.command_line,
        "mrjax_version": mr.__version__,
    }


def _write_table(path: Path, asked: Question, values: dict[str, Any]) -> None:
    """A row for each sample, in the units of scanners."""
    columns = [one for one in asked.experiment.settings if one.per_sample]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f"{one.name} ({one.quantity.unit})" for one in columns])
        rows = zip(*(np.asarray(values[one.name]) / one.quantity.size for one in columns), strict=True)
        writer.writerows([f"{value:.6g}" for value in row] for row in rows)


def require_sequence(asked: Question, options: argparse.Namespace) -> None:
    """Refuse, before anything is searched for, a Pulseq file that no scanner plays at the largest settings."""
    if getattr(options, "fov", None) is not None:
        largest = {name: np.full(np.shape(asked.settings[name]), high) for name, (_, high) in asked.bounds.items()}
        mr.Scanner().check(_sequence(asked, {**asked.settings, **largest}, options))
    elif getattr(options, "matrix", None) is not None:
        raise ValueError("--matrix is that of the Pulseq file, which needs --fov as well.")


def _sequence(asked: Question, values: dict[str, Any], options: argparse.Namespace) -> mr.Sequence:
    n = len(values["refocusing_angle"])
    matrix = -(-SMALLEST_MATRIX // n) * n if options.matrix is None else options.matrix
    assert asked.experiment.imaging is not None
    return asked.experiment.imaging(values, options.fov, matrix)


def _seen(sequence: mr.Sequence) -> Any:
    """The signal of each of two spins beside the middle."""
    places = ((10e-3, 7e-3), (-15e-3, 20e-3))
    return np.stack([mr.acquire(sequence, mr.Tissue(1.0, 0.08, x=[x], y=[y]), tolerance=0) for x, y in places])


def _figure(asked: Question, result: DesignResult) -> Any:
    axes = mr.plot.design(result, bound=asked.bound, show=asked.shown)
    for place in axes[-len(asked.bound.weights) :]:
        if len(asked.labels) <= 10:
            place.set_xticks(range(len(asked.labels)), asked.labels)
            place.set_xlabel("")
    figure = axes[0].figure
    title = f"{asked.experiment.help}; noise {asked.noise_std:g} of M0, variance divided by {result.factor:.3g}"
    figure.suptitle(title, fontsize="medium")
    return figure


def table(asked: Question, result: DesignResult) -> Table:
    """The design, and how precise it is predicted to be."""
    drawn = Table(title=f"variance divided by {result.factor:.4g}")
    for column in ("", "start", "best"):
        drawn.add_column(column)
    start, best = (asked.shown(design) for design in (result.start, result.best))
    for one in asked.experiment.settings:
        if one.name in asked.start:
            drawn.add_row(one.name, one.shown(start[one.name]), one.shown(best[one.name]))
    before, after = (asked.bound.relative_deviation(design) for design in (result.start, result.best))
    for name in before:
        for label, *pair in zip(asked.labels, np.ravel(before[name]), np.ravel(after[name]), strict=True):
            drawn.add_row(f"std of {name}, {label}", *(f"{100 * value:.3g} %" for value in pair))
    return drawn
