"""Experiments of a few images: T1, T2 and diffusion by closed forms."""

import jax.numpy as jnp

from mrjax.cli.designs.experiment import ANGLE, B_VALUE, COUNT, TIME, DesignSetting, Experiment, Values
from mrjax.design import Constraint
from mrjax.signals import models
from mrjax.units import deg, ms

VFA = Experiment(
    "vfa",
    "flip angles of spoiled gradient echoes, for T1",
    (
        DesignSetting(
            "flip_angle", ANGLE, "flip angle of each image", (4 * deg, 10 * deg), True, lambda _: (1 * deg, 90 * deg)
        ),
        DesignSetting("tr", TIME, "repetition time", (5 * ms,)),
    ),
    tissue=("t1",),
    unknown={"m0": 1.0},
    wanted=("t1",),
    model_of=lambda values, known: models.VariableFlipAngle(values["flip_angle"], values["tr"]),
)

IR = Experiment(
    "ir",
    "inversion times, for T1",
    (
        DesignSetting(
            "inversion_time",
            TIME,
            "inversion time of each image",
            (0.05, 0.4, 1.1, 2.5),
            True,
            lambda values: (20 * ms, values["tr"]),
        ),
        DesignSetting("tr", TIME, "from one inversion to the next", (5.0,)),
    ),
    tissue=("t1",),
    unknown={"m0": 1.0, "inversion_efficiency": 0.95},
    wanted=("t1",),
    model_of=lambda values, known: models.InversionRecovery(values["inversion_time"], values["tr"]),
)


def _between_inversions(values: Values) -> tuple[float, float]:
    before, after = values["n_readouts"]
    return before * values["echo_spacing"], values["tr"] - after * values["echo_spacing"]


def _apart(values: Values, power: None) -> list[Constraint]:
    """The second train begins when the first is over."""
    if "inversion_time" in values:
        return []
    train = sum(values["n_readouts"]) * values["echo_spacing"]
    return [Constraint(lambda design: jnp.diff(design["inversion_time"]), lower=train)]


def _mp2rage(values: Values, known: Values) -> models.MP2RAGE:
    readouts = (values["n_readouts"][0], values["n_readouts"][1])
    times, angles = jnp.asarray(values["inversion_time"]), jnp.asarray(values["flip_angle"])
    return models.MP2RAGE(times, angles, readouts, values["echo_spacing"], values["tr"], "signed")


MP2RAGE = Experiment(
    "mp2rage",
    "inversion times and flip angles of MP2RAGE, for T1",
    (
        DesignSetting(
            "inversion_time",
            TIME,
            "from the inversion to the middle of each train",
            (0.7, 2.5),
            True,
            _between_inversions,
        ),
        DesignSetting(
            "flip_angle", ANGLE, "flip angle of each train", (4 * deg, 5 * deg), True, lambda _: (1 * deg, 20 * deg)
        ),
        DesignSetting("n_readouts", COUNT, "readouts of a train before and after its middle", (80, 80)),
        DesignSetting("echo_spacing", TIME, "from one readout to the next", (7 * ms,)),
        DesignSetting("tr", TIME, "from one inversion to the next", (5.0,)),
    ),
    tissue=("t1",),
    unknown={"m0": 1.0},
    wanted=("t1",),
    model_of=_mp2rage,
    constraints=_apart,
)

T2 = Experiment(
    "t2",
    "echo times of spin echoes, for T2",
    (
        DesignSetting(
            "te",
            TIME,
            "echo time of each image",
            (10 * ms, 40 * ms, 100 * ms),
            True,
            lambda _: (10 * ms, 400 * ms),
        ),
    ),
    tissue=("t2",),
    unknown={"m0": 1.0},
    wanted=("t2",),
    model_of=lambda values, known: models.Decay(values["te"]),
)

ADC = Experiment(
    "adc",
    "b-values, for the apparent diffusion coefficient",
    (DesignSetting("bvals", B_VALUE, "b-value of each image", (0.0, 0.5e9, 1e9), True, lambda _: (0.0, 2e9)),),
    tissue=("diffusion",),
    unknown={"s0": 1.0},
    wanted=("diffusion",),
    model_of=lambda values, known: models.ApparentDiffusion(values["bvals"]),
)
