"""How fast is the solver of BMCTool (NumPy, float64) on trains of shaped pulses?

    <python with bmctool==1.0.3> -m benchmarks.peers.bmctool_peer apt001_2p_creatine --offsets 3 --threads 1

from the root of the repository. Prints one line of JSON. The events come from the tables of the reference data, so the time
that BMCTool takes to read a Pulseq file is left out: its solver alone is timed, one offset after the other.
"""

import argparse
from importlib.metadata import version
from typing import Any

import numpy as np
from bmctool.parameters import Parameters
from bmctool.simulation.BlochMcConnellSolver import BlochMcConnellSolver

from benchmarks.cest_tasks import Protocol, least
from benchmarks.peers.measuring import report

DELAY, SPOILER, PULSE = 0, 1, 2
"""Types of events in the tables."""


def played(protocol: Protocol, parameters: Parameters, rows: range) -> float:
    """The longitudinal magnetisation of the water after one measurement from equilibrium."""
    solver = BlochMcConnellSolver(parameters, n_offsets=1)
    magnetisation = parameters.m_vec.copy()
    n_transverse = 2 * (1 + parameters.num_cest_pools)
    advanced = 0.0  # rad, by which the frame of the RF has turned
    for row in rows:
        event = {
            name: protocol.table[f"ev_{name}"][row] for name in ("type", "dur_s", "freq_hz", "phase_rad", "post_s")
        }
        if event["type"] == PULSE:
            shape = protocol.table["ev_shape"][row]
            magnetisation, duration = irradiated(protocol, solver, magnetisation, shape, event, advanced)
            advanced += 2 * np.pi * event["freq_hz"] * duration
            magnetisation = rested(solver, magnetisation, event["post_s"])
        if event["type"] in (DELAY, SPOILER):
            magnetisation = rested(solver, magnetisation, event["dur_s"])
        if event["type"] == SPOILER:
            magnetisation[:n_transverse] = 0.0
    return float(magnetisation[parameters.mz_loc])


def irradiated(
    protocol: Protocol, solver: Any, magnetisation: np.ndarray, shape: int, event: dict[str, Any], advanced: float
) -> tuple[np.ndarray, float]:
    """After all samples of a pulse, and how long they took."""
    amplitudes, phases, dt = (protocol.table[f"shape{shape}_{name}"] for name in ("amp_hz", "phase_rad", "dt_s"))
    for amplitude, phase in zip(amplitudes, phases, strict=True):
        solver.update_matrix(amplitude, -phase + event["phase_rad"] - advanced, event["freq_hz"])
        magnetisation = solver.solve_equation(magnetisation, float(dt))
    return magnetisation, len(amplitudes) * float(dt)


def rested(solver: Any, magnetisation: np.ndarray, time: float) -> np.ndarray:
    if not time:
        return magnetisation
    solver.update_matrix(0.0, 0.0, 0.0)
    return solver.solve_equation(magnetisation, float(time))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol")
    parser.add_argument("--offsets", type=int, default=3, help="how many of the protocol are played")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    protocol = Protocol.called(options.protocol)
    parameters = Parameters.from_yaml(protocol.pools)
    measurements = protocol.measurements()
    # not the first, which is that of M0
    chosen = np.linspace(1, len(measurements) - 1, options.offsets + 1).astype(int)[:-1]
    cpu, wall, error = [], [], 0.0
    for n in chosen:
        rows = measurements[n]
        z, times = least(lambda rows=rows: played(protocol, parameters, rows), 0.0, options.repeats)
        cpu.append(times["cpu_s"])
        wall.append(times["wall_s"])
        error = max(error, abs(z - protocol.exact[n]))
    numbers = {"n_offsets": len(chosen), "cpu_s": sum(cpu), "wall_s": sum(wall), "each_cpu_s": cpu, "error": error}
    report(job=options.protocol, **numbers, version=f"BMCTool {version('bmctool')}")


if __name__ == "__main__":
    main()
