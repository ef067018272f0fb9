"""Does CG-SENSE of an undersampled brain agree with SigPy's, and how long do both take?

    <python with sigpy> -m benchmarks.peers.sigpy_sense_peer DATA sigpy.npz
    python -m benchmarks.sense DATA sigpy.npz [--plot figure.png]

from the root of the repository, where DATA is the folder `sigpy_cartesian` of the reference data. Prints one line of JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr

LAMBDA, ITERATIONS, CALIBRATION = 0.01, 30, 24


def timed(make: Callable) -> tuple[np.ndarray, float, float]:
    """The result, the time of the first call, and the least of the next three."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        result = jax.block_until_ready(make())
        times.append(time.perf_counter() - start)
    return jax.tree.map(np.asarray, result), times[0], min(times[1:])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Relative, in the norm of all voxels."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def calibration(k_space: np.ndarray) -> np.ndarray:
    """The fully sampled centre."""
    middle = [slice(n // 2 - CALIBRATION // 2, n // 2 + CALIBRATION // 2) for n in k_space.shape[1:]]
    return k_space[:, middle[0], middle[1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("sigpy", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    k_space, peer = np.load(arguments.data / "cartesian_ksp.npy"), np.load(arguments.sigpy)
    mask = np.abs(k_space).sum(0) > 0
    (maps, _), maps_first, maps_s = timed(
        lambda: mr.reconstruction.espirit(calibration(k_space), shape=mask.shape, crop=0.95)
    )
    same_maps, own_maps = (mr.encoding.sense(each, mask=mask) for each in (peer["maps"], maps))
    cg = lambda encoding: mr.reconstruction.cg_sense(
        encoding, k_space, tikhonov=LAMBDA, n_iterations=ITERATIONS, tolerance=0.0
    )
    image, cg_first, cg_s = timed(lambda: cg(same_maps))
    sparse, _, wavelet_s = timed(lambda: mr.reconstruction.wavelet_sparse(own_maps, k_space, 0.004, n_iterations=60))
    flat, _, tv_s = timed(lambda: mr.reconstruction.total_variation(own_maps, k_space, 0.004, n_iterations=100))
    adjoint, own = same_maps.adjoint(jnp.asarray(k_space)), np.asarray(cg(own_maps))
    both = (np.abs(maps).sum(0) > 0) & (np.abs(peer["maps"]).sum(0) > 0)
    figures = {
        "adjoint_difference": difference(np.asarray(adjoint), peer["adjoint"]),
        "cg_sense_difference": difference(image, peer["sense"]),
        "maps_difference": difference(maps[:, both], peer["maps"][:, both]),
        "cg_sense_difference_with_own_maps": difference(np.abs(own), np.abs(peer["sense"])),
        "espirit_s": {"first": maps_first, "least": maps_s},
        "cg_sense_s": {"first": cg_first, "least": cg_s},
        "wavelet_sparse_60_s": wavelet_s,
        "total_variation_100_s": tv_s,
    }
    print(json.dumps(figures))
    if arguments.plot:
        draw(arguments.plot, np.asarray(adjoint), peer["sense"], image, own, sparse, flat)


def draw(path: Path, adjoint: np.ndarray, theirs: np.ndarray, ours: np.ndarray, own: np.ndarray, *others: np.ndarray):
    """The images, and ten times the difference."""
    import matplotlib.pyplot as plt

    names = ("adjoint", "CG-SENSE, SigPy", "CG-SENSE, same maps", "10x difference", "own maps", "wavelets", "TV")
    images = (adjoint, theirs, ours, 10 * (np.abs(ours) - np.abs(theirs)), own, *others)
    figure, axes = plt.subplots(2, 4, figsize=(12, 8))
    largest = np.percentile(np.abs(theirs), 99.5)
    for axis, name, image in zip(axes.flat, names, images, strict=False):
        peak = np.percentile(np.abs(image), 99.5) if name == "adjoint" else largest
        axis.imshow(np.abs(image), cmap="gray", vmin=0, vmax=peak)
        axis.set_title(name)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)


if __name__ == "__main__":
    main()
