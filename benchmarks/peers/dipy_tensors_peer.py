"""What does dipy make of diffusion-weighted images: weighted least squares of tensors; and how long does it take?

    <python of an environment with dipy==1.12.1> -m benchmarks.peers.dipy_tensors_peer images.npz dipy.npz

from the root of the repository; `benchmarks.dti` writes `images.npz` and runs this. Prints one line of JSON.
"""

import json
import sys
import time

import dipy
import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

REPEATS = 3


def main(images: str, out: str) -> None:
    given = np.load(images)
    table = gradient_table(given["bvals"] / 1e6, bvecs=given["bvecs"])
    data = given["data"].astype(np.float64)
    times, maps = [], ()
    for _ in range(REPEATS):
        start = time.perf_counter()
        fit = TensorModel(table, fit_method="WLS").fit(data)
        maps = fit.fa, 1e-6 * fit.md
        times.append(time.perf_counter() - start)
    np.savez(out, fractional_anisotropy=maps[0], mean_diffusivity=maps[1])
    print(json.dumps({"dipy": dipy.__version__, "least_s": min(times)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
