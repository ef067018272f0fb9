"""Images of each contrast first, then the fit of each pixel: what maps from undersampled k-space are compared with."""

import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax.inverse import least_squares
from mrjax.zoo.methods.cg_sense import images
from mrjax.zoo.relaxometry import EVALUATION, Estimate, Measurement, RelaxationModel, RelaxometryConfig, best_m0
from mrjax.zoo.system import Method

SHORTEST, LONGEST = 0.1, 5.0
"""Limits of a fit, relative to the usual relaxation time."""


def estimator(config: RelaxometryConfig) -> Estimate:
    """CG-SENSE of every contrast, then complex least squares.

    **Arguments:**

    - `config`: Not used: a measurement holds all.

    **Returns:** a function from a `Measurement` to "t1" or "t2" in s, and "m0".
    """
    del config
    return lambda measurement: estimated(measurement)


def estimated(measurement: Measurement) -> dict[str, Array]:
    """The maps of a `Measurement`."""
    return fitted(measurement["model"], jnp.moveaxis(images(measurement), 1, -1))


def fitted(model: RelaxationModel, contrasts: Complex[Array, "*pixels n"]) -> dict[str, Array]:
    """The maps that explain complex contrasts best, pixel by pixel."""
    usual = jnp.full(contrasts.shape[:-1], model.usual, contrasts.real.dtype)
    m0 = best_m0(model, contrasts)
    signal = lambda p: model.signal(p["time"], p["real"] + 1j * p["imaginary"])
    lower = {"time": SHORTEST * model.usual, "real": -jnp.inf, "imaginary": -jnp.inf}
    upper = {"time": LONGEST * model.usual, "real": jnp.inf, "imaginary": jnp.inf}
    start = {"time": usual, "real": m0.real, "imaginary": m0.imag}
    found = least_squares(signal, contrasts, start, (lower, upper), max_iterations=30).parameters
    return {model.parameter: found["time"], "m0": found["real"] + 1j * found["imaginary"]}


METHOD = Method("cg_sense_then_fit", RelaxometryConfig(), estimator, EVALUATION)
