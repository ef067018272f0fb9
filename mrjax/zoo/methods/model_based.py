"""Maps straight from k-space, without a prior: Gauss-Newton iterations on what all coils and contrasts measured."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.nn.consistency import GaussNewtonStep
from mrjax.zoo import relaxometry
from mrjax.zoo.methods import cg_sense_then_fit
from mrjax.zoo.relaxometry import EVALUATION, Estimate, Measurement, RelaxometryConfig, estimated
from mrjax.zoo.system import Method

STEP = GaussNewtonStep(n_steps=6, n_iterations=20)
LOG_WEIGHT = -5.0
"""Of the distance to where the steps begin, in the units of maps, which are of order one."""


def estimator(config: RelaxometryConfig) -> Estimate:
    """From the maps of `cg_sense_then_fit` to those near them that explain the k-space.

    **Arguments:**

    - `config`: Not used: a measurement holds all.

    **Returns:** a function from a `Measurement` to "t1" or "t2" in s, and "m0".
    """
    del config
    return reconstructed


def reconstructed(measurement: Measurement) -> dict[str, Array]:
    """The maps of a `Measurement`."""
    model = measurement["model"]
    first = cg_sense_then_fit.estimated(measurement)
    start = model.joined(first[model.parameter], first["m0"])
    start = jnp.where(jnp.isfinite(start), start, 0)
    step = lambda one, maps: STEP(maps, relaxometry.fidelity(one), LOG_WEIGHT)
    return estimated(model, jax.jit(relaxometry.over_images(step))(measurement, start))


METHOD = Method("model_based", RelaxometryConfig(), estimator, EVALUATION)
