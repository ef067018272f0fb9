"""What does the gradient of a loss in 1000 flip angles cost (1000 atoms), and how many signals is that?

    python -m benchmarks.fisp_gradient [--small] [--threads 1]

Reverse mode under `jax.jit`; `ratio` is to the signal alone. A second job does the same with RF phases, which make the states
complex, and with B1.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from benchmarks import fisp, tasks
from benchmarks.measuring import Numbers, jitted, ns_per, on_device, options, report


def loss_of(signal: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The mean of |signal - target|^2, without the roots of `abs`."""

    def loss(flip_angle: jax.Array, t1: jax.Array, t2: jax.Array, target: jax.Array) -> jax.Array:
        difference = signal(flip_angle, t1, t2) - target
        return jnp.mean(jnp.square(difference.real) + jnp.square(difference.imag))

    return loss


def target(n_atoms: int) -> jax.Array:
    """That of the common task, for signals along -y."""
    return on_device(-1j * tasks.fisp_target(n_atoms), dtype=np.complex64)[0]


def with_phases_and_b1(flip_angle: jax.Array, t1: jax.Array, t2: jax.Array) -> jax.Array:
    """The signal with phases that grow quadratically, as RF spoiling has them, and with B1 from 0.8 to 1.2."""
    task, number = tasks.fisp(1), jnp.arange(flip_angle.size, dtype=jnp.float32)
    tr, te, inversion_time = (np.float32(task[name]) for name in ("tr", "te", "inversion_time"))
    phase = jnp.pi * ((number * number) % 360) / 180
    train = mr.protocols.mrf_fisp(flip_angle, tr, te=te, phase=phase, inversion_time=inversion_time)
    return fisp.played(train, mr.Tissue(t1, t2, b1=jnp.linspace(0.8, 1.2, t1.size, dtype=jnp.float32)), fisp.N_STATES)


def measured_gradient(job: str, n_atoms: int, signal: Callable[..., jax.Array]) -> Numbers:
    """The loss and its gradient."""
    arguments = fisp.inputs(n_atoms)
    numbers = jitted(jax.value_and_grad(loss_of(signal)), *arguments, target(n_atoms))
    alone = jitted(signal, *arguments)
    work = fisp.N_STATES * n_atoms * arguments[0].size
    own = {"signal_s": alone["median_s"], "signal_temp_mib": alone["temp_mib"]}
    return {"job": job, **numbers, **ns_per(numbers, work), "ratio": numbers["median_s"] / alone["median_s"], **own}


def main() -> None:
    n_atoms = 200 if options(__doc__).small else 1000
    jobs = {"fisp_gradient": fisp.signal, "fisp_gradient_complex": with_phases_and_b1}
    report(*(measured_gradient(job, n_atoms, signal) for job, signal in jobs.items()))


if __name__ == "__main__":
    main()
