"""T1 from flip angles and from recoveries, and magnetisation transfer."""

import argparse

import numpy as np

from mrjax.cli import acquisition, quantities
from mrjax.cli.contrasts.contrast import Contrast, Known
from mrjax.signals import models


def _vfa(known: Known) -> models.VariableFlipAngle:
    return models.VariableFlipAngle(known.played.samples, known.played.tr, known.maps.get("b1", 1.0))


def _ir(known: Known) -> models.InversionRecovery:
    time, every_tr = known.played.samples, known.played.tr
    tr = float(every_tr[0])
    if np.any(every_tr != tr):
        raise ValueError(f"--tr must be the same for all images, but the sidecars hold {every_tr.tolist()} s.")
    if time.min() < 0 or time.max() > tr:
        raise ValueError(f"--ti must lie between 0 and --tr ({tr:g} s), but got {time.min():g} to {time.max():g} s.")
    return models.InversionRecovery(time, tr)


def _mp2rage(known: Known) -> models.MP2RAGE:
    played, readouts = known.played, known.options.readouts
    if len(played.samples) != 2:
        raise ValueError(f"mp2rage needs --ti of its two images, but {played.origin} has {len(played.samples)} values.")
    if min(readouts) < 0 or sum(readouts) < 1:
        raise ValueError(f"--readouts must be two counts, before and after the centre of a train, but got {readouts}.")
    return models.MP2RAGE(
        played.samples,
        played.values["flip_angle"],
        tuple(readouts),
        played.values["echo_spacing"][0],
        played.tr[0],
        inversion_efficiency=known.options.inversion_efficiency,
        b1=known.maps.get("b1", 1.0),
    )


def _qmt(known: Known) -> models.MagnetizationTransfer:
    played, maps = known.played, known.maps
    return models.MagnetizationTransfer(
        played.samples,
        played.values["rf_amplitude"],
        maps.get("t1", 1.0),
        off_resonance=maps.get("b0", 0.0),
        b1=maps.get("b1", 1.0),
    )


def _signs(parser: argparse.ArgumentParser) -> None:
    signs = parser.add_mutually_exclusive_group()
    for name, explanation in (("signed", "images with signs"), ("magnitude", "images that have lost their signs")):
        signs.add_argument(f"--{name}", dest="signs", action="store_const", const=name, help=explanation)


def _mp2rage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--readouts",
        nargs=2,
        type=int,
        required=True,
        metavar=("BEFORE", "AFTER"),
        help="readouts of a train before and after its centre",
    )
    parser.add_argument("--inversion-efficiency", type=float, default=1.0, help="1 by default; 0.96 is usual in vivo")


ECHO_SPACING = acquisition.Setting(
    *("--echo-spacing", ("RepetitionTimeExcitation", "EchoSpacing"), "s", 1.0, 0.2, "7ms", quantities.time),
    "time from one excitation of a train to the next",
)

CONTRASTS = (
    Contrast(
        *("vfa", "T1 from spoiled gradient echoes at several flip angles", "t1", models.VariableFlipAngle, _vfa),
        samples=acquisition.FLIP_ANGLE,
        needed=(acquisition.TR_OF_EXCITATIONS,),
        maps=("b1",),
        aliases=("despot1",),
    ),
    Contrast(
        *("ir", "T1 from inversion recovery, signed or in magnitude", "t1", models.InversionRecovery, _ir),
        samples=acquisition.TI,
        optional=(acquisition.TR_OF_INVERSIONS,),
        signals="signed",
        add_options=_signs,
    ),
    Contrast(
        *("look-locker", "T1 from readouts along one recovery (MOLLI), signed or in magnitude", "t1"),
        *(models.LookLocker, lambda known: models.LookLocker(known.played.samples)),
        samples=acquisition.TI,
        signals="signed",
        add_options=_signs,
        aliases=("molli",),
    ),
    Contrast(
        *("mp2rage", "T1 from the uniform image of MP2RAGE", "t1", models.MP2RAGE, _mp2rage),
        samples=acquisition.TI,
        needed=(acquisition.FLIP_ANGLE, ECHO_SPACING, acquisition.TR_OF_INVERSIONS),
        signals="uniform",
        maps=("b1",),
        add_options=_mp2rage_options,
        example="--ti 0.7s 2.5s --flip-angle 4deg 5deg --echo-spacing 7ms --tr 5s --readouts 80 80",
        has_curve=False,
        n_images=1,
    ),
    Contrast(
        *("qmt", "size and exchange of a semisolid pool from saturation at several offsets", "pool_fraction"),
        *(models.MagnetizationTransfer, _qmt),
        samples=acquisition.OFFSET_FREQUENCY,
        needed=(acquisition.RF_AMPLITUDE,),
        maps=("b1", "b0"),
        needed_maps=("t1",),
        has_curve=False,
        example="--t1 t1.nii",
        aliases=("ramani",),
    ),
)
