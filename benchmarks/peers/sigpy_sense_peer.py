"""What does SigPy make of the undersampled brain: coil maps, CG-SENSE, total variation; and how long does it take?

    <python of an environment with sigpy==0.1.27> -m benchmarks.peers.sigpy_sense_peer DATA sigpy.npz

from the root of the repository, where DATA is the folder `sigpy_cartesian` of the reference data. SigPy's threads are numpy's.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sigpy as sp
from sigpy.mri import app, linop

LAMBDA, ITERATIONS, CALIBRATION = 0.01, 30, 24


def timed(make: Callable) -> tuple[np.ndarray, float]:
    """The result, and the least time of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = make()
        times.append(time.perf_counter() - start)
    return result, min(times)


def main(folder: Path, out: Path) -> None:
    k_space = np.load(folder / "cartesian_ksp.npy")
    options = {"show_pbar": False}
    maps, of_maps = timed(lambda: app.EspiritCalib(k_space, calib_width=CALIBRATION, crop=0.95, **options).run())
    sense, of_sense = timed(lambda: app.SenseRecon(k_space, maps, lamda=LAMBDA, max_iter=ITERATIONS, **options).run())
    mask = (np.abs(k_space).sum(0) > 0).astype(np.float32)
    adjoint = linop.Sense(maps, weights=mask).H(k_space * mask)
    np.savez(out, maps=maps, sense=sense, adjoint=adjoint)
    print(json.dumps({"sigpy": sp.__version__, "espirit_s": of_maps, "cg_sense_s": of_sense}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
