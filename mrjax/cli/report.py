"""A page that shows how a fit went: maps, histograms, statuses, and the voxels that fit least. One file, with all in it."""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mrjax import __version__
from mrjax.cli import fit_figure, map_files, outcome, worst_voxels
from mrjax.cli.batches import Result
from mrjax.cli.contrasts import Contrast, Known
from mrjax.cli.measurement import Measurement
from mrjax.inverse import FitStatus
from mrjax.signals.models import SignalModel

STYLE = (
    "body{font-family:sans-serif;max-width:1150px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}"
    "td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}"
    "img{max-width:100%}pre{background:#f4f4f4;padding:.8em;white-space:pre-wrap}"
)


def write(
    contrast: Contrast,
    known: Known,
    model: SignalModel,
    measured: Measurement,
    result: Result,
    maps: Mapping[str, np.ndarray],
    told: Mapping[str, tuple[str, str]],
) -> Path:
    """Write `report.html` beside the maps; `maps` are in the shape of the images, or of the rows of a table."""
    values = maps if measured.mask is None else {name: value[measured.mask] for name, value in maps.items()}
    parts = [
        *_in_words(contrast, known, model, measured),
        *_in_numbers(measured, result, values, told),
        *_in_pictures(measured, maps, told),
        *_worst(contrast, known, model, measured, result),
    ]
    title = f"mrjax fit {html.escape(contrast.name)}"
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>'
        f"<body>\n{chr(10).join(parts)}\n<p>mrjax {__version__}</p></body></html>\n"
    )
    path = known.options.out / f"{map_files.prefix(known.options.data[0])}report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _in_words(contrast: Contrast, known: Known, model: SignalModel, measured: Measurement) -> list[str]:
    remarks = " ".join([*known.played.remarks, *measured.remarks, measured.remark()])
    return [
        f"<h1>mrjax fit {html.escape(contrast.name)}</h1>",
        f"<pre>{html.escape(known.options.command_line)}</pre>",
        f"<p>{html.escape(remarks)}</p>",
        f"<h2>Model</h2><pre>{html.escape(str(model.without_maps()))}</pre>",
    ]


def _in_numbers(
    measured: Measurement, result: Result, values: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]]
) -> list[str]:
    return [
        "<h2>Voxels</h2>",
        table(("status", "voxels"), outcome.counts_of_all(measured, result).items()),
        "<h2>Values where the fit converged</h2>",
        table(("", "25 %", "median", "75 %", "unit", "meaning"), quartiles(values, told)),
        image("histograms", fit_figure.histograms(values, told)),
    ]


def _in_pictures(
    measured: Measurement, maps: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]]
) -> list[str]:
    mask = measured.mask
    if mask is None:
        return []
    shown = fit_figure.slice_in_words(mask, maps)
    statuses = ", ".join(f"{number} {name}" for number, name in outcome.meanings().items())
    sentence = html.escape(f"{shown[0].upper()}{shown[1:]}. Status: {statuses}.")
    draw = lambda deviations: fit_figure.gallery(mask, maps, told, deviations=deviations)
    return [
        *("<h2>Maps</h2>", f"<p>{sentence}</p>", image("maps", draw(False))),
        *("<h2>Standard deviations</h2>", image("standard deviations", draw(True))),
    ]


def _worst(contrast: Contrast, known: Known, model: SignalModel, measured: Measurement, result: Result) -> list[str]:
    voxels = worst_voxels.worst(result, measured)
    if not voxels.size:
        return []
    found = worst_voxels.curves(contrast, known, model, measured, result, voxels)
    sentence = "Those whose residual is the largest part of their signal: data (points) and fit (line)."
    figure = worst_voxels.draw(found, measured, result)
    return [f"<h2>The worst voxels</h2><p>{sentence}</p>", image("worst voxels", figure)]


def quartiles(values: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]]) -> list[tuple[str, ...]]:
    """Rows of a table, one for each map with one number a voxel."""
    good, rows = values["status"] == FitStatus.CONVERGED, []
    for name, (unit, meaning) in told.items():
        known = values[name][good] if values[name].ndim == 1 else np.empty(0)
        known = known[np.isfinite(known)]
        if known.size:
            numbers = (f"{value:.4g}" for value in np.percentile(known, [25, 50, 75]))
            rows.append((name, *numbers, unit, meaning))
    return rows


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """In HTML."""
    row = lambda tag, cells: "<tr>" + "".join(f"<{tag}>{html.escape(_text(cell))}</{tag}>" for cell in cells) + "</tr>"
    return "<table>" + row("th", header) + "".join(row("td", cells) for cells in rows) + "</table>"


def image(name: str, figure: Figure) -> str:
    """A figure within the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90)
    return f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
