"""What a published system is: how it is configured, built, trained and asked."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import Loss
from mrjax.zoo.fingerprints import Config


@dataclasses.dataclass(frozen=True)
class System:
    """A network of the field of fingerprinting, by its parts."""

    name: str
    summary: str
    """One line for the model card."""
    source: str
    presets: Mapping[str, Config]
    """`smoke`, trained in two minutes on two cores, and `paper`, as published."""
    network: Callable[[Any, nnx.Rngs], nnx.Module]
    loss: Callable[[Any], Loss]
    """From a config to the loss of its training."""
    predict: Callable[[Any, Float[Array, "*batch n"]], Float[Array, "*batch 2"]]
    """From a network and fingerprints to log10 of T1 and T2 in ms."""
