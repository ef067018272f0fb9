"""Contrast agent over time, and labelled blood."""

import argparse
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.cli import acquisition, quantities
from mrjax.cli.acquisition import Acquisition
from mrjax.cli.contrasts.contrast import Contrast, Known
from mrjax.io import FileError, read_nifti, read_sidecar, read_signals
from mrjax.signals import models
from mrjax.signals.perfusion import ArterialInput, parker_input

HAEMATOCRIT = 0.42
KNOTS = 0.25
"""Seconds from one knot of the input of a population to the next."""
HIGHEST = 100.0
"""Concentration in blood in mM that nobody reaches: beyond, a table is in another unit."""


def _agent_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--interval", type=quantities.time, help="from one image to the next, in the place of --time")
    parser.add_argument(
        "--aif",
        required=True,
        help="arterial input: population (Parker 2006), or a CSV whose columns are time in s and concentration in blood in mM",
    )
    parser.add_argument("--arrival", type=quantities.time, help="of the bolus of the population; 0s by default")
    parser.add_argument(
        "--haematocrit", type=float, default=HAEMATOCRIT, help=f"{HAEMATOCRIT:g} by default; 0 for an input in plasma"
    )


def _frames(options: argparse.Namespace) -> Acquisition:
    """Times of the images: listed, or at an interval from zero on."""
    listed = options.time is not None or all("VolumeTiming" in read_sidecar(path) for path in options.data)
    if options.interval is None and listed:
        return acquisition.read(options, acquisition.FRAMES)
    if options.interval is not None and options.time is not None:
        raise ValueError("--interval and --time say the same; give one of them.")
    interval, told = options.interval, ()
    if interval is None:
        interval = read_sidecar(options.data[0]).get("RepetitionTime")
        if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 < interval <= 600:
            raise FileError(
                "--time is not given and the sidecar has neither VolumeTiming nor a RepetitionTime in s; write --interval 2s."
            )
        told = (f"images are taken to be {interval:g} s apart, RepetitionTime of the sidecar",)
    if not interval > 0:
        raise ValueError(f"--interval must be positive, but got {interval:g} s.")
    return Acquisition({"time": interval * np.arange(_n_images(options))}, "--interval", told)


def _n_images(options: argparse.Namespace) -> int:
    if len(options.data) > 1:
        return len(options.data)
    if options.data[0].suffix.lower() == ".csv":
        return read_signals(options.data[0], options.column)[1].shape[-1]
    return read_nifti(options.data[0]).data.shape[-1]


def _arterial(options: argparse.Namespace, last: float) -> ArterialInput:
    """In plasma, until the last image at least."""
    if not 0 <= options.haematocrit < 1:
        raise ValueError(f"--haematocrit must be from 0 to below 1, but got {options.haematocrit:g}.")
    in_plasma = 1 - options.haematocrit
    if options.aif == "population":
        knots = np.arange(0.0, last + 2 * KNOTS, KNOTS)
        return ArterialInput(knots, np.asarray(parker_input(jnp.asarray(knots - (options.arrival or 0.0)))) / in_plasma)
    if options.arrival is not None:
        raise ValueError("--arrival is that of --aif population; a measured input has its own.")
    path = Path(options.aif)
    _, table = read_signals(path)
    if table.shape[-1] != 2:
        raise FileError(f"{path} must have two columns, time in s and concentration in mM, but has {table.shape[-1]}.")
    time, concentration = table.T
    if not np.all(np.diff(time) > 0):
        raise FileError(f"{path} must hold times that ascend, in s.")
    if np.abs(concentration).max() > HIGHEST:
        raise FileError(
            f"{path} must hold concentrations in mM, but reaches {concentration.max():g}; is it in uM, or a signal?"
        )
    if time[-1] < last:
        raise FileError(
            f"{path} ends at {time[-1]:g} s, before the last image at {last:g} s; times must be in s, from the same zero."
        )
    return ArterialInput(time, concentration / in_plasma)


def _agent(name: str, explanation: str, parameter: str, model_class: Any, aliases: tuple[str, ...] = ()) -> Contrast:
    def model(known: Known) -> Any:
        time = known.played.samples
        return model_class(time, _arterial(known.options, float(time.max())))

    return Contrast(
        *(name, f"{explanation}; images of concentrations in mM", parameter, model_class, model),
        samples=acquisition.FRAMES,
        signals="real",
        read=_frames,
        add_options=_agent_options,
        example_values={"time": 2.0 * np.arange(150)},
        example="--interval 2s --aif population --arrival 20s",
        aliases=aliases,
    )


def _asl(known: Known) -> models.ArterialSpinLabelling:
    played, options = known.played, known.options
    labelling = options.labelling or _stated_labelling(options)
    duration = played.values["labelling_duration"]
    time = played.samples + duration if labelling == "pcasl" else played.samples
    return models.ArterialSpinLabelling(
        *(time, duration, labelling),
        m0=known.maps.get("m0", 1.0),
        t1_blood=options.t1_blood,
        efficiency=options.efficiency,
    )


def _stated_labelling(options: argparse.Namespace) -> str:
    stated = str(read_sidecar(options.data[0]).get("ArterialSpinLabelingType", "PCASL")).lower()
    if stated not in ("pcasl", "pasl"):
        raise FileError(f"ArterialSpinLabelingType must be PCASL or PASL, but is {stated.upper()}.")
    return stated


def _asl_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labelling", choices=("pcasl", "pasl"), help="from the sidecar, or pcasl, by default")
    parser.add_argument("--t1-blood", type=quantities.time, default=1.65, help="1.65s by default, that of 3 T")
    parser.add_argument("--efficiency", type=float, help="of the inversion; 0.85 for pcasl, 0.98 for pasl, by default")


CONTRASTS = (
    _agent("tofts", "leakage of a contrast agent", "ktrans", models.Tofts),
    _agent(
        "extended-tofts", "leakage of a contrast agent and plasma volume", "ktrans", models.ExtendedTofts, ("etofts",)
    ),
    _agent("2cxm", "plasma flow and exchange of a contrast agent", "plasma_flow", models.TwoCompartmentExchange),
    Contrast(
        *("asl", "blood flow and arrival time from differences of control and label", "cbf"),
        *(models.ArterialSpinLabelling, _asl),
        samples=acquisition.PLD,
        needed=(acquisition.LABEL,),
        signals="real",
        needed_maps=("m0",),
        add_options=_asl_options,
        example="--m0 m0.nii",
        suffixes={"cbf": "CBF"},
    ),
)
