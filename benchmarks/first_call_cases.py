"""One case of `benchmarks.first_calls`, in a process of its own: how long does the first call take, and what is compiled?

    python -m benchmarks.first_call_cases imaging/epi

Prints one line of JSON. Sequences and tissues are there before; what is timed is the call until its result is computed.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from benchmarks import fisp, fisp_gradient
from benchmarks.cest_tasks import Protocol

Call = Callable[[], Any]

STAGES = {
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering_s",
    "/jax/core/compile/backend_compile_duration": "xla_s",
}


@dataclass(frozen=True)
class Case:
    """A call, and others of a like size that should find everything compiled."""

    call: Call
    neighbours: dict[str, Call] = field(default_factory=dict)


SEEN = {"programs": 0, "lowering_s": 0.0, "xla_s": 0.0}
"""What XLA has compiled in this process, and the seconds of each stage."""


def listen(event: str, duration: float, **_: Any) -> None:
    if event in STAGES:
        SEEN[STAGES[event]] += duration
        SEEN["programs"] += STAGES[event] == "xla_s"


jax.monitoring.register_event_duration_secs_listener(listen)


def timed(call: Call) -> dict[str, float]:
    """Wall time of one call, and what of it compiling took."""
    before, start = dict(SEEN), time.perf_counter()
    jax.block_until_ready(call())
    elapsed = time.perf_counter() - start
    return {"s": elapsed, **{stage: SEEN[stage] - before[stage] for stage in SEEN}}


def data(name: str) -> Path:
    return Path(os.environ.get("MRJAX_DATA", "../shared/data")) / name


def fisp_call(n_voxels: int, n_repetitions: int) -> Call:
    flip_angle, t1, t2 = fisp.inputs(n_voxels, n_repetitions)
    sequence, tissue = fisp.sequence(flip_angle), mr.Tissue(t1, t2)
    return lambda: fisp.played(sequence, tissue, fisp.N_STATES)


def fisp_case() -> Case:
    others = {"a voxel more": fisp_call(10_001, 1000), "a repetition less": fisp_call(10_000, 999)}
    return Case(fisp_call(10_000, 1000), others)


def fisp_gradient_case() -> Case:
    """In the flip angles, by reverse mode through all states."""
    arguments = fisp.inputs(1000)
    target = fisp_gradient.target(1000)
    gradient = jax.jit(jax.value_and_grad(fisp_gradient.loss_of(fisp.signal)))
    return Case(lambda: gradient(*arguments, target))


def fisp_maps_case() -> Case:
    """The gradient in maps of T1 and T2."""
    flip_angle, *maps = fisp.inputs(10_000)
    sequence, target = fisp.sequence(flip_angle), fisp_gradient.target(10_000)

    def loss(t1: jax.Array, t2: jax.Array) -> jax.Array:
        engine, gradient = mr.EPG(fisp.N_STATES), mr.gradient.ForwardJacobian()
        return jnp.mean(jnp.abs(mr.simulate(sequence, mr.Tissue(t1, t2), engine, gradient=gradient) - target) ** 2)

    gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
    return Case(lambda: gradient(*maps))


def cut(tissue: mr.Tissue, n: int) -> mr.Tissue:
    return jax.tree.map(lambda leaf: leaf[:n] if jnp.ndim(leaf) else leaf, tissue)


def imaging_case(name: str) -> Case:
    sequence = mr.pulseq.to_sequence(mr.pulseq.read(data(f"imaging/{name}.seq")))
    with np.load(data(f"imaging/{name}.npz")) as spins:
        given = {
            key: jnp.asarray(spins[key], jnp.float32) for key in ("t1", "t2", "off_resonance", "b1", "x", "y", "z")
        }
        tissue = mr.Tissue(m0=jnp.asarray(spins["pd"], jnp.float32), **given)
    play = lambda tissue: lambda: mr.simulate(sequence, tissue, mr.Isochromats())
    return Case(play(tissue), {"a voxel less": play(cut(tissue, len(tissue.t1) - 1))})


def voxels(n: int) -> mr.Tissue:
    """In a row, of one tissue each."""
    place = jnp.linspace(-0.05, 0.05, n)
    return mr.Tissue(jnp.linspace(0.5, 1.5, n), 0.08, off_resonance=place * 200, x=place, y=place / 2, z=place / 20)


def pulseq_case(name: str) -> Case:
    sequence = mr.pulseq.to_sequence(mr.pulseq.read(data(f"pulseq/{name}.seq")))
    samples = bool(sequence.n_samples)

    def of(n: int) -> Call:
        tissue = voxels(n)
        return lambda: (mr.simulate if samples else mr.play)(sequence, tissue, mr.Isochromats())

    return Case(of(16), {"a voxel more": of(17)})


def cest_case(name: str) -> Case:
    protocol = Protocol.called(name)
    pools = mr.io.read_pools(protocol.pools, legacy_lineshape=True)
    meta = protocol.meta
    pools = replace(pools, max_pulse_samples=meta["max_pulse_samples"], reset=meta["reset_init_mag"])
    sequence = pools.sequence(mr.pulseq.read(protocol.sequence))
    engine = mr.BlochMcConnell(pools.b0, pools.conventions)
    single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (sequence, pools.tissue, engine))
    sequence, tissue, engine = single
    return Case(lambda: mr.simulate(sequence, tissue, engine))


def bloch_ode_case() -> Case:
    pulse = mr.sequence.pulses.sinc(flip_angle=np.pi / 2, duration=2e-3, time_bandwidth_product=4.0, n_samples=200)
    played = mr.Together(pulse, mr.Gradient.trapezoid(10e-3, rise=1e-4, flat=1.8e-3, axis="z"))
    sequence = mr.Sequence(played, mr.Sample())
    tissue = mr.Tissue(jnp.full(41, 1.0), 0.1, z=jnp.linspace(-5e-3, 5e-3, 41))
    return Case(lambda: mr.simulate(sequence, tissue, mr.BlochODE()))


def small_case() -> Case:
    return Case(fisp_call(100, 100), {"a voxel more": fisp_call(101, 100), "a repetition more": fisp_call(100, 101)})


def phantom_case() -> Case:
    phantom = mr.phantoms.brain((109, 109))
    train = mr.protocols.cpmg(jnp.full(64, jnp.pi * 0.9), echo_spacing=10e-3)
    tissue = phantom.compartments()
    return Case(lambda: jnp.sum(mr.simulate(train, tissue), axis=0))


GROUPS: dict[str, tuple[Callable[..., Case], tuple[str, ...]]] = {
    "fisp": (fisp_case, ()),
    "fisp_gradient": (fisp_gradient_case, ()),
    "fisp_maps": (fisp_maps_case, ()),
    "imaging": (
        imaging_case,
        ("gre", "epi", "se_epi", "fse", "moled", "spiral", "radial_bssfp", "slice_gre", "spiral_8shot_80"),
    ),
    "pulseq": (
        pulseq_case,
        (
            *(f"simple_mprage{version}" for version in (120, 131, 141, 150)),
            *("seq1", "seq3", "seq5", "seq_make_sinc_pulses"),
            *(f"write_{kind}" for kind in ("epi", "epi_label", "gre", "gre_label_softdelay", "radial_gre", "tse")),
        ),
    ),
    "cest": (
        cest_case,
        (
            *("bmsim_case1", "bmsim_case2", "bmsim_case3", "bmsim_case5", "bmsim_case7"),
            *("apt000_2p_creatine", "apt000_2p_MT_Lor", "apt000_3p_MT_Lor", "apt000_3p_MT_SL", "apt000_7p_WM"),
            *("apt003_3p_MT_Lor", "apt003_3p_MT_SL", "apt003_5p_BMsim", "apt001_2p_creatine", "apt001_3p_MT_Lor"),
            *("wasabi3T_2p_creatine", "wasabi3T_5p_BMsim", "mrf001_7p", "mrf002_2p_larg", "mrf002_3p_larg"),
            *("loas40_3p_MT", "t1map_hypsec", "glint_3p"),
        ),
    ),
    "bloch_ode": (bloch_ode_case, ()),
    "small": (small_case, ()),
    "phantom": (phantom_case, ()),
}


def case(name: str) -> Case:
    group, _, member = name.partition("/")
    make, _ = GROUPS[group]
    return make(member) if member else make()


def names() -> list[str]:
    return [name for group, (_, members) in GROUPS.items() for name in ([f"{group}/{m}" for m in members] or [group])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=names(), metavar="NAME")
    parser.add_argument("--cache", type=Path, help="folder in which compiled programs are kept")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.cache:
        mr.cache(options.cache)
    one = case(options.name)
    first = timed(one.call)
    again = min((timed(one.call) for _ in range(5)), key=lambda found: found["s"])
    neighbours = {which: timed(call) for which, call in one.neighbours.items()}
    print(json.dumps({"case": options.name, "first": first, "again": again, "neighbours": neighbours}))


if __name__ == "__main__":
    main()
