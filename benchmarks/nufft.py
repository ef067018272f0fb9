"""Which library is faster at sums of exponentials off the grid, on CPUs: jax-finufft or nufftax?

    python -m benchmarks.nufft --threads 1

Prints one line of JSON for each job: the first call, with its compilation, and the least of seven, in seconds, of both types,
and the error against the exact sum at 200 points.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

import numpy as np

JOBS = {
    "2D, 1 image": ((256, 256), 65536, 1, np.float32, 1e-6),
    "2D, 8 images": ((256, 256), 65536, 8, np.float32, 1e-6),
    "2D, 8 images, float64": ((256, 256), 65536, 8, np.float64, 1e-9),
    "3D, 1 image": ((64, 64, 64), 262144, 1, np.float32, 1e-6),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for name, job in JOBS.items():
        for library in ("jax_finufft", "nufftax"):
            print(
                json.dumps({"job": name, "library": library, "threads": threads} | measured(library, *job)), flush=True
            )


def measured(library: str, shape: tuple[int, ...], n: int, n_images: int, real: type, tolerance: float) -> dict:
    """Times and the error of one library."""
    import jax

    from mrjax.encoding import transforms

    with jax.enable_x64(real is np.float64):
        rng = np.random.default_rng(0)
        points = rng.uniform(-np.pi, np.pi, (1, len(shape), n)).astype(real)
        images = rng.normal(size=(2, 1, n_images, *shape)).astype(real)
        images = images[0] + 1j * images[1]
        options = {"shape": shape, "sign": -1, "tolerance": tolerance}
        chosen = library == "jax_finufft"
        to_points = transforms.TO_POINTS.on_cpu if chosen else transforms.to_points
        to_modes = transforms.TO_MODES.on_cpu if chosen else transforms.to_modes
        samples, *forward = timed(jax.jit(lambda x, f: to_points(x, f, **options)), points, images)
        _, *backward = timed(jax.jit(lambda x, c: to_modes(x, c, **options)), points, samples)
    grid = np.stack(np.meshgrid(*[np.arange(m) - m // 2 for m in shape], indexing="ij")).reshape(len(shape), -1)
    exact = np.exp(-1j * points[0, :, :200].astype(float).T @ grid) @ images[0, 0].ravel().astype(complex)
    error = np.linalg.norm(samples[0, 0, :200] - exact) / np.linalg.norm(exact)
    return {"to_points_s": forward, "to_modes_s": backward, "error": float(error)}


def timed(function: Callable, *arguments: np.ndarray) -> tuple:
    """The result, the time of the first call, and the least of seven others."""
    import jax

    placed, times = [jax.device_put(x) for x in arguments], []
    for _ in range(8):
        start = time.perf_counter()
        result = jax.block_until_ready(function(*placed))
        times.append(time.perf_counter() - start)
    return np.asarray(result), times[0], min(times[1:])


if __name__ == "__main__":
    main()
