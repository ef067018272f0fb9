"""Thresholded k-space division, the quickest map of susceptibility."""

import jax
import jax.numpy as jnp

from mrjax.inverse import qsm
from mrjax.zoo.susceptibility import EVALUATION, Estimate, Measured, SusceptibilityConfig, dipoles
from mrjax.zoo.system import Method


def estimator(config: SusceptibilityConfig) -> Estimate:
    """`mrjax.inverse.qsm.tkd` with its usual threshold.

    **Arguments:**

    - `config`: Not used.

    **Returns:** a function from `Measured` to `susceptibility` in ppm, zero outside the mask.
    """
    del config

    @jax.jit
    def estimate(measured: Measured) -> dict[str, jax.Array]:
        found = jax.lax.map(lambda sample: qsm.tkd(*sample), (measured["field"], dipoles(measured)))
        return {"susceptibility": jnp.where(measured["mask"], found, 0.0)}

    return estimate


METHOD = Method("tkd", SusceptibilityConfig(), estimator, EVALUATION)
