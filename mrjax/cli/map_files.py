"""Maps of a fit as files: names and sidecars as BIDS has them for quantitative maps."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax import __version__
from mrjax.cli import measurement, outcome
from mrjax.cli.batches import Result
from mrjax.cli.contrasts import Contrast
from mrjax.cli.measurement import Measurement
from mrjax.io import sidecar_path, write_nifti
from mrjax.signals.models import SignalModel

OF_ONE_IMAGE = ("echo", "flip", "inv", "mt", "part")
"""Entities of BIDS names that differ from image to image of one series."""


def described(contrast: Contrast, model: SignalModel) -> dict[str, tuple[str, str]]:
    """By the names of maps their units and meanings."""
    told = {one.name: (one.unit, one.meaning) for one in model.parameters}
    told = {name: (outcome.OF_IMAGES if unit == "signal" else unit, meaning) for name, (unit, meaning) in told.items()}
    deviations = {f"{name}_std": (unit, f"standard deviation of: {meaning}") for name, (unit, meaning) in told.items()}
    of_others = {one.name: (one.unit, one.meaning) for one in contrast.derived}
    unit = outcome.OF_IMAGES if contrast.signals != "uniform" else ""
    return told | deviations | of_others | {"residual_rms": (unit, "root of the mean square of data minus fit")}


def map_name(contrast: Contrast, key: str) -> str:
    """That of the file of a map, without ending: `T1map` of `t1`, `desc-std_T1map` of its standard deviation."""
    if key in ("status", "residual_rms"):
        return {"status": "statusmap", "residual_rms": "residualmap"}[key]
    name = key.removesuffix("_std")
    label = "desc-std_" if name != key else ""
    if name in contrast.suffixes:
        return f"{label}{contrast.suffixes[name]}map"
    name = re.sub(r"_(\d+)$", r"Component\1", name)  # T2 of component 1, not T21
    name = re.sub(r"^([dw])_([xyz]+)$", r"\1\2", name)
    return f"{label}{''.join(word[:1].upper() + word[1:] for word in name.split('_'))}map"


def prefix(image: Path) -> str:
    """What the files of a subject begin with: the entities of a BIDS name that all images of a series share."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    if not stem.startswith("sub-"):
        return ""
    kept = [part for part in stem.split("_") if "-" in part and part.partition("-")[0] not in OF_ONE_IMAGE]
    return "_".join(kept) + "_"


def write(
    contrast: Contrast,
    model: SignalModel,
    data: list[Path],
    out: Path,
    measured: Measurement,
    result: Result,
    derived: Mapping[str, np.ndarray],
) -> tuple[list[Path], dict[str, np.ndarray]]:
    """Write a table, or maps with sidecars; returns their paths and the maps, in the shape of the images."""
    values = measurement.maps_of(result)
    known = np.isfinite(values["residual_rms"])
    for name, value in derived.items():
        values[name] = np.where(known.reshape(-1, *(1,) * (value.ndim - 1)), value, np.nan)
    if measured.mask is None:
        return [measurement.write_columns(out / f"{contrast.name}.csv", measured, _columns(values))], values
    maps, paths = measurement.in_images(measured, values), []
    told = described(contrast, model)
    for key, image in maps.items():
        path = write_nifti(out / f"{prefix(data[0])}{map_name(contrast, key)}.nii.gz", image, measured.affine)
        about = {"Units": told[key][0], "Description": told[key][1]} if key in told else {"Levels": outcome.meanings()}
        _write_sidecar(path, about, model, data)
        paths.append(path)
    return paths, maps


def _write_sidecar(path: Path, about: dict[str, Any], model: SignalModel, data: list[Path]) -> None:
    method = {
        "EstimationAlgorithm": f"mrjax {__version__}, {type(model).__name__}: {model.equation}",
        "EstimationReference": model.source,
        "Sources": [str(one) for one in data],
    }
    sidecar_path(path).write_text(json.dumps(about | method, indent=2) + "\n", encoding="utf-8")


def _columns(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Vectors as three columns."""
    columns = {}
    for name, value in values.items():
        columns |= {name: value} if value.ndim == 1 else {f"{name}_{axis}": value[:, i] for i, axis in enumerate("xyz")}
    return columns
