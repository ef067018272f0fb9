"""`mrjax train` and `mrjax evaluate`: published networks, trained, kept and judged."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NETWORKS = ("blochnet", "drone", "hydra", "mrf_autoencoders")
MATCHING = "dictionary_matching"


def add_to(commands: Any) -> None:
    """Add both commands to the parser."""
    parser = commands.add_parser("train", help=f"train a published network: {', '.join(NETWORKS)}")
    parser.add_argument("system", help="its name")
    parser.add_argument("--preset", default="smoke", help="smoke (two minutes on two cores, the default) or paper")
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
    parser = commands.add_parser("evaluate", help="score a trained network, or dictionary matching, on unseen tissues")
    parser.add_argument("trained", help=f"the folder that `mrjax train` wrote, or {MATCHING}")
    parser.add_argument("--maps", type=Path, help="npz file with arrays t1 and t2; the brain phantom by default")
    parser.add_argument("--t1", type=Path, help="NIfTI map of T1, with --t2")
    parser.add_argument("--t2", type=Path, help="NIfTI map of T2")
    parser.add_argument("--milliseconds", action="store_true", help="the maps are in ms, not in s")
    parser.add_argument(
        "--refine", action="store_true", help="go on from each answer by least squares through the physics"
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
    """Score and print a table."""
    from mrjax import zoo

    config, estimate = _estimate(options)
    decoder = zoo.fingerprints.fisp_decoder(config)
    if options.refine:
        estimate = zoo.refinement.refined(estimate, decoder)
    voxels = _voxels(options)
    scores = zoo.fingerprints.score(estimate, voxels.parameters, voxels.signals(decoder))
    table = Table("voxels", "number", "log10 mean square error", title=f"{options.trained} on FISP fingerprints")
    table.add_row("all", f"{scores.n_voxels}", f"{scores.all_voxels:.3e}")
    table.add_row("T2 of 10 ms or more, with signal", f"{scores.n_with_signal}", f"{scores.with_signal:.3e}")
    Console().print(table)
    return 0


def _estimate(options: argparse.Namespace) -> tuple[Any, Any]:
    from mrjax import zoo

    if options.trained == MATCHING:
        config = zoo.fingerprints.Config()
        return config, zoo.dictionary_matching.estimator(config)
    system, config, network = zoo.load(options.trained)
    return config, zoo.estimator(system, network)


def _voxels(options: argparse.Namespace) -> Any:
    from mrjax import zoo

    if (options.t1 is None) != (options.t2 is None):
        raise ValueError("--t1 and --t2 must be given together.")
    if options.maps is not None and options.t1 is not None:
        raise ValueError("Give either --maps or --t1 and --t2.")
    file = options.maps or options.t1
    return zoo.phantom() if file is None else zoo.maps(file, options.t2, options.milliseconds)


def _settings(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(f"--set takes NAME=VALUE, but got {pair!r}.")
    return dict(pair.split("=", 1) for pair in pairs)
