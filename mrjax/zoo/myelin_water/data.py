"""Multi-echo gradient echoes of myelin, axonal and extracellular water, to learn myelin water fractions from."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mrjax import _checks
from mrjax.signals.relaxation import multi_exponential
from mrjax.synthesis import Stream, Uniform, rician_magnitude
from mrjax.units import ms
from mrjax.zoo.system import TrainingConfig

FIRST_ECHO, ECHO_SPACING = 1.6 * ms, 1 * ms

LIMITS = {
    "myelin_fraction": (0.0, 0.3),
    "axonal_share": (0.4, 0.9),
    "myelin_t2star": (5 * ms, 15 * ms),
    "axonal_t2star": (50 * ms, 90 * ms),
    "extracellular_t2star": (30 * ms, 50 * ms),
}
"""What is drawn, uniformly; the axonal share is of what is not myelin water."""

Samples = dict[str, Float[Array, " voxel"] | Float[Array, "voxel echo"]]
"""`echoes`, magnitudes, and `myelin_fraction`."""

Estimate = Callable[[Float[Array, "voxel echo"]], Float[Array, " voxel"]]
"""From magnitudes to myelin water fractions."""


@dataclasses.dataclass(frozen=True)
class MyelinWaterConfig(TrainingConfig):
    """As `TrainingConfig`, and the echoes.

    **Arguments:**

    - `n_echoes`: From 1.6 ms on, 1 ms apart. At least 7, as three pools have six unknowns.
    - `snr`: Of the signal at the time zero to the standard deviation of the noise in each of its parts.

    **Raises:** `ValueError` where a value is not possible.
    """

    n_echoes: int = 32
    snr: float = 150.0

    def __post_init__(self):
        super().__post_init__()
        if _checks.positive_integer(self.n_echoes, "n_echoes") < 7:
            raise ValueError(
                f"`n_echoes` must be at least 7, as three pools have six unknowns, but got {self.n_echoes}."
            )
        if not 0 < self.snr < float("inf"):
            raise ValueError(f"`snr` must be positive and finite, but got {self.snr!r}.")


def echo_times(config: MyelinWaterConfig) -> Float[Array, " echo"]:
    """In s."""
    return FIRST_ECHO + ECHO_SPACING * jnp.arange(config.n_echoes, dtype=jnp.result_type(float))


def three_pools(te: Float[Array, " echo"], pools: dict[str, Array]) -> Float[Array, "*voxels echo"]:
    r"""Magnitudes of three pools without exchange, with the names of `LIMITS`.

    $$S = M_0 \left( f e^{-t/T_m} + (1 - f) \left( a e^{-t/T_a} + (1 - a) e^{-t/T_e} \right) \right)$$

    **Arguments:**

    - `te`: Echo times in s.
    - `pools`: Values by the names of `LIMITS`, and perhaps `m0`; each of shape `(*voxels)`.

    **Returns:** the signal, in the unit of `m0`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.zoo import myelin_water
        >>> pools = {"myelin_fraction": 0.2, "axonal_share": 0.5}
        >>> pools |= {"myelin_t2star": 0.01, "axonal_t2star": 0.06, "extracellular_t2star": 0.04}
        >>> signal = myelin_water.three_pools(jnp.array([0.0, 0.02]), {k: jnp.array(v) for k, v in pools.items()})
        >>> print(np.asarray(signal).round(3))
        [1.    0.556]

        ```
    """
    myelin, axonal = pools["myelin_fraction"], pools["axonal_share"]
    fractions = jnp.stack([myelin, (1 - myelin) * axonal, (1 - myelin) * (1 - axonal)], axis=-1)
    times = [pools[f"{name}_t2star"] for name in ("myelin", "axonal", "extracellular")]
    return multi_exponential(te, jnp.stack(times, axis=-1), fractions, m0=pools.get("m0", 1.0))


def stream(config: MyelinWaterConfig) -> Stream:
    """Batches of voxels."""

    def make(key: Key[Array, ""], n: int) -> Samples:
        of_pools, of_noise = jax.random.split(key)
        pools = Uniform(LIMITS).sample(of_pools, n)
        echoes = rician_magnitude(of_noise, three_pools(echo_times(config), pools), config.snr)
        return {"echoes": echoes, "myelin_fraction": pools["myelin_fraction"]}

    return Stream(make, config.batch_size, config.seed)
