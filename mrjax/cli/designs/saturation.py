"""`mrjax design cest`: a schedule of saturation transfer, learned with the network that reads its images."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

EXAMPLE = """\
the file, in YAML; a pair is a range of tissues, or the bounds of what is learned:

  field: 9.4T
  water: {t1: [2.5s, 3.3s], t2: [0.6s, 1.2s]}
  pool: {fraction: [2.7e-4, 3.3e-3], exchange_rate: [100, 1400], t1: 2.8s, t2: 40ms, shift_ppm: 3.0}
  estimate: [fraction, exchange_rate]
  noise: 0.005                           # of an image, relative to the equilibrium
  readout: {flip_duration: 1ms, crusher_duration: 5ms, te: 30us}
  schedule:
    images: 10
    start: random                        # or constant, or a CSV file
    most_time: 35.2s
    b1: [0uT, 6uT]
    offset_ppm: 3.0
    saturation_time: [10ms, 5s]
    recovery: [10ms, 5s]
    flip_angle: 90deg
  network: {steps: 3000, seed: 0}        # and batch_size, hidden, learning_rate, schedule_rate, checkpoint_every

`lineshape: super-lorentzian` (or lorentzian, gaussian) makes the pool a semisolid one; `estimate` calls its times pool.t1 and
pool.t2. The same command goes on with a design that was stopped."""


def add_to(criteria: Any) -> None:
    """Add the command to the parser."""
    parser = criteria.add_parser(
        "cest",
        help="schedules of saturation transfer, with the network that reads their images",
        description="Learn powers, offsets and times of CEST or MT images together with a network that maps pools from them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="what is asked, in YAML; see below")
    parser.add_argument("--out", type=Path, help="folder to write to, or to go on from; design_cest by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Learn, write and tell."""
    # both import what help need not wait for
    from mrjax import zoo
    from mrjax.cli.designs import saturation_file, saturation_outcome
    from mrjax.zoo.saturation_transfer import as_text

    console, folder = Console(), options.out or Path("design_cest")
    asked = saturation_file.read(options.config)
    system = zoo.system_called("saturation_schedule")
    base = type(system.presets["smoke"])
    config = base(**asked.training, question=as_text(asked.question))
    saturation_outcome.require_playable(system, config)
    saturation_outcome.require_influence(system, config)
    network: Any = zoo.trained(system, config, folder)
    written = saturation_outcome.write(folder, system, config, network)
    console.print(written.table)
    for path in written.paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0
