"""T2 maps from few noisy echoes: a convolutional network that corrects the fit of each pixel by what its neighbours show."""

import argparse
import dataclasses
from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Key

from mrjax import _checks
from mrjax.inverse import least_squares
from mrjax.nn import Loss
from mrjax.phantoms import brain
from mrjax.signals.relaxation import t2_decay
from mrjax.synthesis import Stream, rician_magnitude
from mrjax.units import ms
from mrjax.zoo.system import Evaluation, Report, System, TrainingConfig

SHORTEST, LONGEST = 20 * ms, 300 * ms
"""T2 of the tissues that are drawn."""

FITTED = (5 * ms, 2.0)
"""Limits of T2 in the fits."""

N_ELLIPSES = 10
BRAIN_SLICES = (32, 38, 44, 50)


@dataclasses.dataclass(frozen=True)
class T2DenoiserConfig(TrainingConfig):
    """As `TrainingConfig`, and the images and the network.

    **Arguments:**

    - `n_echoes`, `echo_spacing`: Spin echoes, at multiples of the spacing in s.
    - `snr`: Of a pixel with a proton density of 1 at TE 0, to the standard deviation of the noise in each part of the signal.
    - `n_pixels`: Along each side of a training image.
    - `channels`: Of the hidden layers.
    """

    n_echoes: int = 6
    echo_spacing: float = 15 * ms
    snr: float = 30.0
    n_pixels: int = 48
    channels: int = 24

    def __post_init__(self):
        super().__post_init__()
        for name in ("n_echoes", "n_pixels", "channels"):
            _checks.positive_integer(getattr(self, name), name)
        if self.n_echoes < 2:
            raise ValueError(f"`n_echoes` must be at least 2, as a decay has two unknowns, but got {self.n_echoes}.")
        for name in ("echo_spacing", "snr"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite, but got {getattr(self, name)!r}.")


Images = dict[str, Float[Array, "image ny nx"] | Float[Array, "image ny nx echo"] | Bool[Array, "image ny nx"]]
"""`echoes`, magnitudes; `t2` in s; and `inside`, where there is tissue."""


def echo_times(config: T2DenoiserConfig) -> Float[Array, " echo"]:
    """In s."""
    return config.echo_spacing * jnp.arange(1, config.n_echoes + 1, dtype=jnp.float32)


def stream(config: T2DenoiserConfig) -> Stream:
    """Echoes of overlapping ellipses with random T2 and proton density, with Rician noise."""

    def make(key: Key[Array, ""], n: int) -> Images:
        of_objects, of_noise = jax.random.split(key)
        t2, m0 = jax.vmap(lambda key: random_ellipses(key, config.n_pixels))(jax.random.split(of_objects, n))
        return measured(of_noise, t2, m0, config)

    return Stream(make, config.batch_size, config.seed)


def random_ellipses(key: Key[Array, ""], n_pixels: int) -> tuple[Float[Array, "ny nx"], Float[Array, "ny nx"]]:
    """T2 in s and proton density of one object: a large ellipse, and smaller ones inside, the later over the earlier."""
    draws = jax.random.uniform(key, (7, N_ELLIPSES), jnp.float32)
    first = jnp.arange(N_ELLIPSES) == 0
    x0, y0 = jnp.where(first[None], 0.0, 1.2 * draws[:2] - 0.6)
    a, b = jnp.where(first[None], 0.7 + 0.25 * draws[2:4], 0.08 + 0.35 * draws[2:4])
    angle = jnp.pi * draws[4]
    along = jnp.linspace(-1, 1, n_pixels, dtype=jnp.float32)
    x, y = along[:, None, None] - x0[None, None], along[None, :, None] - y0[None, None]
    cos, sin = jnp.cos(angle)[None, None], jnp.sin(angle)[None, None]
    covered = ((x * cos + y * sin) / a[None, None]) ** 2 + ((y * cos - x * sin) / b[None, None]) ** 2 < 1
    inside = covered[..., 0]
    top = jnp.max(jnp.where(covered, jnp.arange(N_ELLIPSES)[None, None], 0), axis=-1)
    t2 = SHORTEST * (LONGEST / SHORTEST) ** draws[5]
    m0 = 0.5 + 0.5 * draws[6]
    return t2[top], jnp.where(inside, m0[top], 0.0)


def measured(
    key: Key[Array, ""], t2: Float[Array, "*images"], m0: Float[Array, "*images"], config: T2DenoiserConfig
) -> Images:
    """Noisy echoes of given maps, with what they were made of."""
    return {
        "echoes": rician_magnitude(key, t2_decay(echo_times(config), t2, m0), config.snr),
        "t2": t2,
        "inside": m0 > 0,
    }


def logarithmic_fit(echoes: Float[Array, "*images echo"], te: Float[Array, " echo"]) -> Float[Array, "*images"]:
    r"""Natural logarithm of T2 in s from the straight line through $\ln s$, each echo weighted by $s^2$, within `FITTED`."""
    weights = echoes**2 + 1e-12
    mean = lambda values: jnp.sum(weights * values, axis=-1, keepdims=True) / jnp.sum(weights, axis=-1, keepdims=True)
    logarithms = jnp.log(echoes + 1e-6)
    times = jnp.broadcast_to(te, echoes.shape)
    along = times - mean(times)
    rate = -jnp.sum(weights * along * logarithms, axis=-1) / jnp.sum(weights * along**2, axis=-1)
    return -jnp.log(jnp.clip(rate, 1 / FITTED[1], 1 / FITTED[0]))


class T2Denoiser(nnx.Module):
    """Three convolutions with batch normalisation, whose output is added to the logarithm of a pixelwise fit of T2."""

    def __init__(self, config: T2DenoiserConfig, rngs: nnx.Rngs):
        self.config = config
        widths = (config.n_echoes + 1, *[config.channels] * 3)
        pairs = list(pairwise(widths))
        self.convolutions = nnx.List([nnx.Conv(n, m, (3, 3), use_bias=False, rngs=rngs) for n, m in pairs])
        self.normalisations = nnx.List([nnx.BatchNorm(m, momentum=0.9, rngs=rngs) for _, m in pairs])
        self.output = nnx.Conv(widths[-1], 1, (3, 3), kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, echoes: Float[Array, "*images ny nx echo"]) -> Float[Array, "*images ny nx"]:
        """Natural logarithm of T2 in s."""
        fitted = logarithmic_fit(echoes, echo_times(self.config))
        units = jnp.concatenate([echoes, fitted[..., None]], axis=-1)
        for convolution, normalisation in zip(self.convolutions, self.normalisations, strict=True):
            units = jax.nn.relu(normalisation(convolution(units)))
        return fitted + self.output(units)[..., 0]


def loss(config: T2DenoiserConfig) -> Loss:
    """Mean square error of the logarithm of T2, where there is tissue."""
    del config

    def of_batch(network: T2Denoiser, batch: Images) -> tuple[Array, dict[str, Array]]:
        error = network(batch["echoes"]) - jnp.log(batch["t2"])
        value = jnp.sum(jnp.where(batch["inside"], error, 0.0) ** 2) / jnp.sum(batch["inside"])
        return value, {}

    return of_batch


def estimate(network: T2Denoiser, echoes: Float[Array, "*images ny nx echo"]) -> Float[Array, "*images ny nx"]:
    """T2 in s."""
    return jnp.exp(network(echoes))


def pixelwise_fit(config: T2DenoiserConfig, echoes: Float[Array, "*images echo"]) -> Float[Array, "*images"]:
    """T2 in s by the most likely decay in each pixel, where the noise and its Rice distribution are known."""
    te = echo_times(config)
    decay = lambda p: t2_decay(te, p["t2"], p["m0"])
    start = {"t2": jnp.exp(logarithmic_fit(echoes, te)), "m0": jnp.clip(echoes.max(-1), 1e-3, None)}
    bounds = ({"t2": FITTED[0], "m0": 0.0}, {"t2": FITTED[1], "m0": jnp.inf})
    return least_squares(decay, echoes, start, bounds, 1 / config.snr, likelihood="rician").parameters["t2"]


def relative_error(found: Float[Array, " pixel"], t2: Float[Array, " pixel"]) -> float:
    """Root mean square of ln(T2 / truth), which is the relative error where it is small."""
    return float(jnp.sqrt(jnp.mean(jnp.log(found / t2) ** 2)))


def brain_images(config: T2DenoiserConfig) -> Images:
    """Slices of the brain phantom, an anatomy that no training has seen; inside is where T2 is within what is drawn."""
    tissues = [brain((64, 64), slice=index).tissue() for index in BRAIN_SLICES]
    t2, m0 = (jnp.stack([getattr(tissue, name) for tissue in tissues]).astype(jnp.float32) for name in ("t2", "m0"))
    images = measured(jax.random.key(config.seed), t2, m0, config)
    return images | {"inside": images["inside"] & (t2 >= SHORTEST) & (t2 <= LONGEST)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much to be judged on."""
    parser.add_argument("--images", type=int, default=20, help="number of unseen images of ellipses, 20 by default")


def report(config: T2DenoiserConfig, estimate: Callable[[Array], Array], options: argparse.Namespace) -> Report:
    """The network beside the pixelwise fit, on ellipses as in training and on a brain."""
    unseen = dataclasses.replace(config, batch_size=options.images, seed=config.seed + 1)
    objects = {"ellipses": stream(unseen).batch(0), f"brain, T2 up to {LONGEST / ms:g} ms": brain_images(config)}
    # all pixels in one fit, which takes longer to compile than to run
    fitted = pixelwise_fit(config, jnp.concatenate([images["echoes"][images["inside"]] for images in objects.values()]))
    rows = []
    for name, images in objects.items():
        t2, found = images["t2"][images["inside"]], estimate(images["echoes"])[images["inside"]]
        of_fit, fitted = fitted[: len(t2)], fitted[len(t2) :]
        rows.append((name, f"{len(t2)}", f"{relative_error(of_fit, t2):.4f}", f"{relative_error(found, t2):.4f}"))
    columns = ("object", "pixels", "pixelwise fit", "network")
    return Report("root mean square error of ln T2", columns, rows)


SYSTEM = System(
    "t2_denoiser",
    "convolutional network that corrects pixelwise T2 maps of few noisy echoes",
    "an example of this package, not a published network",
    {"smoke": T2DenoiserConfig(batch_size=8, steps=300, learning_rate=3e-3)},
    data=stream,
    described=lambda config: (
        f"simulated magnitudes of ellipses at {config.n_echoes} echoes, SNR {config.snr:g}, T2 of "
        f"{SHORTEST / ms:g} to {LONGEST / ms:g} ms"
    ),
    network=T2Denoiser,
    loss=loss,
    estimate=estimate,
    evaluation=Evaluation(add_options, report),
)
