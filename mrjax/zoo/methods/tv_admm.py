"""Susceptibility of least total variation: the reference that every network has to beat."""

import jax

from mrjax.inverse import qsm
from mrjax.zoo.susceptibility import EVALUATION, Estimate, Measured, SusceptibilityConfig, dipoles
from mrjax.zoo.system import Method


def estimator(config: SusceptibilityConfig) -> Estimate:
    """`mrjax.inverse.qsm.tv` with its usual strength, which is for a noise of 1 ppb in the field.

    **Arguments:**

    - `config`: Not used.

    **Returns:** a function from `Measured` to `susceptibility` in ppm, zero outside the mask.
    """
    del config

    @jax.jit
    def estimate(measured: Measured) -> dict[str, jax.Array]:
        samples = (measured["field"], dipoles(measured), measured["mask"], measured["weights"])
        of_one = lambda sample: qsm.tv(*sample[:3], weights=sample[3])
        return {"susceptibility": jax.lax.map(of_one, samples)}

    return estimate


METHOD = Method("tv_admm", SusceptibilityConfig(), estimator, EVALUATION)
