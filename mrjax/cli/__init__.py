"""The `mrjax` command."""

import argparse
import contextlib
import os
import shlex
import sys
import warnings
from importlib import import_module
from typing import Any

import jax

from mrjax import __version__
from mrjax._cache import cache
from mrjax._progress import progress
from mrjax.cli.interrupts import work_goes_on

COMMANDS = {
    "demo": {"demo": "simulate a fingerprinting scan of a brain and map T1 and T2 from it"},
    "fit": {"fit": "fit a model of relaxation, diffusion or perfusion to images (NIfTI) or tables (CSV)"},
    "simulate": {"simulate": "play a Pulseq file or an imaging protocol on a phantom: raw data and an image"},
    "reconstruct": {"reconstruct": "make an image of raw data (ISMRMRD)"},
    "qsm": {"qsm": "map susceptibility from magnitude and phase of a gradient-echo scan"},
    "design": {"design": "design experiments by the Cramér-Rao bound, and pulses and sequences by gradient descent"},
    "cest": {"cest": "simulate and fit saturation experiments of Pulseq-CEST"},
    "train": {
        "train": "train a network of the zoo",
        "evaluate": "score a trained network, or a method that needs no training",
    },
}
"""Commands and what they do, by the module that adds them to the parser."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; mistakes in the input end with one sentence on stderr and exit status 2, an interrupt with 130."""
    status = _run(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and work_goes_on():  # a compiler, on which an orderly exit would wait
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _run(arguments: list[str]) -> int:
    of_cache = _cache_options()
    kept, rest = of_cache.parse_known_args(arguments)
    parser = argparse.ArgumentParser(
        prog="mrjax", description="Differentiable magnetic-resonance physics.", parents=[of_cache]
    )
    parser.add_argument("--version", action="version", version=f"mrjax {__version__}")
    _add_commands(parser, next((word for word in rest if not word.startswith("-")), None))
    chosen = parser.parse_args(rest)
    chosen.command_line = shlex.join(["mrjax", *arguments])
    _set_cache(kept)
    # the bars of a terminal say the same
    telling = contextlib.nullcontext() if sys.stdout.isatty() else progress()
    try:
        with telling:
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


def _cache_options() -> argparse.ArgumentParser:
    """The options that may stand anywhere on the line."""
    parser = argparse.ArgumentParser(prog="mrjax", add_help=False, allow_abbrev=False)
    options = parser.add_mutually_exclusive_group()
    kept = "where compiled programs are kept, so that the next run need not compile them"
    default = "JAX_COMPILATION_CACHE_DIR, or mrjax/compiled in the user's cache, such as ~/.cache"
    options.add_argument("--cache", metavar="FOLDER", help=f"{kept}; by default {default}")
    options.add_argument("--no-cache", action="store_true", help="neither keep nor use compiled programs")
    return parser


def _set_cache(options: argparse.Namespace) -> None:
    if options.no_cache:
        jax.config.update("jax_enable_compilation_cache", False)
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cache(options.cache)
    for warning in said:
        print(f"mrjax: {warning.message}", file=sys.stderr)


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
