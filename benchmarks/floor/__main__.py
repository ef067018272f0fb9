"""How long do the C programs of the floor take on the common tasks?

    python -m benchmarks.floor fisp [--voxels 10000] [--states 20] [--threads 1]
    python -m benchmarks.floor bloch [--positions 1000] [--frequencies 100] [--threads 1]

from the root of the repository. Prints one line of JSON. Each thread takes a share of the voxels.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks import tasks
from benchmarks.floor import build
from benchmarks.peers.measuring import measured, report


def fisp(options: argparse.Namespace) -> list[Callable[[], Any]]:
    task = tasks.fisp(options.voxels)
    t1, t2 = (np.array_split(task.pop(name), options.threads) for name in ("t1", "t2"))
    memory = [build.fisp_memory(len(task["flip_angle"]), len(share)) for share in t1]

    def share(k: int) -> Any:
        return build.fisp(t1[k], t2[k], **task, n_states=options.states, out=memory[k])

    return [lambda k=k: share(k) for k in range(options.threads)]


def bloch(options: argparse.Namespace) -> list[Callable[[], Any]]:
    task = tasks.bloch(options.positions, options.frequencies)
    shares = np.array_split(task.pop("positions"), options.threads)
    return [
        lambda positions=positions: build.bloch(**task, positions=positions, gamma=tasks.GAMMA) for positions in shares
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["fisp", "bloch"])
    parser.add_argument("--voxels", type=int, default=10_000)
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--positions", type=int, default=1000)
    parser.add_argument("--frequencies", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    shares = {"fisp": fisp, "bloch": bloch}[options.task](options)
    build.program(options.task)  # compiled once, here; the pool would do it in every worker
    with ThreadPoolExecutor(options.threads) as pool:
        _, times = measured(lambda: list(pool.map(lambda share: share(), shares)), options.repeats)
    report(**times)


if __name__ == "__main__":
    main()
