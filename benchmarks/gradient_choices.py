"""Which `gradient=` is fastest for a loss in T1 and T2 of each atom, from few to many?

    python -m benchmarks.gradient_choices [--small] [--threads 1]

FISP fingerprints of 1000 repetitions and 20 states, under `jax.jit`; `ratio` is to the signal alone.
"""

import jax
import jax.numpy as jnp

import mrjax as mr
from benchmarks import fisp
from benchmarks.fisp_gradient import target
from benchmarks.measuring import Numbers, jitted, options, report


def jobs(n_atoms: int) -> list[Numbers]:
    """The loss and its gradient, each way."""
    flip_angle, t1, t2 = fisp.inputs(n_atoms)
    train, goal = fisp.sequence(flip_angle), target(n_atoms)
    signal = jitted(fisp.signal, flip_angle, t1, t2)

    def step(gradient: mr.gradient.AbstractGradient) -> Numbers:
        def loss(times: tuple) -> jax.Array:
            difference = mr.simulate(train, mr.Tissue(*times), mr.EPG(fisp.N_STATES), gradient=gradient) - goal
            return jnp.mean(jnp.square(difference.real) + jnp.square(difference.imag))

        return jitted(jax.value_and_grad(loss), (t1, t2))

    ways = {"checkpoints": mr.gradient.Checkpoints(), "forward_jacobian": mr.gradient.ForwardJacobian()}
    rows = [{"job": f"{name}_{n_atoms}", **step(way)} for name, way in ways.items()]
    return [row | {"ratio": row["median_s"] / signal["median_s"], "signal_s": signal["median_s"]} for row in rows]


def main() -> None:
    sizes = (100, 200) if options(__doc__).small else (100, 1000, 10_000)
    report(*(row for n_atoms in sizes for row in jobs(n_atoms)))


if __name__ == "__main__":
    main()
