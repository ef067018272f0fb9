"""Myelin water fractions by nonlinear least squares: what networks for them are compared with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.inverse import least_squares
from mrjax.zoo.myelin_water import EVALUATION, LIMITS, Estimate, MyelinWaterConfig, echo_times, three_pools
from mrjax.zoo.system import Method

BOUNDS = LIMITS | {"m0": (0.1, 10.0)}
"""The fit knows what is drawn, as a network that learned from it does; twice as wide its error is 1.5 times as large."""

START = {name: (low + high) / 2 for name, (low, high) in LIMITS.items()} | {"m0": 1.0}


def estimator(config: MyelinWaterConfig) -> Estimate:
    """The three pools that explain the magnitudes best, within bounds.

    **Arguments:**

    - `config`: Echo times.

    **Returns:** a function from magnitudes `(voxel, echo)` to myelin water fractions.
    """
    te = echo_times(config)
    bounds = tuple({name: BOUNDS[name][side] for name in BOUNDS} for side in (0, 1))

    @jax.jit
    def fitted(echoes: Float[Array, "voxel echo"]) -> Float[Array, " voxel"]:
        first = echoes.max(-1)
        scaled = echoes / first[:, None]
        fit = least_squares(lambda pools: three_pools(te, pools), scaled, START, (bounds[0], bounds[1]))
        return jnp.nan_to_num(fit.parameters["myelin_fraction"])

    return fitted


METHOD = Method("mwf_fit", MyelinWaterConfig(), estimator, EVALUATION)
