"""DRONE: a fully connected network on the magnitudes of noisy fingerprints, which are real: their noise folds at zero."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import FullyConnected, Loss
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import Batch, fingerprint_system


@dataclasses.dataclass(frozen=True)
class DroneConfig(fingerprints.FingerprintConfig):
    """As `FingerprintConfig`, with noise by default."""

    snr: float = 40.0


def network(config: DroneConfig, rngs: nnx.Rngs) -> FullyConnected:
    """Two hidden layers of 300 units."""
    return FullyConnected((config.n_repetitions, 300, 300, 2), rngs=rngs)


def loss(config: DroneConfig) -> Loss:
    """Error of the labels, from magnitudes."""
    del config

    def of_batch(network: FullyConnected, batch: Batch) -> tuple[Array, dict[str, Array]]:
        error = fingerprints.label_error(predict(network, batch["signal"]), batch)
        return error, {"labels": error}

    return of_batch


def predict(network: FullyConnected, signal: Float[Array, "*batch n"]) -> Float[Array, "*batch 2"]:
    """log10 of T1 and T2 in ms."""
    return network(jnp.abs(signal))


SYSTEM = fingerprint_system(
    "drone",
    "fully connected network on magnitudes with noise; published ranges, rates and output units are not known",
    "O. Cohen, B. Zhu, M. S. Rosen, Magn Reson Med (2018), doi 10.1002/mrm.27198",
    {"paper": DroneConfig(), "smoke": DroneConfig(batch_size=500, steps=600)},
    network,
    loss,
    predict,
)
