"""What all systems for susceptibility mapping have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax.inverse.qsm._volumes import referenced
from mrjax.nn import Loss
from mrjax.synthesis import Stream
from mrjax.zoo.susceptibility.data import Measured, SusceptibilityConfig, described, stream
from mrjax.zoo.susceptibility.evaluation import EVALUATION
from mrjax.zoo.system import System, adam

Network = Callable[[Measured], Float[Array, "n nx ny nz"]]
"""From what was measured of some volumes to their susceptibility in ppm."""


def susceptibility_system(
    name: str,
    summary: str,
    source: str,
    presets: Mapping[str, SusceptibilityConfig],
    network: Callable[[Any, nnx.Rngs], nnx.Module],
    errors: Mapping[str, tuple[float, Callable[[Array, Measured], Array]]],
    *,
    data: Callable[[Any], Stream] = stream,
    optimiser: Callable[[Any], Any] = adam,
) -> System:
    """A system that learns susceptibility from simulated local fields.

    **Arguments:**

    - `name`, `summary`, `source`, `presets`, `data`, `optimiser`: As of `System`.
    - `network`: As of `System`; the network takes `Measured` and returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    - `errors`: By name the parts of the loss, each a weight and a function such as `absolute_error`.

    **Returns:** the `System`; its estimates are dicts of `susceptibility` in ppm, relative to its mean in the mask, which no
    field tells, and zero outside.
    """

    def estimate(network: Network, measured: Measured) -> dict[str, Array]:
        return {"susceptibility": jax.vmap(referenced)(network(measured), measured["mask"])}

    return System(
        name,
        summary,
        source,
        presets,
        data=data,
        described=described,
        network=network,
        loss=lambda config: _loss(errors),
        estimate=estimate,
        evaluation=EVALUATION,
        optimiser=optimiser,
    )


def _loss(errors: Mapping[str, tuple[float, Callable[[Array, Measured], Array]]]) -> Loss:
    """The weighted sum of the parts."""

    def of_batch(network: Network, batch: Measured) -> tuple[Array, dict[str, Array]]:
        found = network(batch)
        parts = {name: error(found, batch) for name, (_, error) in errors.items()}
        return sum((weight * parts[name] for name, (weight, _) in errors.items()), jnp.zeros(())), parts

    return of_batch
