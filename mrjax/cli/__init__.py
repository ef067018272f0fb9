"""The `mrjax` command."""

import argparse
import shlex
import sys

from mrjax import __version__
from mrjax.cli import cest, demo, fit, train


def main(arguments: list[str] | None = None) -> int:
    """Run the command; mistakes in the input end with one sentence on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="mrjax", description="Differentiable magnetic-resonance physics.")
    parser.add_argument("--version", action="version", version=f"mrjax {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo|fit|cest|train|evaluate")
    demo.add_to(commands)
    fit.add_to(commands)
    cest.add_to(commands)
    train.add_to(commands)
    chosen = parser.parse_args(arguments)
    chosen.command_line = shlex.join(["mrjax", *(sys.argv[1:] if arguments is None else arguments)])
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
