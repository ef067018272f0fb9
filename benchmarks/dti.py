"""How fast are diffusion tensors fitted, and do they agree with dipy's?

    MRJAX_PEERS=<python with dipy> python -m benchmarks.dti [DATA] [--voxels 50000]

from the root of the repository, where DATA is the folder `dti_small` of the reference data. Random tensors with noise of SNR 30
in 65 directions are fitted by weighted least squares, with maps of anisotropy and mean diffusivity; then the measured images.
Both run on the cores that the process may use. Prints a table in Markdown; without `MRJAX_PEERS` dipy is left out.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from mrjax.inverse import diffusion
from mrjax.signals.diffusion import TENSOR_ELEMENTS
from mrjax.signals.models import DiffusionTensor

ROOT = Path(__file__).parents[1]
REPEATS = 3
SNR = 30.0
PLACES = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def random_tensors(n: int) -> tuple[DiffusionTensor, np.ndarray, dict[str, np.ndarray]]:
    """A table of one b = 0 and 64 directions, magnitudes with noise, and the true maps."""
    rng = np.random.default_rng(0)
    z, azimuth = (np.arange(64) + 0.5) / 64, 2.399963 * np.arange(64)
    bvecs = np.stack([np.sqrt(1 - z**2) * np.cos(azimuth), np.sqrt(1 - z**2) * np.sin(azimuth), z], axis=-1)
    model = DiffusionTensor(1e9 * np.r_[0, np.ones(64)], np.r_[np.zeros((1, 3)), bvecs])
    values = np.stack([rng.uniform(0.8, 2.0, n), *rng.uniform(0.2, 0.8, (2, n))], axis=-1) * 1e-9
    frames = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    full = np.einsum("vij,vj,vkj->vik", frames, values, frames)
    tensor = {name: full[:, i, j] for name, (i, j) in zip(TENSOR_ELEMENTS, PLACES, strict=True)}
    signal = np.asarray(model(jax.tree.map(jax.numpy.asarray, {"s0": np.ones(n), **tensor})))
    noise = rng.normal(size=(2, *signal.shape)) / SNR
    maps = diffusion.tensor_maps(tensor)
    return model, np.hypot(signal + noise[0], noise[1]).astype(np.float32), _named(maps)


def measured(folder: Path) -> tuple[DiffusionTensor, np.ndarray]:
    """The brain of the reference data."""
    import nibabel

    bvals, bvecs = (np.loadtxt(folder / f"small_64D.{name}") for name in ("bval", "bvec"))
    return DiffusionTensor(1e6 * bvals, bvecs), np.asarray(nibabel.load(folder / "small_64D.nii").dataobj, np.float32)


def _named(maps: diffusion.TensorMaps) -> dict[str, np.ndarray]:
    return {name: np.asarray(getattr(maps, name)) for name in ("fractional_anisotropy", "mean_diffusivity")}


def ours(model: DiffusionTensor, data: np.ndarray) -> tuple[dict[str, np.ndarray], float, float]:
    """The maps, the time of the first call, and the least of those after it."""
    times, maps = [], None
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        maps = jax.block_until_ready(diffusion.tensor_maps(diffusion.weighted_fit(model, data).parameters))
        times.append(time.perf_counter() - start)
    assert maps is not None
    return _named(maps), times[0], min(times[1:])


def theirs(model: DiffusionTensor, data: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """dipy's maps, and its least time."""
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "images.npz", Path(folder) / "dipy.npz"
        np.savez(images, data=data, bvals=np.asarray(model.bvals), bvecs=np.asarray(model.bvecs))
        command = [os.environ["MRJAX_PEERS"], "-m", "benchmarks.peers.dipy_tensors_peer", str(images), str(out)]
        answer = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd=ROOT).stdout
        return dict(np.load(out)), json.loads(answer.splitlines()[-1])["least_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--voxels", type=int, default=50_000)
    arguments = parser.parse_args()
    model, data, truth = random_tensors(arguments.voxels)
    error = lambda found: np.sqrt(np.mean((found["fractional_anisotropy"] - truth["fractional_anisotropy"]) ** 2))
    found, first, then = ours(model, data)
    print("| fit | voxels per s | first call, s | RMSE of FA |\n|---|---|---|---|")
    print(f"| mrjax, float32 | {len(data) / then:.3g} | {first:.2f} | {error(found):.4f} |")
    if "MRJAX_PEERS" not in os.environ:
        return
    peer, seconds = theirs(model, data)
    print(f"| dipy, float64 | {len(data) / seconds:.3g} | | {error(peer):.4f} |")
    print(f"\nmrjax is {seconds / then:.1f} times as fast.")
    if arguments.data:
        model, data = measured(arguments.data)
        usable = (data > 0).all(-1)
        (found, *_), (peer, _) = ours(model, data), theirs(model, data)
        for name, values in found.items():
            apart = np.median(np.abs(values - peer[name])[usable]) / np.median(np.abs(peer[name][usable]))
            print(f"{name} of the brain: median difference {apart:.1e} of its median")


if __name__ == "__main__":
    main()
