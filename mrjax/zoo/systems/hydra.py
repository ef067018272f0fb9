"""HYDRA: a non-local residual convolutional network that predicts T1 and T2."""

import dataclasses

from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import Hydra, Loss
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import Batch, fingerprint_system


@dataclasses.dataclass(frozen=True)
class HydraConfig(fingerprints.FingerprintConfig):
    """As `FingerprintConfig`, and the width of the network.

    **Arguments:**

    - `narrowing`: Divides the published numbers of channels, 16, 32, 64 and 128.
    """

    narrowing: int = 1

    def __post_init__(self):
        super().__post_init__()
        if self.narrowing not in (1, 2, 4, 8):
            raise ValueError(f"`narrowing` must be 1, 2, 4 or 8, but got {self.narrowing!r}.")


def network(config: HydraConfig, rngs: nnx.Rngs) -> Hydra:
    """Convolutions, non-local blocks and a linear layer."""
    channels = tuple(n // config.narrowing for n in (16, 32, 64, 128))
    return Hydra(config.n_repetitions, channels, rngs=rngs)


def loss(config: HydraConfig) -> Loss:
    """Error of the labels alone."""
    del config

    def of_batch(network: Hydra, batch: Batch) -> tuple[Array, dict[str, Array]]:
        error = fingerprints.label_error(network(batch["signal"]), batch)
        return error, {"labels": error}

    return of_batch


def predict(network: Hydra, signal: Float[Array, "*batch n"]) -> Float[Array, "*batch 2"]:
    """log10 of T1 and T2 in ms."""
    return network(signal)


SYSTEM = fingerprint_system(
    "hydra",
    "non-local residual convolutional network",
    "P. Song, Y. C. Eldar, G. Mazor, M. R. D. Rodrigues, HYDRA, arXiv 1902.02882 (code: P-Song/HYDRA)",
    {"paper": HydraConfig(), "smoke": HydraConfig(narrowing=4, batch_size=100, steps=200)},
    network,
    loss,
    predict,
)
