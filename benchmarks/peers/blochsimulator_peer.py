"""How fast is blochsimulator (a C core in float64 with OpenMP) on the Bloch task?

    <python of the peers> -m benchmarks.peers.blochsimulator_peer bloch --threads 1 --out magnetisation.npz

from the root of the repository. Prints one line of JSON. Fewer than 256 spins run on one thread, whatever is asked for.

Agreement with rotations in float64: 5e-14. Spins turn clockwise (dM/dt = gamma M x B), as in the C program of the floor; in
the convention of mrjax, My has the other sign.
"""

import argparse
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import tasks
from benchmarks.peers.measuring import measured, peak_memory, report

GAMMA_OF_THE_PEER = 26753.0
"""In rad/s/G, compiled into its core."""


def bloch(n_positions: int, n_frequencies: int, n_threads: int) -> Callable[[], dict[str, Any]]:
    """The call to be timed, in the units of the peer: gauss, gauss per cm, m, Hz and s.

    Fields are scaled so that its gyromagnetic ratio, 2.9e-5 above that of the task, turns spins by the same angles.
    """
    from blochsimulator import BlochSimulator, TissueParameters  # after the number of threads is set

    task = tasks.bloch(n_positions, n_frequencies)
    gauss = tasks.GAMMA / GAMMA_OF_THE_PEER  # per tesla, 1e4 but for the ratio of the two constants
    gradient = np.zeros((task["b1"].size, 3))
    gradient[:, 0] = gauss / 100 * task["gradient"]
    sequence = (gauss * task["b1"].astype(complex), gradient, task["step"] * np.arange(task["b1"].size))
    positions = np.zeros((n_positions, 3))
    positions[:, 0] = task["positions"]
    tissue = TissueParameters("benchmark", t1=task["t1"], t2=task["t2"])
    simulator = BlochSimulator(use_parallel=True, num_threads=n_threads)
    return lambda: simulator.simulate(sequence, tissue, positions, task["frequencies"], mode=0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["bloch"])
    parser.add_argument("--positions", type=int, default=1000)
    parser.add_argument("--frequencies", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the final magnetisation is saved (.npz)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    call = bloch(options.positions, options.frequencies, options.threads)
    before = peak_memory()
    result, times = measured(call, options.repeats)
    peak = peak_memory()
    if options.out is not None:
        np.savez(options.out, **{name: result[name] for name in ("mx", "my", "mz")})
    report(**times, version=f"blochsimulator {version('blochsimulator')}", peak_rss_mib=peak, import_rss_mib=before)


if __name__ == "__main__":
    main()
