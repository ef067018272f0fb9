"""Signals, derivatives and a fit that use every rule of `mrjax.jax_rules`, and a program that writes them to a file."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr

ANGLES = np.linspace(0.1, 1.0, 12)
T1, T2 = jnp.linspace(0.5, 1.5, 40), jnp.linspace(0.05, 0.1, 40)
PULSE = mr.ShapedPulse(3e-6 * np.hanning(20), dt=1e-3, offset=300.0)
SATURATION = mr.Repeat(PULSE, mr.Delay(5e-3), mr.Spoil(), mr.SampleLongitudinal(), n_repetitions=4)


def fingerprint(t1):
    """Of configuration states."""
    return mr.simulate(mr.protocols.mrf_fisp(ANGLES, 12e-3, te=5e-3), mr.Tissue(t1, T2), mr.EPG(8))


def saturated(rate):
    """The longitudinal magnetisation of water that exchanges with a pool."""
    pool = mr.Pool(5e-3, rate, t1=1.0, t2=0.05, shift_ppm=3.5)
    return mr.simulate(SATURATION, mr.Tissue(1.3, 0.08, pools=(pool,)), mr.BlochMcConnell(b0=3.0)).real


def numbers() -> dict[str, np.ndarray]:
    """By name, all computed in double precision."""
    total = lambda t1: jnp.sum(abs(fingerprint(t1)) ** 2)
    position = jnp.linspace(-0.01, 0.01, 40)
    te = np.linspace(0.01, 0.3, 8)
    decay = lambda parameters: mr.signals.relaxation.t2_decay(te, parameters["t2"], parameters["m0"])
    data = mr.signals.relaxation.t2_decay(te, T2)
    found = {
        "fingerprint": fingerprint(T1),
        "reverse": jax.grad(total)(T1),
        "forward": jax.jvp(fingerprint, (T1,), (jnp.ones_like(T1),))[1],
        "saturated": saturated(jnp.array(40.0)),
        "reverse_of_saturated": jax.jit(jax.grad(lambda rate: jnp.sum(saturated(rate))))(40.0),
        "forward_of_saturated": jax.jit(jax.jacfwd(saturated))(40.0),
        "bloch": jnp.stack(jax.tree.leaves(mr.bloch(PULSE.waveform, 1e-3, mr.Tissue(T1, T2), position, 1e-3))),
        # from so far away that a step leads to a negative T2
        "fitted": mr.inverse.least_squares(decay, data, {"m0": 1.0, "t2": 1.0}).parameters["t2"],
    }
    return {name: np.asarray(array) for name, array in found.items()}


def main() -> None:
    """Write the numbers, what was imported, and what becomes of a time that is negative at run time."""
    jax.config.update("jax_enable_x64", True)
    imported = sorted(name for name in sys.modules if name.startswith("mrjax.jax_rules."))
    negative = jax.jit(lambda t: mr.simulate(mr.protocols.spin_echo(te=t), mr.Tissue(1.0, 0.1)))(-0.1)
    np.savez(Path(sys.argv[1]), imported=imported, negative=negative, **numbers())


if __name__ == "__main__":
    main()
