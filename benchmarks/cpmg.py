"""How long do 32 spin echoes of 100,000 voxels with B1 take?

    python -m benchmarks.cpmg [--small] [--threads 1]

Outside `jax.jit`, where mrjax uses all cores; compile time and memory are those under `jax.jit`.
"""

import warnings

import jax
import numpy as np

import mrjax as mr
from benchmarks import tasks
from benchmarks.measuring import compiled, measured, ns_per, on_device, options, report

N_STATES = 20


def signal(refocusing_angle: jax.Array, t1: jax.Array, t2: jax.Array, b1: jax.Array) -> jax.Array:
    return played(sequence(refocusing_angle), mr.Tissue(t1, t2, b1=b1))


def sequence(refocusing_angle: jax.Array) -> mr.Sequence:
    return mr.protocols.cpmg(refocusing_angle, echo_spacing=np.float32(tasks.cpmg(1)["echo_spacing"]))


def played(train: mr.Sequence, tissue: mr.Tissue) -> jax.Array:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates.*")  # as many states as the peer has
        return mr.simulate(train, tissue, mr.EPG(N_STATES))


def main() -> None:
    n_voxels = 500 if options(__doc__).small else 100_000
    task = tasks.cpmg(n_voxels)
    arguments = on_device(*(task[name] for name in ("refocusing_angle", "t1", "t2", "b1")))
    refocusing_angle, t1, t2, b1 = arguments
    train, tissue = sequence(refocusing_angle), mr.Tissue(t1, t2, b1=b1)
    times = measured(lambda: played(train, tissue))
    program, cost = compiled(signal, *arguments)
    under_jit = measured(lambda: program(*arguments))["median_s"]
    work = N_STATES * n_voxels * arguments[0].size
    report({"job": "cpmg", **times, **cost, **ns_per(times, work), "under_jit_s": under_jit})


if __name__ == "__main__":
    main()
