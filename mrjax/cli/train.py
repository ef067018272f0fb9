"""`mrjax train` and `mrjax evaluate`: systems of the zoo, trained, kept and judged, whatever their task."""

import argparse
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mrjax.cli.steps import bars, step


def add_to(commands: Any) -> None:
    """Add both commands to the parser."""
    parser = commands.add_parser("train", description=f"Train one of {', '.join(_names('systems'))}.")
    parser.add_argument("system", help="its name")
    parser.add_argument("--preset", default="smoke", help="smoke (minutes on one core, the default) or another")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="settings other than the preset's, such as steps=1000",
    )
    parser.add_argument(
        "--out", type=Path, help="folder to keep it in, or to go on from; named after the system by default"
    )
    parser.set_defaults(run=train)
    parser = commands.add_parser("evaluate")
    parser.add_argument(
        "judged", help=f"the folder that `mrjax train` wrote, or a method: {', '.join(_names('methods'))}"
    )
    parser.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        help="what its task takes, after the name; `mrjax evaluate FOLDER --help` lists it",
    )
    parser.set_defaults(run=evaluate)


def train(options: argparse.Namespace) -> int:
    """Train, keep, and print the model card."""
    from mrjax import zoo  # imports flax, which the other commands need not wait for

    system = zoo.system_called(options.system)
    config = zoo.configured(system, options.preset, _settings(options.set))
    folder = options.out or Path(f"mrjax_{system.name}")
    zoo.trained(system, config, folder)
    console = Console()
    console.print((folder / "card.md").read_text(), highlight=False)
    console.print(f"Kept in {folder}; `mrjax evaluate {folder}` scores it.")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score as the task does, with the options that it takes, and print its table."""
    from mrjax import zoo

    with bars() as progress:
        evaluation, config, estimate = step(progress, "reading", lambda: zoo.judged(options.judged))
        parser = argparse.ArgumentParser(prog=f"mrjax evaluate {options.judged}")
        evaluation.add_options(parser)
        of_task = parser.parse_args(options.options)
        report = step(progress, "evaluating", lambda: evaluation.report(config, estimate, of_task))
    table = Table(*report.columns, title=f"{options.judged}: {report.title}")
    for row in report.rows:
        table.add_row(*row)
    Console().print(table)
    return 0


def _names(folder: str) -> list[str]:
    """What a folder of the zoo holds, without importing it, since flax would be imported with it."""
    zoo = find_spec("mrjax.zoo")
    places = [] if zoo is None else zoo.submodule_search_locations or []
    return [module.name for module in pkgutil.iter_modules([str(Path(place) / folder) for place in places])]


def _settings(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(f"--set takes NAME=VALUE, but got {pair!r}.")
    return dict(pair.split("=", 1) for pair in pairs)
