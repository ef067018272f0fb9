"""The `mrjax` command."""

import argparse
import shlex
import sys
from importlib import import_module
from typing import Any

from mrjax import __version__

COMMANDS = {
    "demo": {"demo": "simulate a fingerprinting scan of a brain and map T1 and T2 from it"},
    "fit": {"fit": "fit T1, T2 or T2* to images (NIfTI) or tables (CSV)"},
    "cest": {"cest": "simulate and fit saturation experiments of Pulseq-CEST"},
    "train": {
        "train": "train a network of the zoo",
        "evaluate": "score a trained network, or a method that needs no training",
    },
}
"""Commands and what they do, by the module that adds them to the parser."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; mistakes in the input end with one sentence on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="mrjax", description="Differentiable magnetic-resonance physics.")
    parser.add_argument("--version", action="version", version=f"mrjax {__version__}")
    arguments = sys.argv[1:] if arguments is None else arguments
    _add_commands(parser, next((word for word in arguments if not word.startswith("-")), None))
    chosen = parser.parse_args(arguments)
    chosen.command_line = shlex.join(["mrjax", *arguments])
    try:
        return chosen.run(chosen)
    except ValueError as error:
        print(f"mrjax {chosen.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"cannot write or read {error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"mrjax {chosen.command}: {what}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmrjax {chosen.command}: interrupted.", file=sys.stderr)
        return 130


def _add_commands(parser: argparse.ArgumentParser, wanted: str | None) -> None:
    """All commands by name; only the module of the one that is wanted is imported, so that help comes at once."""
    names = "|".join(name for of_module in COMMANDS.values() for name in of_module)
    commands: Any = parser.add_subparsers(dest="command", required=True, metavar=names)
    for module, of_module in COMMANDS.items():
        if wanted in of_module:
            import_module(f"mrjax.cli.{module}").add_to(commands)
        else:
            for name, explanation in of_module.items():
                commands.add_parser(name, help=explanation)
