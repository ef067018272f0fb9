"""How long does a FISP dictionary take (10,000 atoms, 1000 repetitions, 20 states), and how right is it?

    python -m benchmarks.fisp [--small] [--threads 1]

Truncation is the error to be controlled: a subset of atoms is compared with all orders, and the job is timed again with
the fewest states that leave the worst of these atoms within 1e-3 of its norm.
"""

import warnings

import jax
import numpy as np

import mrjax as mr
from benchmarks import tasks
from benchmarks.measuring import Numbers, compiled, measured, ns_per, on_device, options, report

N_STATES = 20
TOLERANCE = 1e-3
CANDIDATES = (20, 32, 48, 64, 96, 128)
N_COMPARED = 200


def inputs(n_atoms: int, n_repetitions: int = 1000) -> list[jax.Array]:
    """Flip angles, T1 and T2 of the common task."""
    task = tasks.fisp(n_atoms, n_repetitions)
    return on_device(task["flip_angle"], task["t1"], task["t2"])


def sequence(flip_angle: jax.Array) -> mr.Sequence:
    task = tasks.fisp(1)
    tr, te, inversion_time = (np.float32(task[name]) for name in ("tr", "te", "inversion_time"))
    return mr.protocols.mrf_fisp(flip_angle, tr, te=te, inversion=True, inversion_time=inversion_time)


def signal(flip_angle: jax.Array, t1: jax.Array, t2: jax.Array, n_states: int | None = N_STATES) -> jax.Array:
    return played(sequence(flip_angle), mr.Tissue(t1, t2), n_states)


def played(train: mr.Sequence, tissue: mr.Tissue, n_states: int | None) -> jax.Array:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates.*")  # the error is measured here
        return mr.simulate(train, tissue, mr.EPG(n_states))


def timed(n_atoms: int, n_states: int = N_STATES, n_repetitions: int = 1000) -> Numbers:
    """One dictionary outside `jax.jit`, where mrjax uses all cores; the sequence is there before, as for the peer."""
    flip_angle, t1, t2 = inputs(n_atoms, n_repetitions)
    train, tissue = sequence(flip_angle), mr.Tissue(t1, t2)
    times = measured(lambda: played(train, tissue, n_states))
    return {**times, **ns_per(times, n_states * n_atoms * n_repetitions), "n_states": n_states}


def worst_error(approximate: np.ndarray, exact: np.ndarray) -> float:
    """Of the atoms' relative errors, the largest."""
    return float(np.max(np.linalg.norm(approximate - exact, axis=1) / np.linalg.norm(exact, axis=1)))


def errors() -> dict[int, float]:
    """The error of the worst atom for growing numbers of states, up to the first that is within the tolerance."""
    arguments = inputs(N_COMPARED)
    exact, result = np.asarray(signal(*arguments, None)), {}
    for n_states in CANDIDATES:
        result[n_states] = worst_error(np.asarray(signal(*arguments, n_states)), exact)
        if result[n_states] < TOLERANCE:
            break
    return result


def controlled(n_atoms: int, found: dict[int, float]) -> Numbers:
    n_states, error = list(found.items())[-1]
    if error >= TOLERANCE:
        return {"job": "fisp_controlled", "error": f"{n_states} states leave an error of {error:.1e}"}
    _, cost = compiled(lambda *arguments: signal(*arguments, n_states), *inputs(n_atoms))
    return {"job": "fisp_controlled", **timed(n_atoms, n_states), **cost, "worst_atom": error}


def main() -> None:
    n_atoms = 200 if options(__doc__).small else 10_000
    times = timed(n_atoms)
    arguments = inputs(n_atoms)
    program, cost = compiled(signal, *arguments)
    found = errors()
    under_jit = measured(lambda: program(*arguments))["median_s"]
    entry = {"job": "fisp", **times, **cost, "under_jit_s": under_jit, "worst_atom": found[N_STATES]}
    report(entry, controlled(n_atoms, found), worst_atom_by_states=found)


if __name__ == "__main__":
    main()
