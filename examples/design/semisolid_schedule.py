"""Powers, offsets and times of semisolid fingerprinting by the Cramér-Rao bound: `python examples/design/semisolid_schedule.py`.

Forty images of white and grey matter at 3 T within published bounds. With `--judge FILE.csv` (columns TR_s, B1_T, offset_ppm,
flip_deg, Tsat_s) the bound of another schedule is printed beside the start and the best.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr

NOISE = 5e-3
BOUNDS = {"b1": (0.9e-6, 1.9e-6), "offset_ppm": (8.0, 50.0), "saturation_time": (0.4, 2.0), "recovery": (3.5, 4.5)}
TISSUES = {
    "exchange_rate": jnp.array([20.0, 40.0, 60.0, 30.0]),
    "fraction": jnp.array([0.14, 0.06, 0.10, 0.04]),
    "pool_t2": jnp.array([12e-6, 10e-6, 40e-6, 20e-6]),
    "t1": jnp.array([1.0, 1.5, 1.2, 1.8]),
    "m0": jnp.ones(4),
}
WEIGHTS: dict[str, float] = dict.fromkeys(("exchange_rate", "fraction", "pool_t2", "t1"), 1.0)
LINE = mr.lineshapes.SuperLorentzian()


def images_of(schedule):
    tr = schedule["saturation_time"] + schedule["recovery"]
    scan = mr.protocols.cest.fingerprinting(
        schedule["b1"], schedule["offset_ppm"], schedule["saturation_time"], tr, b0=3.0
    )

    def images(p):
        pool = mr.Pool(p["fraction"], p["exchange_rate"], t1=1.0, t2=p["pool_t2"], lineshape=LINE)
        return abs(mr.simulate(scan, mr.Tissue(p["t1"], 0.06, m0=p["m0"], pools=(pool,)), mr.BlochMcConnell(b0=3.0)))

    return images


def random_start(n, seed=0):
    random = np.random.default_rng(seed)
    return {name: jnp.asarray(random.uniform(*pair, n)) for name, pair in BOUNDS.items()}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 images of one tissue, 40 steps")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--judge", help="CSV file of another schedule")
    parser.add_argument("--out", help="folder; the same command goes on where it was stopped")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    n, steps, voxels = (10, 40, 1) if options.quick else (options.images, options.steps, 4)
    tissues = {name: values[:voxels] for name, values in TISSUES.items()}
    bound = mr.design.crlb(images_of, tissues, noise_std=NOISE, weights=WEIGHTS)
    start = random_start(n)
    free = lambda schedule: schedule
    result = mr.design.optimise(bound, start, free=free, bounds=BOUNDS, steps=steps, folder=options.out)
    designs = {"start": start, "best": result.best}
    if options.judge:
        read = mr.io.read_schedule(options.judge)
        other = {name: jnp.asarray(read[name]) for name in ("b1", "offset_ppm", "saturation_time")}
        designs[options.judge] = other | {"recovery": jnp.asarray(read["tr"] - read["saturation_time"])}
    for name, design in designs.items():
        deviation = bound.relative_deviation(design)
        total = float(jnp.sum(design["saturation_time"] + design["recovery"]))
        shown = ", ".join(f"{p} {100 * float(jnp.sqrt(jnp.mean(d**2))):.1f} %" for p, d in deviation.items())
        print(f"{name} ({total:.0f} s): objective {float(bound(design)):.5g}; least deviation of {shown}")
    # at a tenth of the noise, where fits are not biased, as the bound takes them to be
    quiet = mr.design.crlb(images_of, tissues, noise_std=NOISE / 10, weights=WEIGHTS)
    fitted = [quiet.fitted_deviation(design, jax.random.key(0), 2000) for design in (start, result.best)]
    total = [sum(float(jnp.mean(jnp.asarray(one[name]) ** 2)) for name in WEIGHTS) for one in fitted]
    print(f"relative variance falls by {result.factor:.3f}; in fits to noise by {total[0] / total[1]:.3f}")
    return result


if __name__ == "__main__":
    main()
