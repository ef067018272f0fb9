"""Trains of many pulses, simulated by extended phase graphs."""

from collections.abc import Callable
from typing import Any

import mrjax as mr
from mrjax.cli.designs.experiment import ANGLE, TIME, DesignSetting, Experiment, Values
from mrjax.design import Constraint, energy
from mrjax.units import deg, ms

STATES = 20


def _echoes(values: Values, known: Values) -> Callable[[Any], Any]:
    train = mr.protocols.cpmg(values["refocusing_angle"], values["echo_spacing"])
    return lambda p: p["m0"][..., None] * mr.simulate(train, mr.Tissue(known["t1"], p["t2"])).real


def _of_power(values: Values, power: float | None) -> list[Constraint]:
    if power is None or "refocusing_angle" in values:
        return []
    return [Constraint(lambda design: energy(design["refocusing_angle"]), upper=power**2)]


def _fast_spin_echo(values: Values, fov: float, matrix: int) -> mr.Sequence:
    angles = values["refocusing_angle"]
    return mr.protocols.imaging.fse(fov, matrix, values["echo_spacing"], len(angles), refocusing_angle=angles)


FSE = Experiment(
    "fse",
    "refocusing angles of a train of spin echoes, for T2 (T1 is taken as known)",
    (
        DesignSetting(
            "refocusing_angle", ANGLE, "refocusing angle of each echo", (60 * deg,), True, lambda _: (0.0, 180 * deg)
        ),
        DesignSetting("echo_spacing", TIME, "from one echo to the next", (10 * ms,)),
    ),
    tissue=("t1", "t2"),
    unknown={"m0": 1.0},
    wanted=("t2",),
    model_of=_echoes,
    known=("t1",),
    constraints=_of_power,
    samples="echoes",
    default_samples=16,
    imaging=_fast_spin_echo,
)


def _fingerprints(values: Values, known: Values) -> Callable[[Any], Any]:
    sequence = mr.protocols.mrf_fisp(
        values["flip_angle"], values["tr"], values["te"], inversion_time=values["inversion_time"]
    )
    return lambda p: mr.simulate(sequence, mr.Tissue(p["t1"], p["t2"], m0=p["m0"]), mr.EPG(STATES))


MRF = Experiment(
    "mrf",
    "flip angles and repetition times of FISP fingerprinting, for T1 and T2",
    (
        DesignSetting("flip_angle", ANGLE, "flip angle of each repetition", (), True, lambda _: (10 * deg, 70 * deg)),
        DesignSetting("tr", TIME, "repetition times", (13 * ms,), True),
        DesignSetting("te", TIME, "echo time", (3 * ms,)),
        DesignSetting("inversion_time", TIME, "from the inversion to the first pulse", (20 * ms,)),
    ),
    tissue=("t1", "t2"),
    unknown={"m0": 1.0},
    wanted=("t1", "t2"),
    model_of=_fingerprints,
    samples="repetitions",
    default_samples=400,
)
