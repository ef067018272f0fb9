"""`mrjax design`: settings of an experiment by the Cramér-Rao bound, and what a file asks for: schedules, pulses, sequences."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from mrjax.cli import quantities
from mrjax.cli.designs import EXPERIMENTS, Experiment, saturation

INTERRUPTED = "Interrupted"

CONFIGURED = {
    "pulse": "an RF pulse from what it is to do to spins",
    "image": "an imaging sequence that learns its angles, phases and gradients from nothing",
    "trajectory": "a trajectory in k-space within the limits of a scanner",
}
"""Designs that a file configures: the module in `cli.designs` and what it designs."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("design")
    criteria = parser.add_subparsers(dest="criterion", required=True, metavar=f"crlb|cest|{'|'.join(CONFIGURED)}")
    crlb = criteria.add_parser(
        "crlb",
        help="least variance of unbiased estimates",
        description="Find settings whose Cramér-Rao bound, the least variance of unbiased estimates, is the lowest nearby.",
    )
    experiments = crlb.add_subparsers(dest="experiment", required=True, metavar="|".join(EXPERIMENTS))
    for experiment in EXPERIMENTS.values():
        _add_experiment(experiments, experiment)
    saturation.add_to(criteria)
    for name, what in CONFIGURED.items():
        _add_configured(criteria, name, what)


def _add_configured(criteria: Any, name: str, what: str) -> None:
    parser = criteria.add_parser(
        name,
        help=what,
        description=f"Design {what}, by gradient descent. The same command goes on with a design that was stopped or killed.",
    )
    parser.add_argument("--config", type=Path, help="settings in YAML; those that it leaves out have their defaults")
    parser.add_argument("--out", type=Path, help=f"folder to write to, or to go on from; design_{name} by default")
    parser.add_argument("--show-config", action="store_true", help="print all settings with their defaults, and stop")
    parser.set_defaults(run=lambda options: run_configured(name, what, options))


def _add_experiment(experiments: Any, experiment: Experiment) -> None:
    parser = experiments.add_parser(
        experiment.name,
        help=experiment.help,
        description=f"Design {experiment.help}.",
        epilog="The search is local: other starts may end elsewhere. The same command goes on with a design that was stopped.",
    )
    experiment.parser_options(parser)
    if experiment.samples:
        n = experiment.default_samples
        parser.add_argument(f"--{experiment.samples}", type=int, default=n, help=f"how many; {n} by default")
        parser.add_argument(
            "--splines", type=int, metavar="N", help="design smooth curves, each of N coefficients of a B-spline"
        )
    if experiment.name == "fse":
        _add_options_of_echoes(parser)
    _add_options_of_tissue(parser, experiment)
    names = ", ".join(one.name for one in experiment.settings if one.per_sample)
    parser.add_argument(
        "--bounds",
        nargs="+",
        default=[],
        metavar="NAME=LOW:HIGH",
        help=f"design this setting ({names}) between these values",
    )
    parser.add_argument("--fix", nargs="+", default=[], metavar="NAME", help="leave this setting as it starts")
    parser.add_argument("--steps", type=int, default=300, help="of the search; 300 by default")
    parser.add_argument("--out", type=Path, help="folder to write to, or to go on from; design_NAME by default")
    parser.set_defaults(run=lambda options: run(experiment, options))


def _add_options_of_echoes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--power", type=quantities.angle, metavar="ANGLE", help="at most the power of refocusing pulses of this angle"
    )
    parser.add_argument("--fov", type=quantities.length, help="also write a Pulseq file of this field of view")
    parser.add_argument("--matrix", type=int, help="of the Pulseq file, a multiple of --echoes; the least above 63")


def _add_options_of_tissue(parser: argparse.ArgumentParser, experiment: Experiment) -> None:
    kinds = {"t1": (quantities.time, "0.8s 1.4s"), "t2": (quantities.time, "70ms 80ms")}
    kinds["diffusion"] = (quantities.diffusivity, "0.7um2/ms")
    for name in experiment.tissue:
        kind, example = kinds[name]
        parser.add_argument(
            f"--{name}",
            nargs="+",
            type=quantities.listed(kind),
            action=quantities.Listed,
            metavar="X",
            help=f"{name.upper() if name != 'diffusion' else 'diffusion coefficients'} of the tissues, such as {example}",
        )
    if "diffusion" not in experiment.tissue:
        named = "white-matter, grey-matter, csf; the first two by default"
        parser.add_argument("--tissue", nargs="+", metavar="NAME", help=f"tissues by name: {named}")
        parser.add_argument("--field", type=quantities.field, help="of those that are named: 1.5T or 3T; 3T by default")
    parser.add_argument(
        "--noise",
        type=float,
        default=1e-3,
        help="standard deviation of the noise in one image, relative to the signal of the equilibrium; 0.001 by default",
    )
    wanted = [*(name for name in experiment.tissue if name not in experiment.known)]
    if len(wanted) > 1:
        parser.add_argument(
            "--for",
            dest="wanted",
            nargs="+",
            choices=wanted,
            metavar="NAME",
            help="what is to be precise; all by default",
        )


def run(experiment: Experiment, options: argparse.Namespace) -> int:
    """Search, write and tell."""
    # both import what help need not wait for
    from mrjax.cli.designs import outcome
    from mrjax.cli.designs.question import question

    console = Console()
    with jax.enable_x64(True):  # parameters may be hard to tell apart
        asked = question(experiment, options)
        folder = options.out or Path(f"design_{experiment.name}")
        outcome.require_sequence(asked, options)
        outcome.claim(folder, asked)
        console.print(f"designing {', '.join(asked.start)} for {', '.join(asked.labels)}", soft_wrap=True)
        result = asked.searched(options.steps, folder)
        paths = outcome.write(folder, asked, result, options)
        console.print(outcome.table(asked, result))
    console.print(result.reason)
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 130 if result.reason.startswith(INTERRUPTED) else 0


def run_configured(name: str, what: str, options: argparse.Namespace) -> int:
    """Search, write and tell, as a file of settings asks."""
    from mrjax.cli.designs import configuration, folder as folders  # which help need not wait for

    module, console = import_module(f"mrjax.cli.designs.{name}"), Console()
    if options.show_config:
        print(configuration.described(module.ENTRIES))
        return 0
    if options.config is None:
        raise ValueError(
            f"--config must name a file of settings; `mrjax design {name} --show-config` prints one to begin with."
        )
    settings = configuration.configured(options.config, module.ENTRIES)
    folder = options.out or Path(f"design_{name}")
    with jax.enable_x64(True):
        folders.claim(folder, {"design": name, **{k: v for k, v in settings.items() if k != "steps"}})
        console.print(f"designing {what}", soft_wrap=True)
        reason, paths = module.searched(settings, folder)
    console.print(reason)
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 130 if reason.startswith(INTERRUPTED) else 0
