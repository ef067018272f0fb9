"""What do a FISP dictionary and its derivatives in T1 and T2 cost, and how many signals is that?

    python -m benchmarks.fisp_jacobian [--small] [--threads 1]

Both under `jax.jit`; `ratio` is to the signal alone. The outputs are three arrays as large as the signal.
"""

import jax

import mrjax as mr
from benchmarks import fisp
from benchmarks.measuring import jitted, ns_per, options, report


def signal_and_jacobian(flip_angle: jax.Array, t1: jax.Array, t2: jax.Array) -> tuple:
    model = lambda parameters: fisp.signal(flip_angle, parameters["t1"], parameters["t2"])
    return mr.inverse.signal_and_jacobian(model, {"t1": t1, "t2": t2})


def main() -> None:
    n_atoms = 200 if options(__doc__).small else 10_000
    arguments = fisp.inputs(n_atoms)
    numbers, signal = jitted(signal_and_jacobian, *arguments), jitted(fisp.signal, *arguments)
    ratio = numbers["median_s"] / signal["median_s"]
    work = fisp.N_STATES * n_atoms * arguments[0].size
    report(
        {
            "job": "fisp_jacobian",
            **numbers,
            **ns_per(numbers, work),
            "ratio": ratio,
            "signal_s": signal["median_s"],
            "signal_temp_mib": signal["temp_mib"],
        }
    )


if __name__ == "__main__":
    main()
