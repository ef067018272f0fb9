"""What does a step of the search of each design cost, beside the signals that it is about?

    python -m benchmarks.design_cost [--small] [--only image ...] [--out benchmarks/results]

CPU seconds of one process, the least of several: of the forward model alone (signals, images, or the response of a pulse), of the
objective, and of a step, which is objective, derivative and Adam; and the memory that the compiled programs take beside arguments
and results. Double precision, but for `cest`, which is learned in single precision with its network.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr
from benchmarks.measuring import MIB
from mrjax import zoo
from mrjax.units import deg, mm, ms, us, uT

REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Design:
    """A kind of design: what is free at the start of its search, its forward model and its objective."""

    start: Any
    model: Callable[[Any], Any]
    objective: Callable[[Any], Any]


def image(small: bool, spins: int = 55) -> Design:
    """Gradient echoes of which everything is free, and the small objects that encoding is learned from."""
    echoes = mr.design.FreeEchoes(matrix=8 if small else 16)
    objects = mr.design.small_objects(echoes, 0, 9, 3.0, longest_t2=1 * ms, spins=spins)
    objective = mr.design.EchoError.of(echoes, objects, echoes.cartesian())
    model = lambda design: mr.acquire(echoes.sequence(design), objects.spins, coils=objects.belongs, tolerance=0)
    return Design(echoes.blank(jax.random.key(0)), model, objective)


def spoilers(small: bool) -> Design:
    """The same, and what spoilers are learned from: more spins to a pixel."""
    return image(small, spins=233)


def fingerprints(small: bool) -> Design:
    """The bound of FISP fingerprints, with flip angles and repetition times."""
    n = 60 if small else 400
    start = {"flip_angle": jnp.linspace(10 * deg, 60 * deg, n), "tr": jnp.full(n, 13 * ms)}
    tissues = {"t1": jnp.array([0.8, 1.3]), "t2": jnp.array([0.06, 0.09]), "m0": jnp.ones(2)}
    played = lambda design: mr.protocols.mrf_fisp(design["flip_angle"], design["tr"], te=3 * ms, inversion_time=20 * ms)
    signals = lambda design: lambda p: mr.simulate(played(design), mr.Tissue(p["t1"], p["t2"], m0=p["m0"]), mr.EPG(20))
    bound = mr.design.crlb(signals, tissues, noise_std=1e-3, weights={"t1": 1.0, "t2": 1.0})
    return Design(start, lambda design: signals(design)(tissues), bound)


def echoes(small: bool) -> Design:
    """The bound of T2 from a train of spin echoes."""
    start = jnp.full(8 if small else 32, 60 * deg)
    tissues = {"t2": jnp.array([0.06, 0.09]), "m0": jnp.ones(2)}
    train = lambda angles: mr.protocols.cpmg(angles, 10 * ms)
    signals = lambda angles: (
        lambda p: p["m0"][..., None] * mr.simulate(train(angles), mr.Tissue(jnp.array([0.8, 1.3]), p["t2"])).real
    )
    bound = mr.design.crlb(signals, tissues, noise_std=1e-2, weights={"t2": 1.0})
    return Design(start, lambda angles: signals(angles)(tissues), bound)


def trajectory(small: bool) -> Design:
    """A spiral with the weights of its reconstruction."""
    n = 24 if small else 48
    scanner = mr.Scanner(max_gradient=30e-3, max_slew=120.0)
    spiral = mr.protocols.imaging.spiral(0.11, n // 2, 4, 20 * deg, dwell_time=4 * us, scanner=scanner)
    task = mr.design.TrajectoryTask(spiral, scanner, 0.22, n)
    images = np.random.default_rng(0).uniform(size=(5, n, n))
    terms = {"error": (1.0, lambda design: task.error(design, images)), "excess": (1.0, task.excess)}
    return Design(task.start(), lambda design: task.reconstructed(design, images), mr.design.weighted_sum(terms))


def pulse(small: bool) -> Design:
    """A selective pulse that forgives the transmit field."""
    n = 40 if small else 200
    position, b1 = (grid.ravel() for grid in np.meshgrid(np.linspace(-7.5, 7.5, 61) * mm, np.linspace(0.9, 1.1, 5)))
    duration = n * 20 * us
    task = mr.design.PulseTask(
        kind="refocusing",
        flip_angle=180 * deg,
        n_samples=n,
        dt=20 * us,
        wanted=(np.abs(position) < 2.5 * mm).astype(float),
        position=position,
        b1=b1,
        gradient=np.array([0.0, 5e-3, 5e-3, 0.0]),
        gradient_times=np.array([0.0, 0.1 * ms, 0.1 * ms + duration, 0.2 * ms + duration]),
        max_b1=18 * uT,
    )
    start = {"real": jnp.full(n, task.nominal_block()), "imaginary": jnp.full(n, 0.1 * uT)}
    return Design(
        start, task.response, mr.design.weighted_sum({"error": (1.0, task.error), "energy": (0.01, task.energy)})
    )


def cest(small: bool) -> Design:
    """Ten images of L-arginine with the network that reads them."""
    system = zoo.system_called("auto_cest")
    config = zoo.configured(system, "paper", {"batch_size": "32"} if small else {})
    graph, weights = nnx.split(system.network(config, nnx.Rngs(0)))
    batch, loss = system.data(config).batch(0), system.loss(config)
    merged = lambda weights: cast(Any, nnx.merge(graph, weights))
    return Design(weights, lambda weights: merged(weights).images(batch), lambda weights: loss(merged(weights), batch))


KINDS = {
    "image": image,
    "image, spoilers": spoilers,
    "crlb, fingerprints": fingerprints,
    "crlb, echoes": echoes,
    "cest": cest,
    "trajectory": trajectory,
    "pulse": pulse,
}


def step_of(objective: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Objective, derivative and what Adam makes of it, as a search has them."""
    adam = optax.adam(1e-3)

    def step(design: Any, memory: Any) -> Any:
        value, slope = jax.value_and_grad(lambda one: _value(objective(one)))(design)
        change, memory = adam.update(slope, memory, design)
        return optax.apply_updates(design, change), memory, value

    return step


def _value(returned: Any) -> jax.Array:
    return returned[0] if isinstance(returned, tuple) else returned


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
    """The least CPU seconds, and MiB beside arguments and results."""
    program: Any = jax.jit(function).lower(*arguments).compile()
    jax.block_until_ready(program(*arguments))
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        jax.block_until_ready(program(*arguments))
        times.append(time.process_time() - begun)
    return min(times), program.memory_analysis().temp_size_in_bytes / MIB


def row(name: str, small: bool) -> str:
    """Of the table."""
    with jax.enable_x64(name != "cest"):
        design = KINDS[name](small)
        memory = optax.adam(1e-3).init(design.start)
        costs = [
            measured(design.model, design.start),
            measured(lambda one: _value(design.objective(one)), design.start),
            measured(step_of(design.objective), design.start, memory),
        ]
    cells = [f"{1e3 * seconds:.2f} / {mib:.1f}" for seconds, mib in costs]
    ratios = [f"{costs[2][0] / costs[i][0]:.1f}" for i in (1, 0)]
    return f"| {' | '.join([name, *cells, *ratios])} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small designs, to see that it runs")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path, help="folder for design_cost.md")
    options = parser.parse_args()
    lines = [
        "| design | signals, ms / MiB | objective, ms / MiB | step, ms / MiB | step / objective | step / signals |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name in options.only:
        lines.append(row(name, options.small))
        print(lines[-1], flush=True)
    if options.out is not None:
        (options.out / "design_cost.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
