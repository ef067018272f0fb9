"""A balanced image of 64 x 64 on a brain slice by phase distribution graphs: its value, and its gradient in all angles.

    python -m benchmarks.pdg [--accuracy 1e-3] [--threads 1]

Prints states, CPU times of finding the graph, of the value and of the gradient, the memory that the compiled programs
allocate, and the error against a graph without any state left out. The slice is that of the reference data (`MRJAX_DATA`,
../shared/data by default): 2,572 voxels with T1, T2, T2', diffusion, B0 and B1.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
FOV, N, TR, DWELL = 0.2, 64, 5e-3, 2e-5
FLIP_ANGLE = 50.0


def balanced() -> Any:
    """Half a pulse, half a repetition, then a line of k-space after each pulse, the echo in its middle."""
    import numpy as np

    import mrjax as mr

    step = 1 / FOV / mr.units.GAMMA_BAR["1H"]
    side = (TR - N * DWELL) / 2

    def lobe(area: Any, axis: Any) -> Any:
        return mr.Gradient(np.repeat(np.asarray(area)[..., None] / side, 2, axis=-1), [0.0, side], axis)

    angle, phase = np.deg2rad(FLIP_ANGLE), np.pi * (np.arange(N) % 2)
    line, lines = mr.Gradient([-step / DWELL] * 2, [0.0, N * DWELL], "x"), step * (np.arange(N) - N // 2)
    before, across = lobe(-lines, "y"), lobe(N / 2 * step, "x")
    readout = mr.Together(line, mr.Readout(N, DWELL, phase))
    pulses = mr.Pulse(np.full(N, angle), phase)
    repetition = mr.Repeat(pulses, mr.Together(across, before), readout, mr.Together(across, lobe(lines, "y")))
    return mr.Sequence(mr.Pulse(angle / 2, np.pi), mr.Delay(TR / 2), repetition)


def brain() -> tuple[Any, Any]:
    """The voxels, and their size in m."""
    import numpy as np

    import mrjax as mr

    folder = Path(os.environ.get("MRJAX_DATA", Path(__file__).parents[2] / "shared" / "data"))
    file = np.load(folder / "pdg" / "epi64.npz")
    x, y, z = file["voxel_pos_m"].T
    own = {"off_resonance": -file["B0_Hz"], "b1": file["B1"][0], "diffusion": file["D_1e_9_m2_s"] * 1e-9}
    maps = [file[name] for name in ("T1", "T2", "PD", "T2dash")]
    return mr.Tissue(*maps, x=x, y=y, z=z, **own), 1 / (2 * file["nyquist"].astype(float))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its CPU time in s."""
    import jax

    start = time.process_time()
    result = jax.block_until_ready(call())
    return result, time.process_time() - start


def measured(name: str, function: Callable[..., Any], argument: Any) -> Any:
    """The result of a compiled function, of which it prints the CPU time and the memory."""
    import jax

    program = jax.jit(function).lower(argument).compile()
    timed(lambda: program(argument))
    result, seconds = timed(lambda: program(argument))
    analysis = program.memory_analysis()
    assert analysis is not None, "XLA tells it"
    memory = analysis.temp_size_in_bytes / MIB
    print(f"{name:10s} {seconds:7.2f} s CPU   {memory:7.0f} MiB")
    return result


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    options = parser.parse_args()
    if options.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    import mrjax as mr

    sequence, (voxels, size) = balanced(), brain()
    whole = mr.acquire(sequence, voxels, engine=mr.PDG(0.0, size, "sinc"))
    engine, seconds = timed(lambda: mr.PDG(options.accuracy, size, "sinc").with_graph(sequence, voxels))
    print(
        f"graph      {seconds:7.2f} s CPU   {engine.graph.count.sum()} states, estimated error {engine.graph.error:.1e}"
    )
    pulse = lambda s: s[2].events[0].flip_angle
    signal = lambda angles: mr.acquire(eqx.tree_at(pulse, sequence, angles), voxels, engine=engine)
    found = measured("value", signal, pulse(sequence))
    measured("gradient", jax.grad(lambda angles: jnp.sum(jnp.abs(signal(angles)) ** 2)), pulse(sequence))
    error = np.abs(np.asarray(found - whole)).max() / np.abs(np.asarray(whole)).max()
    print(f"error      {error:7.1e} of the largest sample, against no state left out")


if __name__ == "__main__":
    main()
