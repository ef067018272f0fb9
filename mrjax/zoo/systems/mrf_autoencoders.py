"""The encoders and autoencoders that BlochNet was compared with: fully connected and recurrent, with learned decoders."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import FullyConnected, Loss, RecurrentDecoder, RecurrentEncoder
from mrjax.units import deg
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import Batch, fingerprint_system
from mrjax.zoo.fingerprints.data import ECHO_TIME

VARIANTS = ("fc", "rnn", "fc-fc", "rnn-rnn")


@dataclasses.dataclass(frozen=True)
class AutoencoderConfig(fingerprints.FingerprintConfig):
    """As `FingerprintConfig`, and which network.

    **Arguments:**

    - `variant`: Encoder, and decoder if there is one: "fc", "rnn", "fc-fc" or "rnn-rnn".
    - `reconstruction_weight`: Of the mean square error between a fingerprint and the decoded one.
    """

    variant: str = "fc"
    reconstruction_weight: float = 100.0

    def __post_init__(self):
        super().__post_init__()
        fingerprints.require_weight(self.reconstruction_weight)
        if self.variant not in VARIANTS:
            raise ValueError(f"`variant` must be one of {', '.join(VARIANTS)}, but got {self.variant!r}.")


class Autoencoder(nnx.Module):
    """An encoder, and a learned decoder or None."""

    def __init__(self, config: AutoencoderConfig, rngs: nnx.Rngs):
        n = config.n_repetitions
        kind, _, decoded_by = config.variant.partition("-")
        widths = (n, n, 300, 300, 2)
        self.encoder = RecurrentEncoder(n, rngs=rngs) if kind == "rnn" else FullyConnected(widths, rngs=rngs)
        self.decoder = _decoder(kind, widths, rngs) if decoded_by else None


def _decoder(kind: str, widths: tuple[int, ...], rngs: nnx.Rngs) -> nnx.Module:
    return RecurrentDecoder(rngs=rngs) if kind == "rnn" else FullyConnected(widths[::-1], rngs=rngs)


def loss(config: AutoencoderConfig) -> Loss:
    """Error of the labels and, with a decoder, of the fingerprint."""
    schedules = _schedules(config)

    def of_batch(network: Autoencoder, batch: Batch) -> tuple[Array, dict[str, Array]]:
        predicted = network.encoder(batch["signal"])
        error = fingerprints.label_error(predicted, batch)
        if network.decoder is None:
            return error, {"labels": error}
        seen = predicted if isinstance(network.decoder, FullyConnected) else _over_time(predicted, schedules)
        reconstruction = jnp.mean((network.decoder(seen) - batch["signal"]) ** 2)
        return error + config.reconstruction_weight * reconstruction, {
            "labels": error,
            "reconstruction": reconstruction,
        }

    return of_batch


def predict(network: Autoencoder, signal: Float[Array, "*batch n"]) -> Float[Array, "*batch 2"]:
    """log10 of T1 and T2 in ms."""
    return network.encoder(signal)


def _schedules(config: AutoencoderConfig) -> Float[Array, "schedule n 3"]:
    """Flip angle in degrees, TE and TR in s of every repetition: what a recurrent decoder is told."""
    flip_angle, tr = fingerprints.schedules(config)
    tr = np.broadcast_to(tr, flip_angle.shape)
    return jnp.stack([flip_angle / deg, jnp.full_like(flip_angle, ECHO_TIME), jnp.asarray(tr)], axis=-1)


def _over_time(
    predicted: Float[Array, "sample schedule 2"], schedules: Float[Array, "schedule n 3"]
) -> Float[Array, "sample schedule n 5"]:
    """Flip angle, log10 T1, log10 T2, TE and TR at every repetition, in the published order."""
    shape = (*predicted.shape[:2], schedules.shape[1])
    played = jnp.broadcast_to(schedules, (*shape, 3))
    steady = jnp.broadcast_to(predicted[:, :, None], (*shape, 2))
    return jnp.concatenate([played[..., :1], steady, played[..., 1:]], axis=-1)


SYSTEM = fingerprint_system(
    "mrf_autoencoders",
    "fully connected or recurrent encoder, with a learned decoder or none",
    "Physics-based decoding improves MRF (ICLR 2023 submission nnrdKoTNDV6; rmrisforbidden/CauMedical)",
    {"paper": AutoencoderConfig(), "smoke": AutoencoderConfig(batch_size=500, steps=400)},
    Autoencoder,
    loss,
    predict,
)
