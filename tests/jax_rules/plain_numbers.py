"""Signals, derivatives and a fit that use the rules of `mrjax.jax_rules`, and a program that writes them to a file."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr

T1, T2 = np.linspace(0.5, 1.5, 40), np.linspace(0.05, 0.1, 40)
TE = np.linspace(0.01, 0.3, 8)


def fingerprint(t1):
    """Of configuration states, in a loop."""
    sequence = mr.protocols.mrf_fisp(np.linspace(0.1, 1.0, 12), 12e-3, te=5e-3)
    return mr.simulate(sequence, mr.Tissue(t1, T2), mr.EPG(4))


def saturated(rate):
    """The longitudinal magnetisation of water that exchanges with a pool, after a shaped pulse."""
    pulse = mr.ShapedPulse(3e-6 * np.hanning(20), dt=1e-3, offset=300.0)
    pool = mr.Pool(5e-3, rate, t1=1.0, t2=0.05, shift_ppm=3.5)
    tissue = mr.Tissue(1.3, 0.08, pools=(pool,))
    return mr.simulate(mr.Sequence(pulse, mr.SampleLongitudinal()), tissue, mr.BlochMcConnell(b0=3.0))[0].real


def decay(parameters):
    """A model to fit."""
    return mr.signals.relaxation.t2_decay(TE, parameters["t2"], parameters["m0"])


def numbers() -> dict[str, np.ndarray]:
    """By name, all in double precision."""
    loss = lambda t1: jnp.sum(abs(fingerprint(t1)) ** 2)
    signal, forward = jax.jvp(fingerprint, (jnp.asarray(T1),), (jnp.ones(40),))
    value, slope = jax.jit(jax.value_and_grad(saturated))(40.0)
    # from so far away that a step leads to a negative T2
    fit = mr.inverse.least_squares(decay, mr.signals.relaxation.t2_decay(TE, T2), {"m0": 1.0, "t2": 1.0})
    found = {"signal": signal, "forward": forward, "reverse": jax.grad(loss)(jnp.asarray(T1))}
    found |= {"saturated": value, "reverse of saturated": slope, "fitted": fit.parameters["t2"]}
    return {name: np.asarray(array) for name, array in found.items()}


def main() -> None:
    """Write the numbers, what was imported, and what becomes of a time that is negative at run time."""
    jax.config.update("jax_enable_x64", True)
    imported = sorted(name for name in sys.modules if name.startswith("mrjax.jax_rules."))
    negative = jax.jit(lambda te: mr.signals.relaxation.t2_decay(te, 0.1))(-0.1)
    np.savez(Path(sys.argv[1]), imported=imported, negative=negative, **numbers())


if __name__ == "__main__":
    main()
