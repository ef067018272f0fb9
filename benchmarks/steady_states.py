"""How long do the steady states of a million voxels take, and their derivatives in T1 and T2?

    python -m benchmarks.steady_states [--small] [--threads 1]

Balanced SSFP with alternating pulses and off-resonance, SPGR with ideal spoiling, and (of a hundredth of the voxels) a pulsed
saturation train of two pools. The state by one linear solve, `mr.steady_state`, then the signal of one repetition; a derivative
is that of the sum over voxels of |signal|^2.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from benchmarks import tasks
from benchmarks.measuring import Numbers, jitted, options, report
from mrjax.units import ms


def balanced(t1: jax.Array, t2: jax.Array) -> jax.Array:
    half = mr.Delay(2.5 * ms)
    pair = [(mr.Pulse(0.7, phase=phase), half, mr.Sample(phase=phase), half) for phase in (0.0, np.pi)]
    period = mr.Sequence(*pair[0], *pair[1])
    df = jnp.linspace(-100.0, 100.0, t1.size)
    return _signal(period, mr.Tissue(t1, t2, off_resonance=df), mr.Isochromats())


def spoiled(t1: jax.Array, t2: jax.Array) -> jax.Array:
    period = mr.Sequence(mr.Pulse(0.3), mr.Delay(2 * ms), mr.Sample(), mr.Delay(6 * ms), mr.Spoil())
    return _signal(period, mr.Tissue(t1, t2), mr.Isochromats())


def saturated(t1: jax.Array, t2: jax.Array) -> jax.Array:
    pool = mr.Pool(fraction=0.002, t1=1.0, t2=0.05, exchange_rate=50.0, shift_ppm=3.5)
    saturation = mr.ContinuousWave(b1=1e-6, offset=447.0, duration=50 * ms)
    period = mr.Sequence(saturation, mr.Spoil(), mr.Pulse(0.3), mr.Sample(), mr.Spoil(), mr.Delay(5 * ms))
    return _signal(period, mr.Tissue(t1, t2, pools=(pool,)), mr.BlochMcConnell(b0=3.0))


def _signal(period: mr.Sequence, tissue: mr.Tissue, engine: mr.Isochromats | mr.BlochMcConnell) -> jax.Array:
    return mr.play(period, tissue, engine, state=mr.steady_state(period, tissue, engine))[0]


def timed(name: str, signal: Callable, n_voxels: int) -> Numbers:
    t1, t2 = map(jnp.asarray, tasks.relaxation_times(np.random.default_rng(tasks.SEED), n_voxels))
    value = jitted(signal, t1, t2)
    energy = lambda t1, t2: jnp.sum(jnp.square(jnp.abs(signal(t1, t2))))
    both = jitted(jax.value_and_grad(energy, (0, 1)), t1, t2)
    own = {"voxels": n_voxels, "gradient_s": both["median_s"], "gradient_temp_mib": both["temp_mib"]}
    return {"job": f"steady_{name}", **value, **own}


def main() -> None:
    n_voxels = 10_000 if options(__doc__).small else 1_000_000
    report(
        timed("bssfp", balanced, n_voxels),
        timed("spgr", spoiled, n_voxels),
        timed("cest", saturated, n_voxels // 100),
    )


if __name__ == "__main__":
    main()
