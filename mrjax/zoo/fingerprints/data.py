"""The FISP fingerprints that BlochNet and its competitors learn from.

**Source:** recipe of BlochNet ("Physics-based decoding improves MRF"; code: rmrisforbidden/CauMedical): 1000 pulses of the
published FISP schedule, TE 10 ms, an ideal inversion without delay, 20 states, T1 and T2 on grids of 10 ms with T1 >= T2,
signals real and of unit norm. The relaxation after the echo, which the public decoder leaves out, is in; and every schedule
is decoded with its own pulses, not with those of the first sample of a batch.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Key

from mrjax import _checks
from mrjax.nn import BlochDecoder, normalised
from mrjax.physics.epg.engine import EPG
from mrjax.protocols import mrf_fisp
from mrjax.protocols.mrf_fisp import published_fisp_schedule
from mrjax.synthesis import Grid, Stream, longer_t1, spline_schedule
from mrjax.units import deg, ms
from mrjax.zoo.system import TrainingConfig

ECHO_TIME = 10 * ms
LONGEST_T1, LONGEST_T2, GRID_STEP = 5.0, 2.0, 10 * ms


@dataclasses.dataclass(frozen=True)
class FingerprintConfig(TrainingConfig):
    """How fingerprints are made, and how a network is trained on them.

    The paper's 50 epochs of 160,200 signals are 8010 steps; for splines it took 26 epochs, 4165 steps.

    **Arguments:**

    - `train_on`: "fisp", the published schedule; "splines", half of each batch with a smooth train of five knots, half with
      a noisy one of eleven (Table 2 of the paper; the trains are not published, so these are seeded stand-ins, with noise
      of 5 degrees).
    - `n_repetitions`: Pulses, at most the 1000 of the published schedule.
    - `n_states`: Orders of the phase graphs.
    - `batch_size`, `steps`, `learning_rate`, `seed`: As of `TrainingConfig`; `batch_size` is the signals of all schedules.
    - `snr`: Root mean square of a fingerprint over the standard deviation of its noise; infinite for none.

    **Raises:** `ValueError` where a value is not possible.
    """

    train_on: str = "fisp"
    n_repetitions: int = 1000
    n_states: int = 20
    batch_size: int = 1000
    steps: int = 8000
    learning_rate: float = 1e-3
    seed: int = 1234
    snr: float = math.inf

    def __post_init__(self):
        super().__post_init__()
        if self.train_on not in ("fisp", "splines"):
            raise ValueError(f"`train_on` must be 'fisp' or 'splines', but got {self.train_on!r}.")
        for name in ("n_repetitions", "n_states"):
            _checks.positive_integer(getattr(self, name), name)
        if self.n_repetitions > 1000:
            raise ValueError(f"`n_repetitions` must be at most 1000, as the schedule is, but got {self.n_repetitions}.")
        if self.batch_size % 4:
            raise ValueError(f"`batch_size` must be a multiple of 4, but got {self.batch_size}.")
        if not self.snr > 0:
            raise ValueError(f"`snr` must be positive, but got {self.snr!r}.")


def require_weight(value: float) -> None:
    """Refuse a weight of the reconstruction that is negative or not finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"`reconstruction_weight` must be finite and not negative, but got {value!r}.")


Batch = dict[str, Float[Array, "sample schedule ..."]]
"""`signal`, real and of unit norm, `t1` and `t2` in s: samples first, then schedules."""


Estimate = Callable[[Float[Array, "voxel n"]], dict[str, Float[Array, " voxel"]]]
"""From fingerprints to T1 and T2 in s."""


def fisp_decoder(config: FingerprintConfig) -> BlochDecoder:
    """The published schedule as a physics layer: what networks are tested on."""
    flip_angle, tr = (jnp.asarray(x[: config.n_repetitions], jnp.float32) for x in published_fisp_schedule())
    return BlochDecoder(_train(flip_angle, tr), EPG(config.n_states))


def training_decoder(config: FingerprintConfig) -> BlochDecoder:
    """The schedules that networks are trained on as a physics layer, with the axis of schedules."""
    return BlochDecoder(jax.vmap(_train, in_axes=(0, None))(*schedules(config)), EPG(config.n_states))


def schedules(config: FingerprintConfig) -> tuple[Float[Array, "schedule n"], Float[Array, " n"]]:
    """Flip angles in rad of the schedules that networks are trained on, and repetition times in s."""
    flip_angle, tr = published_fisp_schedule()
    angles = flip_angle[None]
    if config.train_on == "splines":
        smooth, noisy = jax.random.split(jax.random.key(200))  # the same two trains for every seed of a training
        angles = jnp.stack([spline_schedule(smooth, 1000, 5), spline_schedule(noisy, 1000, 11, noise=5 * deg)])
    n = config.n_repetitions
    return jnp.asarray(angles[:, :n], jnp.float32), jnp.asarray(tr[:n], jnp.float32)


def _train(flip_angle: Float[Array, " n"], tr: Float[Array, " n"]) -> Any:
    return mrf_fisp(flip_angle, tr, jnp.asarray(ECHO_TIME, jnp.float32))


def fingerprint(signal: Any) -> Float[Array, "*batch n"]:
    """What networks see of a complex FISP signal, which lies along -y: a real signal of unit norm.

    **Arguments:**

    - `signal`: As `simulate` gives it, `(*batch, n)`.

    **Returns:** minus its imaginary part over the norm of that, `(*batch, n)`; zero where the signal is.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.zoo.fingerprints import fingerprint
        >>> print(*(f"{value:.2f}" for value in fingerprint(jnp.array([-3j, -4j]))))
        0.60 0.80

        ```
    """
    return normalised(-jnp.imag(signal))


def simulated(decoder: BlochDecoder, parameters: dict[str, Any]) -> Float[Array, "*batch n"]:
    """The fingerprints of given tissues, without a warning: the number of states is part of the recipe."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncates")
        return fingerprint(decoder(parameters))


def noisy(key: Key[Array, ""], signal: Float[Array, "*batch n"], snr: float) -> Float[Array, "*batch n"]:
    """A fingerprint with real Gaussian noise, of unit norm again.

    **Arguments:**

    - `key`: Of the noise.
    - `signal`: Fingerprints of unit norm, `(*batch, n)`.
    - `snr`: Root mean square of a fingerprint over the standard deviation of its noise. Positive; infinite for no noise.

    **Returns:** noisy fingerprints of unit norm, `(*batch, n)`.
    """
    if math.isinf(snr):
        return signal
    deviation = 1 / (snr * math.sqrt(signal.shape[-1]))
    return normalised(signal + deviation * jax.random.normal(key, signal.shape, signal.dtype))


def tissues(config: FingerprintConfig) -> tuple[Grid, ...]:
    """The grids of T1 and T2 in s that training samples are drawn from: one, and a second half a step aside."""
    offsets = (1 * ms, 5 * ms) if config.train_on == "fisp" else (5 * ms,)
    return tuple(grid(offset) for offset in offsets)


def grid(offset: float) -> Grid:
    """All pairs with T1 >= T2 on steps of 10 ms: 80,100 where the first value is 1 or 5 ms."""
    values = lambda longest: (offset + GRID_STEP * np.arange(round(longest / GRID_STEP))).astype(np.float32)
    return Grid({"t1": values(LONGEST_T1), "t2": values(LONGEST_T2)}, where=longer_t1)


def stream(config: FingerprintConfig) -> Stream:
    """Batches without end, simulated while training.

    **Arguments:**

    - `config`: Schedules, grids, noise, size of a batch and seed.

    **Returns:** a `mrjax.synthesis.Stream` of batches: dicts of `signal`, `(n, n_schedules, n_repetitions)`, and of `t1` and `t2`
    in s, `(n, n_schedules)`. A sample, on the first axis, is one tissue for each schedule.

    !!! example

        ```python
        >>> from mrjax.zoo.fingerprints import FingerprintConfig, stream
        >>> batch = stream(FingerprintConfig(n_repetitions=20, n_states=5, batch_size=8)).batch(0)
        >>> batch["signal"].shape, batch["t1"].shape
        ((8, 1, 20), (8, 1))

        ```
    """
    grids, decoder = tissues(config), training_decoder(config)
    n_schedules = 2 if config.train_on == "splines" else 1

    def make(key: Key[Array, ""], n: int) -> Batch:
        keys = jax.random.split(key, len(grids) + 1)
        drawn = [grid.sample(k, n * n_schedules // len(grids)) for grid, k in zip(grids, keys, strict=False)]
        parameters = {
            name: jnp.concatenate([d[name] for d in drawn]).reshape(-1, n_schedules).astype(jnp.float32)
            for name in ("t1", "t2")
        }
        signal = fingerprint(decoded(decoder, parameters))
        return {"signal": noisy(keys[-1], signal, config.snr), **parameters}

    return Stream(make, config.batch_size // n_schedules, config.seed)


def decoded(decoder: BlochDecoder, parameters: Batch) -> Complex[Array, "sample schedule n"]:
    """The signals of tissues, `(n, n_schedules)` of them, each with the schedule of its place on the second axis."""
    schedules_first = {name: jnp.swapaxes(values, 0, 1) for name, values in parameters.items()}
    return jnp.swapaxes(decoder.per_schedule(schedules_first), 0, 1)


def labels(parameters: dict[str, Any]) -> Float[Array, "*batch 2"]:
    """What networks predict: the logarithms to base 10 of T1 and T2 in ms."""
    return jnp.log10(jnp.stack([parameters["t1"] / ms, parameters["t2"] / ms], axis=-1))


def relaxation_times(logarithms: Float[Array, "*batch 2"]) -> dict[str, Float[Array, "*batch"]]:
    """The inverse of `labels`: T1 and T2 in s."""
    return {name: 10 ** logarithms[..., i] * ms for i, name in enumerate(("t1", "t2"))}


def label_error(predicted: Float[Array, "*batch 2"], batch: dict[str, Any]) -> Float[Array, ""]:
    """Mean square error of the logarithms."""
    return jnp.mean((predicted - labels(batch)) ** 2)
