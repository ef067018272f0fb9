"""What does it gain to fit maps to k-space itself, instead of to images that were reconstructed one by one?

    python -m benchmarks.maps_from_k_space [--small] [--acceleration 4]

A slice of the brain phantom, eight echoes of 10 to 80 ms, eight coils, other lines of k-space for each echo, SNR 100 (water in
the first echo over the noise in a part of a sample). Prints the NRMSE of T2 from 20 to 200 ms, the median error, and the time of
a second call, one line of JSON for each method.
"""

import argparse
import json
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from benchmarks import measuring
from mrjax.encoding import sense
from mrjax.inverse import TotalVariation, least_squares, maps_from_k_space
from mrjax.reconstruction import cg_sense
from mrjax.signals.models import Decay
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import RelaxometryConfig

STRENGTH = 20.0
"""Of the total variation."""


def scan(n_pixels: int, acceleration: float) -> dict[str, Array]:
    """One slice, see `mrjax.zoo.relaxometry`."""
    config = RelaxometryConfig(n_pixels=n_pixels, acceleration=acceleration)
    options = argparse.Namespace(maps=None, m0=None, parameter=None, acceleration=None, snr=None)
    batch = relaxometry.test_scan(config, options)
    seen = {name: batch[name][0] for name in ("k_space", "mask", "inside")}
    true, _ = batch["model"].parted(batch["maps"][0])
    return seen | {"coils": batch["coils"], "te": batch["model"].te, "t2": true, "noise_std": 1 / config.snr}


def methods(measured: dict[str, Array]) -> dict[str, Callable[[], Array]]:
    """Each returns a map of T2."""
    model, encoding = Decay(measured["te"]), sense(measured["coils"], mask=measured["mask"])
    known = {"noise_std": measured["noise_std"], "n_draws": 0, "n_steps": 10}

    def images_first() -> Array:
        images = jnp.moveaxis(cg_sense(encoding, measured["k_space"], n_iterations=15), 0, -1)
        # the phase of the first echo is that of all
        turned = (images * jnp.exp(-1j * jnp.angle(images[..., :1]))).real
        return least_squares(model, turned).parameters["t2"]

    def straight(**options: TotalVariation) -> Array:
        return maps_from_k_space(model, measured["k_space"], encoding, **known, **options).parameters["t2"]

    return {
        "CG-SENSE, then fit": images_first,
        "straight": straight,
        "straight, total variation": lambda: straight(regularisation=TotalVariation(STRENGTH)),
    }


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--acceleration", type=float, default=4.0)
    options = parser.parse_args()
    measured = scan(32 if options.small else 128, options.acceleration)
    inside = np.asarray(measured["inside"])
    true = np.asarray(measured["t2"])[inside]
    for name, method in methods(measured).items():
        jax.block_until_ready(method())
        begin = time.perf_counter()
        found = np.asarray(jax.block_until_ready(method()))[inside]
        elapsed = time.perf_counter() - begin
        figures = {
            "method": name,
            "nrmse_percent": round(100 * float(np.linalg.norm(found - true) / np.linalg.norm(true)), 2),
            "median_error_percent": round(100 * float(np.median(np.abs(found - true) / true)), 2),
            "seconds": round(elapsed, 2),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
