"""What a command asks: which settings to vary, between what, for which tissues."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax._names import did_you_mean
from mrjax.cli.designs.experiment import DesignSetting, Experiment
from mrjax.phantoms import brain

Numbers = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Question:
    """A design to be found, and the bound that it is judged by."""

    experiment: Experiment
    settings: Numbers
    """All of them, as they start."""
    start: Numbers
    """The free settings, or the coefficients of their curves."""
    bounds: Numbers
    curve: Any
    """From coefficients to a setting, or None."""
    tissues: Numbers
    labels: list[str]
    noise_std: float
    power: float | None
    bound: mr.design.CramerRao

    def shown(self, design: Numbers) -> Numbers:
        """The free settings of a design."""
        return design if self.curve is None else {name: self.curve(value) for name, value in design.items()}

    def complete(self, design: Numbers) -> Numbers:
        """All settings of a design."""
        return {**self.settings, **self.shown(design)}

    def searched(self, steps: int, folder: Path) -> mr.design.DesignResult:
        """The best design that is found, kept in a folder."""
        fixed = {name: value for name, value in self.settings.items() if name not in self.start}
        constraints = [
            mr.design.Constraint(lambda design, of=one.function: of(self.shown(design)), one.lower, one.upper)
            for one in self.experiment.constraints(fixed, self.power)
        ]
        return mr.design.optimise(
            self.bound,
            self.start,
            free=lambda design: design,
            bounds=self.bounds,
            constraints=constraints,
            optimiser=mr.design.Constrained(tolerance=1e-8) if constraints else None,
            steps=steps,
            folder=folder,
            checkpoint_every=10,
        )

    def as_dict(self) -> dict[str, Any]:
        """All that the answer depends on but the number of steps."""
        plain = lambda values: {name: np.asarray(value).tolist() for name, value in values.items()}
        bounds = {name: list(pair) for name, pair in self.bounds.items()}
        return {
            "experiment": self.experiment.name,
            "settings": plain(self.settings),
            "bounds": bounds,
            "splines": None if self.curve is None else self.curve.n_coefficients,
            "tissues": plain(self.tissues),
            "noise_std": self.noise_std,
            "wanted": list(self.bound.weights),
            "power": self.power,
        }


def question(experiment: Experiment, options: argparse.Namespace) -> Question:
    """What the options ask; `ValueError` with a sentence where they do not go together."""
    settings = experiment.values(options)
    bounds = _bounds(experiment, settings, options)
    tissues, labels = _tissues(experiment, options)
    if not 0 < options.noise < np.inf:
        raise ValueError(f"--noise must be positive, but got {options.noise:g}.")
    if options.steps < 1:
        raise ValueError(f"--steps must be at least 1, but got {options.steps}.")
    start = {name: jnp.asarray(settings[name]) for name in bounds}
    curve, start = _curve(options, start, bounds)
    known = {name: jnp.asarray(tissues[name]) for name in experiment.tissue}
    unknown = {name: known[name] for name in experiment.tissue if name not in experiment.known}
    unknown |= {name: jnp.full(len(labels), value) for name, value in experiment.unknown.items()}
    model = experiment.model_of(settings, known)  # says what is wrong of the settings
    if experiment.samples is None:  # a closed form, which has more to say when it is used
        model(unknown)

    def model_of(design: Numbers) -> Any:
        free = design if curve is None else {name: curve(value) for name, value in design.items()}
        return experiment.model_of({**settings, **free}, known)

    wanted = getattr(options, "wanted", None) or experiment.wanted
    bound = mr.design.crlb(model_of, unknown, noise_std=options.noise, weights=dict.fromkeys(wanted, 1.0))
    power = getattr(options, "power", None)
    return Question(experiment, settings, start, bounds, curve, tissues, labels, options.noise, power, bound)


def _bounds(experiment: Experiment, settings: Numbers, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Of the settings that are designed."""
    own = {one.name: one for one in experiment.settings if one.per_sample}
    bounds = {name: one.bounds(settings) for name, one in own.items() if one.bounds is not None}
    for text in options.bounds:
        name, _, pair = text.partition("=")
        setting = _named(name, own, "--bounds")
        bounds[setting.name] = _pair(text, pair, setting)
    for name in options.fix:
        bounds.pop(_named(name, own, "--fix").name, None)
    if not bounds:
        raise ValueError(f"Nothing is left to design: --fix must leave one of {', '.join(own)}, or --bounds name one.")
    for name, (low, high) in bounds.items():
        values = np.asarray(settings[name])
        if values.min() < low * (1 - 1e-9) or values.max() > high * (1 + 1e-9):
            raise ValueError(
                f"{own[name].option} must start within its bounds, {own[name].shown([low])} to {own[name].shown([high])}, but "
                f"is {own[name].shown(values)}; give another start, or --bounds {name}=LOW:HIGH."
            )
    return bounds


def _named(name: str, own: dict[str, DesignSetting], option: str) -> DesignSetting:
    found = name.strip("-").replace("-", "_")
    if found not in own:
        raise ValueError(f"{option} takes one of {', '.join(own)}, but got {name!r}.{did_you_mean(found, own)}")
    return own[found]


def _pair(text: str, pair: str, setting: DesignSetting) -> tuple[float, float]:
    try:
        low, high = (setting.quantity.read(part) for part in pair.split(":"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        example = f"{setting.name}=10{setting.quantity.unit}:20{setting.quantity.unit}"
        raise ValueError(f"--bounds takes NAME=LOW:HIGH with units, such as {example}, but got {text!r}.") from error
    if not low < high:
        raise ValueError(f"--bounds must have the lower value first, but got {text!r}.")
    return low, high


def _curve(options: argparse.Namespace, start: Numbers, bounds: Numbers) -> tuple[Any, Numbers]:
    n = getattr(options, "splines", None)
    if n is None:
        return None, start
    n_samples = len(next(iter(start.values())))
    if not 4 <= n <= n_samples:
        raise ValueError(f"--splines must be between 4 and the number of samples ({n_samples}), but got {n}.")
    curve = mr.design.BSpline(n, n_samples)
    nearest = {name: jnp.clip(jnp.asarray(curve.nearest(value)), *bounds[name]) for name, value in start.items()}
    return curve, nearest


def _tissues(experiment: Experiment, options: argparse.Namespace) -> tuple[dict[str, np.ndarray], list[str]]:
    """What is known of the tissues, and what they are called."""
    given = {name: getattr(options, name) for name in experiment.tissue if getattr(options, name) is not None}
    if "diffusion" in experiment.tissue:
        given.setdefault("diffusion", [0.7e-9])
    if not given:
        return _named_tissues(experiment, options)
    if getattr(options, "tissue", None):
        raise ValueError(f"--tissue and --{next(iter(given))} exclude each other.")
    missing = [name for name in experiment.tissue if name not in given]
    if missing or len({len(values) for values in given.values()}) > 1:
        wanted = " and ".join(f"--{name}" for name in experiment.tissue)
        got = ", ".join(f"{len(given.get(name, []))} of --{name}" for name in experiment.tissue)
        raise ValueError(f"{wanted} take a value for each tissue, but got {got}.")
    tissues = {name: np.array(values) for name, values in given.items()}
    for name, values in tissues.items():
        if not np.all(values > 0):
            raise ValueError(f"--{name} must be positive, but got {values.min():g}.")
    shown = {"t1": ("T1", 1.0, "s"), "t2": ("T2", 1e3, "ms"), "diffusion": ("D", 1e9, "um2/ms")}
    label = lambda i: ", ".join(
        "{} {:.4g} {}".format(*_scaled(shown[name], float(v[i]))) for name, v in tissues.items()
    )
    return tissues, [label(i) for i in range(len(next(iter(tissues.values()))))]


def _scaled(shown: tuple[str, float, str], value: float) -> tuple[str, float, str]:
    name, factor, unit = shown
    return name, value * factor, unit


def _named_tissues(experiment: Experiment, options: argparse.Namespace) -> tuple[dict[str, np.ndarray], list[str]]:
    strength = 3.0 if options.field is None else options.field
    if strength not in (1.5, 3.0):
        raise ValueError(f"--field must be 1.5T or 3T, for which tissues are known, but got {strength:g} T.")
    phantom = brain(shape=(8, 8), field_strength=strength)
    known = {name.lower().replace(" ", "-"): i for i, name in enumerate(phantom.names)}
    chosen = []
    for name in options.tissue or ("white-matter", "grey-matter"):
        asked = name.lower().replace(" ", "-").replace("_", "-")
        if asked not in known:
            raise ValueError(f"--tissue takes {', '.join(known)}, but got {name!r}.{did_you_mean(asked, known)}")
        chosen.append(known[asked])
    values = {"t1": np.asarray(phantom.t1), "t2": np.asarray(phantom.t2)}
    tissues = {name: values[name][chosen].astype(float) for name in experiment.tissue}
    return tissues, [phantom.names[i] for i in chosen]
