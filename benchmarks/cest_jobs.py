"""How long do saturation experiments take mrjax: pulse trains, continuous waves, dictionaries, gradients, files?

    python -m benchmarks.cest_jobs --precision float64 --threads 1 [--small]

A process for each precision, since 64-bit numbers are a setting of the process. Prints one line of JSON. Every call is timed
outside `jax.jit` and under it, where sequence, tissue and engine are arguments of the program.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from benchmarks.cest_tasks import CONTINUOUS, SPIN_LOCKS, TRAINS, Protocol, data, least
from benchmarks.measuring import Numbers, compiled, parser, report
from mrjax import pulseq

SECONDS = 4.0
"""For which each call is repeated."""

N_SPIN_LOCKED = 4000
"""Atoms, of the 18,975 of the grid."""

PARAMETERS_OF_THE_PEER = {
    "water_pool.t1": "t1w",
    "water_pool.t2": "t2w",
    "cest_pool.Amine.f": "fs_0",
    "cest_pool.Amine.k": "ksw_0",
    "cest_pool.Amine.t1": "t1s_0",
    "cest_pool.Amine.t2": "t2s_0",
    "cest_pool.Amine.dw": "dsw_0",
}
"""How the C++ program calls them in its dictionary."""

Experiment = tuple[mr.Sequence, mr.Tissue, mr.BlochMcConnell]


def file_of(path: Path) -> pulseq.PulseqFile:
    with warnings.catch_warnings():  # some files of the reference data were edited after they were signed
        warnings.filterwarnings("ignore", message=".*is not the one in .SIGNATURE.*")
        return pulseq.read(path)


def experiment(protocol: Protocol) -> Experiment:
    pools = mr.io.read_pools(protocol.pools)
    conventions = mr.Conventions.pulseq_cest(protocol.meta["gamma_rad_per_s_per_uT"] * 1e6)
    options = {"max_pulse_samples": protocol.meta["max_pulse_samples"], "reset": protocol.meta["reset_init_mag"]}
    sequence = pulseq.saturation_sequence(file_of(protocol.sequence), conventions, **options)
    return sequence, pools.tissue, mr.BlochMcConnell(pools.b0, conventions)


def timed(played: Experiment, seconds: float) -> tuple[np.ndarray, Numbers]:
    """The signal, and the times of one experiment outside `jax.jit` and under it."""
    start = time.perf_counter()
    jax.block_until_ready(mr.simulate(*played))
    first_s = time.perf_counter() - start
    signal, plain = least(lambda: jax.block_until_ready(mr.simulate(*played)), seconds)
    program, cost = compiled(mr.simulate, *played)
    _, under_jit = least(lambda: jax.block_until_ready(program(*played)), seconds)
    return np.asarray(signal), {"plain": plain, "under_jit": under_jit, "first_s": first_s, **cost}


def error_of(signal: np.ndarray, protocol: Protocol) -> float:
    """The largest, in units of the equilibrium."""
    return float(np.max(np.abs(np.real(signal) - protocol.exact)))


def spectrum(name: str, seconds: float) -> Numbers:
    """One Z-spectrum: every offset of a protocol, for one tissue."""
    protocol = Protocol.called(name)
    played = experiment(protocol)
    signal, numbers = timed(played, seconds)
    error = error_of(signal, protocol)
    return {"job": name, "n_pools": len(played[1].pools) + 1, "n_offsets": len(signal), **numbers, "error": error}


def gradient(name: str, seconds: float) -> Numbers:
    """The gradient of a loss in all samples of the one pulse that every train repeats, beside the loss alone."""
    protocol = Protocol.called(name)
    sequence, tissue, engine = experiment(protocol)
    samples = waveforms(sequence)[0]
    arguments = (samples, sequence, tissue, engine)
    value, value_cost = compiled(loss, *arguments)
    with_gradient, gradient_cost = compiled(jax.value_and_grad(loss), *arguments)
    _, alone = least(lambda: jax.block_until_ready(value(*arguments)), seconds)
    (_, found), both = least(lambda: jax.block_until_ready(with_gradient(*arguments)), seconds)
    numbers: Numbers = {
        "job": name,
        "n_offsets": len(protocol.exact),
        "n_samples": samples.size,
        "value": alone | value_cost,
        "gradient": both | gradient_cost,
        "ratio": both["cpu_s"] / alone["cpu_s"],
    }
    if samples.dtype == np.float64:  # in float32 rounding hides the difference
        numbers["error"] = error_of_gradient(found, value, *arguments)
    return numbers


def error_of_gradient(
    found: jax.Array, value: Callable[..., Any], samples: jax.Array, *others: Any, step: float = 2e-11
) -> float:
    """Relative difference from a central difference (step in T) along one random direction."""
    direction = jnp.asarray(np.random.default_rng(0).standard_normal(samples.size), samples.dtype)
    difference = value(samples + step * direction, *others) - value(samples - step * direction, *others)
    expected = difference / (2 * step)
    return float(jnp.abs(jnp.vdot(found, direction) - expected) / jnp.abs(expected))


def waveforms(sequence: mr.Sequence) -> list[jax.Array]:
    is_pulse = lambda node: isinstance(node, mr.ShapedPulse)
    return [node.waveform for node in jax.tree.leaves(sequence, is_leaf=is_pulse) if is_pulse(node)]


def loss(samples: jax.Array, sequence: mr.Sequence, tissue: mr.Tissue, engine: mr.BlochMcConnell) -> jax.Array:
    played = eqx.tree_at(waveforms, sequence, replace_fn=lambda _: samples)
    return jnp.sum(mr.simulate(played, tissue, engine).real ** 2)


def atoms() -> dict[str, np.ndarray]:
    """The grid of the L-arginine phantom: every atom's parameters."""
    grid = mr.io.read_grid(data("phantom_larg_9p4T/dictionary_subset.yaml"))
    names = list(grid)
    return {name: axis.ravel() for name, axis in zip(names, np.meshgrid(*grid.values()), strict=True)}


def tissue_of(parameters: dict[str, Any]) -> mr.Tissue:
    numbers = {name: jnp.asarray(value, jnp.float32) for name, value in parameters.items()}
    fraction, rate, t1, t2, shift = (numbers[f"cest_pool.Amine.{key}"] for key in ("f", "k", "t1", "t2", "dw"))
    pool = mr.Pool(fraction, rate, t1, t2, shift)
    return mr.Tissue(numbers["water_pool.t1"], numbers["water_pool.t2"], pools=(pool,))


def continuous_dictionary(small: bool, seconds: float) -> Numbers:
    """30 images after continuous waves at 9.4 T; checked against atoms that the C++ program computed."""
    conventions = mr.Conventions.pulseq_cest()
    file = file_of(data("phantom_larg_9p4T/acq_protocol.seq"))
    sequence = pulseq.saturation_sequence(file, conventions, max_pulse_samples=100, reset=False, readout="transverse")
    engine = mr.BlochMcConnell(9.4, conventions)
    grid = atoms()
    taken = slice(None, 190 if small else None)
    signal, numbers = timed((sequence, tissue_of({k: v[taken] for k, v in grid.items()}), engine), seconds)
    with np.load(data("phantom_larg_9p4T/open_py_cest_mrf_dictionary_2000.npz")) as other:
        theirs = tissue_of({name: other[key].ravel() for name, key in PARAMETERS_OF_THE_PEER.items()})
        error = float(np.max(np.abs(np.abs(np.asarray(mr.simulate(sequence, theirs, engine))) - other["sig"])))
    sizes = {"n_atoms": len(signal), "n_images": signal.shape[1], "n_blocks": len(file.blocks)}
    return {"job": "dictionary_9.4T_continuous", **sizes, **numbers, "error": error}


def spin_lock_dictionary(small: bool, seconds: float) -> Numbers:
    """30 images after 13 spin-locks each at 3 T; the tissue of the reference data is played as well, as a check."""
    protocol = Protocol.called(SPIN_LOCKS)
    sequence, tissue, engine = experiment(protocol)
    error = error_of(np.asarray(mr.simulate(sequence, tissue, engine)), protocol)
    grid = atoms()
    taken = np.linspace(0, len(grid["water_pool.t1"]) - 1, 50 if small else N_SPIN_LOCKED).astype(int)
    signal, numbers = timed((sequence, tissue_of({k: v[taken] for k, v in grid.items()}), engine), seconds)
    n_blocks = len(file_of(protocol.sequence).blocks)
    sizes = {"n_atoms": len(signal), "n_images": signal.shape[1], "n_blocks": n_blocks}
    return {"job": "dictionary_3T_13_spin_locks", **sizes, **numbers, "error": error}


def reading(path: Path, seconds: float) -> Numbers:
    file, read = least(lambda: file_of(path), seconds)
    _, converted = least(lambda: pulseq.saturation_sequence(file), seconds)
    return {"job": path.name.removesuffix(".gz"), "n_blocks": len(file.blocks), "read": read, "converted": converted}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--precision", choices=["float32", "float64"], default="float32")
    options = arguments.parse_args()
    jax.config.update("jax_enable_x64", options.precision == "float64")
    seconds = 0.0 if options.small else SECONDS
    found: dict[str, list[Numbers]] = {
        "spectra": [spectrum(name, seconds) for name in (*TRAINS, CONTINUOUS)],
        "gradients": [gradient(name, seconds) for name in TRAINS],
    }
    if options.precision == "float32":
        found["dictionaries"] = [make(options.small, seconds) for make in (continuous_dictionary, spin_lock_dictionary)]
        found["files"] = [reading(path, seconds / 8) for path in sorted(data("seq").glob("*.seq*"))]
    report(precision=options.precision, **found)


if __name__ == "__main__":
    main()
