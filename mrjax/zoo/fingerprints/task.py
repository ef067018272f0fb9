"""What all systems for fingerprints have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import Loss
from mrjax.zoo.fingerprints.data import FingerprintConfig, relaxation_times, stream
from mrjax.zoo.fingerprints.evaluation import EVALUATION
from mrjax.zoo.system import System


def fingerprint_system(
    name: str,
    summary: str,
    source: str,
    presets: Mapping[str, FingerprintConfig],
    network: Callable[[Any, nnx.Rngs], nnx.Module],
    loss: Callable[[Any], Loss],
    predict: Callable[[Any, Float[Array, "*batch n"]], Float[Array, "*batch 2"]],
) -> System:
    """A system that learns T1 and T2 from simulated FISP fingerprints.

    **Arguments:**

    - `name`, `summary`, `source`, `presets`, `network`, `loss`: As of `System`.
    - `predict`: From a network and fingerprints to log10 of T1 and T2 in ms.

    **Returns:** the `System`; its estimates are dicts of `t1` and `t2` in s.
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
        estimate=lambda network, signal: relaxation_times(predict(network, signal)),
        evaluation=EVALUATION,
    )


def described(config: FingerprintConfig) -> str:
    """The line of the model card on data."""
    schedules = "the published FISP schedule" if config.train_on == "fisp" else "a smooth and a noisy spline schedule"
    return f"simulated fingerprints of {schedules}, {config.n_repetitions} repetitions, T1 up to 5 s and T2 up to 2 s"
