"""What does the subspace gain over gridding every time and matching, where fingerprints are sampled far below Nyquist?

    python -m benchmarks.fingerprint_maps [--small] [--refine] [--out benchmarks/results]

A slice of the brain phantom with the transmit field of `mrjax.phantoms.brain_fields`, 128 x 128 voxels of 1.7 mm, eight
coils, scaled to a root of the sum of squares of one; the first 500 repetitions of the published FISP schedule, of each of which
one arm of a spiral of 24 is measured, turned by the golden angle; noise of 0.002 of the equilibrium magnetisation of CSF in each
part of a sample, in units of a unitary transform. The dictionary has 40 x 40 values of T1 and T2 and seven of B1, of which the
map is known; its rank is 5. Prints the NRMSE of T1 and T2 of grey and white matter, the median errors, and the time with
compilation, one line of JSON for each method, and draws the maps. `--refine` adds least squares, which take minutes.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import mrjax as mr
from benchmarks import measuring
from mrjax.encoding import Nufft, sense
from mrjax.inverse import CompressedDictionary, Dictionary, LocallyLowRank, compress, fingerprint_maps

N_ARMS, RANK, NOISE, STRENGTH = 24, 5, 0.002, 1000.0
GOLDEN = np.pi * (3 - np.sqrt(5))


def model(n_times: int) -> Callable[[dict[str, Any]], Any]:
    """The signals of the schedule."""
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = mr.protocols.mrf_fisp(jnp.asarray(flip_angle[:n_times]), jnp.asarray(tr[:n_times]), te=2e-3)
    return lambda p: mr.simulate(sequence, mr.Tissue(p["t1"], p["t2"], b1=p["b1"]))


def dictionary(signal: Callable[..., Any], n_values: int) -> CompressedDictionary:
    grid = {
        "t1": np.geomspace(0.2, 5, n_values),
        "t2": np.geomspace(0.02, 2.5, n_values),
        "b1": np.linspace(0.7, 1.3, 7),
    }
    return compress(Dictionary.build(signal, grid, where=lambda p: p["t2"] <= p["t1"]), RANK)


def spirals(n_times: int, n_pixels: int, voxel_size: float) -> np.ndarray:
    """Arms of constant angular speed from the centre on, `(n_times, n_samples, 2)` in cycles/m."""
    along = np.arange(4 * n_pixels) / (4 * n_pixels)
    angle = 2 * np.pi * n_pixels / 2 / N_ARMS * along[None] + GOLDEN * np.arange(n_times)[:, None]
    radius = 0.499 / voxel_size * along
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).astype(np.float32)


def scan(n_pixels: int, n_times: int, n_values: int) -> dict[str, Any]:
    """Everything that the methods need."""
    phantom = mr.phantoms.brain((n_pixels, n_pixels))
    tissue, b1 = phantom.tissue(), mr.phantoms.brain_fields(phantom).b1
    signal = model(n_times)
    truth = {"t1": tissue.t1, "t2": tissue.t2, "b1": jnp.where(phantom.mask, b1, 1.0)}
    images = jnp.moveaxis(signal(truth) * tissue.m0[..., None], -1, 0)
    received, size = mr.phantoms.birdcage_coils(phantom), phantom.voxel_size[0]
    coils = received / mr.reconstruction.root_sum_of_squares(received)[None]
    k = jnp.asarray(spirals(n_times, n_pixels, size))
    each = lambda pair: Nufft(pair[0], (n_pixels, n_pixels), size).mv(coils * pair[1][None])
    clean = jnp.moveaxis(jax.lax.map(each, (k, images)), 0, 1).reshape(coils.shape[0], -1)
    noise_std = NOISE * n_pixels
    parts = jax.random.normal(jax.random.key(1), (2, *clean.shape)) * noise_std
    known = dictionary(signal, n_values)
    rows = jnp.repeat(known.basis, k.shape[1], axis=0)
    encoding = sense(coils, trajectory=k.reshape(-1, 2), voxel_size=size, basis=rows)
    # of an arm, as its radius; the disc about the centre has an eighth of the next one's weight, as its area is
    radius = jnp.linalg.norm(k, axis=-1)
    density = jnp.maximum(radius, radius[:, 1:2] / 8).reshape(1, -1)
    inside = np.asarray(phantom.fraction("grey matter") + phantom.fraction("white matter") > 0.95)
    measured = {
        "k_space": clean + jax.lax.complex(*parts),
        "noise_std": noise_std,
        "encoding": encoding,
        "density": density,
    }
    return measured | {"truth": truth, "inside": inside, "dictionary": known, "model": signal}


def methods(measured: dict[str, Any]) -> dict[str, Callable[[], dict[str, Any]]]:
    """Each returns maps."""
    known, b1 = measured["dictionary"], {"b1": measured["truth"]["b1"]}
    given = (known, measured["k_space"], measured["encoding"])

    def gridded() -> dict[str, Any]:
        # matching the gridded images is matching what the basis sees of them
        images = mr.reconstruction.adjoint(measured["encoding"], measured["k_space"], measured["density"])
        return known.match(jnp.moveaxis(images, 0, -1), b1).parameters

    low_rank = {"regularisation": LocallyLowRank(STRENGTH), "noise_std": measured["noise_std"]}
    steps = {"n_iterations": 10, "n_steps": 4}
    of = lambda **options: fingerprint_maps(*given, known=b1, **steps, **options).parameters
    return {
        "gridding, match": gridded,
        "subspace, match": lambda: of(),
        "subspace, locally low rank, match": lambda: of(**low_rank),
        "subspace, locally low rank, refined": lambda: of(**low_rank, model=measured["model"]),
    }


def scores(found: dict[str, Any], measured: dict[str, Any]) -> dict[str, float]:
    figures = {}
    for name in ("t1", "t2"):
        true = np.asarray(measured["truth"][name])[measured["inside"]]
        difference = np.asarray(found[name])[measured["inside"]] - true
        figures[f"{name}_nrmse_percent"] = round(100 * float(np.linalg.norm(difference) / np.linalg.norm(true)), 2)
        figures[f"{name}_median_error_percent"] = round(100 * float(np.median(np.abs(difference) / true)), 2)
    return figures


def drawn(maps: dict[str, dict[str, Any]], inside: np.ndarray) -> Figure:
    """A column for each method, T1 above T2."""
    figure = Figure(figsize=(3 * len(maps), 6), layout="constrained")
    rows = figure.subplots(2, len(maps))
    for row, (name, most) in zip(rows, (("t1", 2.0), ("t2", 0.15)), strict=True):
        for axes, (method, found) in zip(row, maps.items(), strict=True):
            image = axes.imshow(np.where(inside, found[name], 0).T, origin="lower", vmin=0, vmax=most, cmap="viridis")
            axes.set_axis_off()
            if name == "t1":
                axes.set_title(method.replace(", ", ",\n"), fontsize=10)
        figure.colorbar(image, ax=row[-1], label=f"T{name[1]} (s)")
    return figure


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--refine", action="store_true", help="refine the match, too")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    measured = scan(*((32, 100, 15) if options.small else (128, 500, 40)))
    maps = {"truth": measured["truth"]}
    for name, method in methods(measured).items():
        if name.endswith("refined") and not options.refine:
            continue
        begin = time.perf_counter()
        maps[name] = jax.block_until_ready(method())
        elapsed = time.perf_counter() - begin
        print(json.dumps({"method": name, **scores(maps[name], measured), "seconds": round(elapsed, 2)}), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    small = "-small" if options.small else ""
    drawn(maps, measured["inside"]).savefig(options.out / f"fingerprint_maps{small}.png", dpi=80)


if __name__ == "__main__":
    main()
