"""What does the gradient of a loss in 1000 flip angles cost (1000 atoms), and how many signals is that?

    python -m benchmarks.fisp_gradient [--small] [--threads 1]

Reverse mode under `jax.jit`; `ratio` is to the signal alone.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import fisp, tasks
from benchmarks.measuring import jitted, ns_per, on_device, options, report


def loss(flip_angle: jax.Array, t1: jax.Array, t2: jax.Array, target: jax.Array) -> jax.Array:
    """The mean of |signal - target|^2, without the roots of `abs`."""
    difference = fisp.signal(flip_angle, t1, t2) - target
    return jnp.mean(jnp.square(difference.real) + jnp.square(difference.imag))


def target(n_atoms: int) -> jax.Array:
    """That of the common task, for signals along -y."""
    return on_device(-1j * tasks.fisp_target(n_atoms), dtype=np.complex64)[0]


def main() -> None:
    n_atoms = 200 if options(__doc__).small else 1000
    arguments = fisp.inputs(n_atoms)
    numbers = jitted(jax.value_and_grad(loss), *arguments, target(n_atoms))
    signal = jitted(fisp.signal, *arguments)
    work = fisp.N_STATES * n_atoms * arguments[0].size
    ratio = numbers["median_s"] / signal["median_s"]
    own = {"ratio": ratio, "signal_s": signal["median_s"], "signal_temp_mib": signal["temp_mib"]}
    report({"job": "fisp_gradient", **numbers, **ns_per(numbers, work), **own})


if __name__ == "__main__":
    main()
