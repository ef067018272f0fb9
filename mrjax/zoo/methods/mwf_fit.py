"""Myelin water fractions by nonlinear least squares: what networks for them are compared with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.inverse import least_squares
from mrjax.units import ms
from mrjax.zoo.myelin_water import EVALUATION, Estimate, MyelinWaterConfig, echo_times, three_pools
from mrjax.zoo.system import Method

BOUNDS = {
    "myelin_fraction": (0.0, 0.6),
    "axonal_share": (0.0, 1.0),
    "myelin_t2star": (3 * ms, 24 * ms),
    "axonal_t2star": (25 * ms, 150 * ms),
    "extracellular_t2star": (25 * ms, 150 * ms),
    "m0": (0.1, 10.0),
}
"""Of the fit, wider than what is drawn; in the middle of the myelin fractions and T2* of tissue it starts."""

START = {
    "myelin_fraction": 0.1,
    "axonal_share": 0.6,
    "myelin_t2star": 10 * ms,
    "axonal_t2star": 64 * ms,
    "extracellular_t2star": 48 * ms,
}


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
        fit = least_squares(lambda pools: three_pools(te, pools), scaled, START | {"m0": 1.0}, (bounds[0], bounds[1]))
        return jnp.nan_to_num(fit.parameters["myelin_fraction"])

    return fitted


METHOD = Method("mwf_fit", MyelinWaterConfig(), estimator, EVALUATION)
