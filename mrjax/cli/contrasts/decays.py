"""Decays over echo times and over durations of a spin lock."""

import argparse
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.cli import acquisition, quantities
from mrjax.cli.contrasts.contrast import Contrast, Derived, Known
from mrjax.signals import models
from mrjax.units import deg, ms

SPACING = 0.01
"""Relative difference up to which echo times are those of a train."""


def _decay(parameter: str) -> Callable[[Known], models.Decay]:
    return lambda known: models.Decay(known.played.samples, parameter, known.options.offset)


def _train(known: Known) -> models.StimulatedEchoes:
    te = known.played.samples
    if len(te) < 2 or not np.allclose(te, te[0] * np.arange(1, len(te) + 1), rtol=SPACING, atol=0.0):
        raise ValueError(
            "epg-t2 needs all echoes of a train in order, at 1, 2, 3, ... times their spacing, but --te gives "
            f"{', '.join(f'{1e3 * time:g}' for time in te)} ms; fit others by `mrjax fit t2`."
        )
    b1 = known.maps.get("b1")
    return models.StimulatedEchoes(
        len(te),
        float(te[-1]) / len(te),
        known.options.refocusing_angle,
        t1=known.maps.get("t1", 1.0),
        b1=1.0 if b1 is None else b1,
        fits_b1=b1 is None,
    )


def _ranges(known: Known) -> tuple[tuple[float, float], ...]:
    return tuple(itertools.pairwise(known.options.t2_limits))


def _bi_exponential(known: Known) -> models.BiExponential:
    ranges = _ranges(known)
    if len(ranges) != 2:
        raise ValueError(f"--t2-limits must be three times, lowest, between and highest, but got {len(ranges) + 1}.")
    return models.BiExponential(known.played.samples, *ranges)


def _shares(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    total = np.sum([value for name, value in parameters.items() if name.startswith("m0_")], axis=0)
    share = np.divide(parameters["m0_1"], total, out=np.full(total.shape, np.nan), where=total > 0)
    return {"short_fraction": share}


def _choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--echoes",
        nargs="+",
        type=quantities.listed(quantities.numbers),
        action=quantities.Listed,
        metavar="X",
        help="which images to fit, counted from 1, such as 2-6; all by default",
    )


def _decay_options(parser: argparse.ArgumentParser) -> None:
    _choice(parser)
    parser.add_argument("--offset", action="store_true", help="fit a constant below the decay, too")


def _limits(*ends: float) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        _choice(parser)
        parser.add_argument(
            "--t2-limits",
            nargs="+",
            type=quantities.listed(quantities.time),
            action=quantities.Listed,
            default=list(ends),
            metavar="X",
            help=f"ends of the ranges of each T2, ascending; {' '.join(f'{end / ms:g}ms' for end in ends)} by default",
        )

    return add


def _refocusing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--refocusing-angle", type=quantities.angle, default=180 * deg, help="nominal, 180deg by default"
    )


def _phase(parser: argparse.ArgumentParser) -> None:
    _choice(parser)
    parser.add_argument(
        "--phase",
        nargs="+",
        type=Path,
        help="phase images, as many as magnitudes, where images are not complex; rescaled where they are not in rad",
    )


def _of_echoes(name: str, explanation: str, parameter: str, model_class: Any, model: Any, **others: Any) -> Contrast:
    return Contrast(name, explanation, parameter, model_class, model, samples=acquisition.TE, **others)


SEVERAL = "--te 5ms 10ms 15ms 20ms 30ms 40ms 60ms 80ms"

CONTRASTS = (
    _of_echoes(
        *("t2star", "T2* from gradient echoes at several echo times", "t2star", models.Decay, _decay("t2star")),
        add_options=_decay_options,
    ),
    _of_echoes(
        *("t2star-field", "T2*, off-resonance and phase from complex gradient echoes", "t2star"),
        *(models.T2StarWithField, lambda known: models.T2StarWithField(known.played.samples)),
        signals="complex",
        add_options=_phase,
        example="--phase phases.nii.gz",
    ),
    _of_echoes(
        *("t2", "T2 from spin echoes at several echo times", "t2", models.Decay, _decay("t2")),
        add_options=_decay_options,
    ),
    _of_echoes(
        *("epg-t2", "T2 from a train of spin echoes with stimulated echoes", "t2", models.StimulatedEchoes, _train),
        add_options=_refocusing,
        example="--te 10ms 20ms 30ms 40ms 50ms 60ms",
        maps=("b1", "t1"),
        has_curve=False,
        suffixes={"b1": "TB1"},
        aliases=("epg",),
    ),
    _of_echoes(
        *("biexponential", "two T2 and the fraction of the short one", "short_fraction"),
        *(models.BiExponential, _bi_exponential),
        add_options=_limits(1 * ms, 40 * ms, 2.0),
        example=SEVERAL,
        aliases=("bi-exponential",),
    ),
    _of_echoes(
        *("multi-exponential", "T2 and amplitude of several components (myelin water of spin echoes)", "t2_2"),
        *(models.MultiExponential, lambda known: models.MultiExponential(known.played.samples, _ranges(known))),
        add_options=_limits(5 * ms, 40 * ms, 200 * ms, 2.0),
        example=SEVERAL,
        derived=(Derived("short_fraction", "", "share of the component of shortest T2"),),
        derive=_shares,
        aliases=("multiexponential",),
    ),
    _of_echoes(
        *("myelin-water", "myelin, axonal and extracellular water from complex gradient echoes", "myelin_fraction"),
        *(models.ThreePoolMyelinWater, lambda known: models.ThreePoolMyelinWater(known.played.samples)),
        signals="complex",
        add_options=_phase,
        example=f"{SEVERAL} --phase phases.nii.gz",
        aliases=("mwf",),
    ),
    Contrast(
        *("t1rho", "T1rho from spin locks of several durations", "t1rho"),
        *(models.SpinLock, lambda known: models.SpinLock(known.played.samples)),
        samples=acquisition.TSL,
        aliases=("spin-lock",),
    ),
)
