"""What all systems for maps from undersampled k-space have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import Loss
from mrjax.zoo.relaxometry.config import RelaxometryConfig
from mrjax.zoo.relaxometry.data import Measurement, stream
from mrjax.zoo.relaxometry.evaluation import EVALUATION
from mrjax.zoo.relaxometry.maps import RelaxationModel
from mrjax.zoo.system import System, adam_to_rest


def relaxometry_system(
    name: str,
    summary: str,
    source: str,
    presets: Mapping[str, RelaxometryConfig],
    network: Callable[[Any, nnx.Rngs], nnx.Module],
    loss: Callable[[Any], Loss],
    predict: Callable[[Any, Measurement], Float[Array, "image nx ny 3"]],
) -> System:
    """A system that learns maps of T1 or T2 and M0 from the k-space of several contrasts.

    **Arguments:**

    - `name`, `summary`, `source`, `presets`, `network`, `loss`: As of `System`.
    - `predict`: From a network and a `Measurement` to maps as its `RelaxationModel` takes them.

    **Returns:** the `System`; its estimates are dicts of "t1" or "t2" in s, and of "m0".
    """
    return System(
        name,
        summary,
        source,
        presets,
        data=stream,
        described=described,
        network=network,
        loss=loss,
        estimate=lambda network, measurement: estimated(measurement["model"], predict(network, measurement)),
        evaluation=EVALUATION,
        optimiser=adam_to_rest,
    )


def estimated(model: RelaxationModel, maps: Float[Array, "image nx ny 3"]) -> dict[str, Array]:
    """Maps by name: the relaxation time in s and the complex "m0"."""
    time, m0 = model.parted(maps)
    return {model.parameter: time, "m0": m0}


def described(config: RelaxometryConfig) -> str:
    """The line of the model card on data."""
    contrasts = "flip angles" if config.parameter == "t1" else "echoes"
    objects = "random templates" if config.objects == "templates" else "slices of the brain phantom, tissues drawn anew"
    return (
        f"{objects}, {config.n_pixels} x {config.n_pixels}, {config.n_contrasts} {contrasts}, {config.n_coils} coils, "
        f"{config.sampling} of k-space at R = {config.acceleration:g}, SNR {config.snr:g}"
    )
