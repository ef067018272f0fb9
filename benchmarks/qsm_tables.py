"""How do learned maps of susceptibility compare with classical ones, on phantoms that the networks have not seen?

    python -m benchmarks.qsm_tables [--quick] [--data DATA] [--runs runs] [--out benchmarks/results]

from the root of the repository. Networks are trained with their smoke presets where `runs` does not hold them yet: synthetic
volumes of 48 voxels of 4 mm, B0 up to 29 degrees off the axis (DeepQSM: along the axis), SNR 100 at 3 T and TE 20 ms; the
unrolled total variation with its preset `hour`: 3.6 mm and up to 25 % more or less, B0 up to 57 degrees off, SNR 50 to 200. Tests
are brains of the same kind with B0 along the axis, with B0 30 degrees off, and with voxels of 3.6 x 3.6 x 5 mm; and, where DATA
is the folder of the reference data, another phantom with voxels of 2 mm, without noise, and with noise and B0 30 degrees off.
Slopes of deep grey matter are for that phantom alone, which has labels.
"""

import argparse
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mrjax import zoo
from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.synthesis import SusceptibilityVolume
from mrjax.units import mm
from mrjax.zoo import susceptibility as task
from mrjax.zoo.susceptibility import Measured, SusceptibilityConfig

PRESETS = dict.fromkeys(("deepqsm", "qsmnet", "modl_qsm", "lpcnn", "vandi_qsm"), "smoke") | {"unrolled_tv": "hour"}
STRENGTHS = tuple(4e-5 * 2.0**n for n in range(-3, 4))
QUICK = {"n_voxels": "24", "patch": "24", "voxel_size": "0.008", "steps": "4"}
DEEP_GREY = range(1, 8)
"""Labels of caudate nucleus, putamen, globus pallidus, thalamus, red nucleus, substantia nigra and dentate nucleus."""

Map = Callable[[Measured], jax.Array]


def classical() -> dict[str, Map]:
    """Methods without training, each of one volume, with their usual settings."""
    per_ppm = task.phase_per_ppm(SusceptibilityConfig())
    of_volume = {
        "TKD": lambda m, dipole: qsm.tkd(m["field"], dipole),
        "Tikhonov": lambda m, dipole: qsm.tikhonov(m["field"], dipole),
        "TV": lambda m, dipole: qsm.tv(m["field"], dipole, m["mask"], weights=m["weights"]),
        "best TV": best_of_strengths,
        "NDI": lambda m, dipole: qsm.ndi(
            per_ppm * m["field"], dipole, m["mask"], per_ppm, weights=m["weights"], n_iterations=50
        ),
    }

    def of_batch(method: Callable) -> Map:
        def estimate(measured: Measured) -> jax.Array:
            one = {name: values[0] for name, values in measured.items()}
            return method(one, jax.tree.map(lambda leaf: leaf[0], task.dipoles(measured)))

        return jax.jit(estimate)

    return {name: of_batch(method) for name, method in of_volume.items()}


def best_of_strengths(measured: Measured, dipole: Dipole) -> jax.Array:
    """Total variation with the strength, of seven, that the truth says is best: what no scan can know."""
    field, mask, true = (measured[name] for name in ("field", "mask", "susceptibility"))
    strengths = jnp.array(STRENGTHS, field.dtype)
    each = jax.lax.map(lambda s: qsm.tv(field, dipole, mask, weights=measured["weights"], strength=s), strengths)
    return each[jnp.argmin(jax.vmap(lambda found: qsm.nrmse(found, true, mask))(each))]


def learned(runs: Path, quick: bool) -> dict[str, Map]:
    """Networks of the zoo, trained where the folder does not hold them."""
    maps = {}
    for name, preset in PRESETS.items():
        system = zoo.system_called(name)
        config = zoo.configured(system, preset, QUICK if quick else {})
        network = zoo.trained(system, config, runs / (f"{name}_quick" if quick else name), progress=False)
        estimate = zoo.estimator(system, network)
        maps[name] = lambda measured, estimate=estimate: estimate(measured)["susceptibility"][0]
    return maps


def volumes(data: Path, quick: bool) -> dict[str, tuple[Measured, np.ndarray | None]]:
    """What is mapped, by name, each with its labels where there are some."""
    config = SusceptibilityConfig()
    if quick:
        config = dataclasses.replace(config, n_voxels=24, patch=24, voxel_size=8 * mm)
    sets: dict[str, Any] = {name: (measured, None) for name, measured in task.brains(config).items()}
    file = data / "qsm_phantom" / "brain_2mm.npz"
    if file.exists():
        for name, snr, tilt in (("2 mm phantom", math.inf, 0.0), ("2 mm phantom, noise, 30 degrees", 100.0, 30.0)):
            sets[name] = _phantom(file, snr, math.radians(tilt), 4 if quick else 1)
    return sets


def _phantom(file: Path, snr: float, tilt: float, every: int) -> tuple[Measured, np.ndarray]:
    with np.load(file) as stored:
        coarser = (slice(None, None, every),) * 3
        chi, mask, magnitude, labels = (stored[name][coarser] for name in ("chi_ppm", "mask", "magnitude", "seg"))
        sides = stored["voxel_mm"] * mm * every
    bright = jnp.asarray(magnitude / magnitude.max(), jnp.float32)
    volume = SusceptibilityVolume(jnp.asarray(np.where(mask, chi, 0), jnp.float32), jnp.asarray(mask), bright)
    direction = np.array([0.0, math.sin(tilt), math.cos(tilt)])
    config = SusceptibilityConfig(snr=snr)
    measured = task.measured_volume(jax.random.key(0), volume, sides, direction, config)
    return {name: jnp.asarray(values)[None] for name, values in measured.items()}, labels


def rows(maps: dict[str, Map], sets: dict[str, Any]) -> list[dict]:
    """Scores of each method on each volume, and the time of a second call, when all is compiled."""
    found = []
    for volume, (measured, labels) in sets.items():
        without_truth = {name: values for name, values in measured.items() if name != "susceptibility"}
        truth, mask = measured["susceptibility"][0], measured["mask"][0]
        for method, estimate in maps.items():
            given = measured if method == "best TV" else without_truth
            answer = jax.block_until_ready(estimate(given))
            begin = time.perf_counter()
            jax.block_until_ready(estimate(given))
            elapsed = time.perf_counter() - begin
            row = {"volume": volume, "method": method} | dataclasses.asdict(task.score(answer, truth, mask))
            if labels is not None:
                row["deep_grey_slope"] = float(
                    qsm.slope(answer, truth, labels, [n for n in DEEP_GREY if (labels == n).any()])
                )
            found.append(row | {"seconds": elapsed, "map": np.asarray(answer)})
            print(volume, method, f"NRMSE {row['nrmse']:.1f} XSIM {row['xsim']:.3f} {elapsed:.2f} s", flush=True)
    return found


def markdown(results: list[dict]) -> str:
    """A table for each volume."""
    lines = []
    for volume in dict.fromkeys(row["volume"] for row in results):
        lines += [f"**{volume}**", "", "| method | NRMSE % | HFEN % | XSIM | slope | deep grey slope | s |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for row in results:
            if row["volume"] == volume:
                numbers = f"{row['nrmse']:.1f} | {row['hfen']:.1f} | {row['xsim']:.3f} | {row['slope']:.3f}"
                nuclei = f"{row['deep_grey_slope']:.3f}" if "deep_grey_slope" in row else ""
                lines.append(f"| {row['method']} | {numbers} | {nuclei} | {row['seconds']:.2f} |")
        lines.append("")
    return "\n".join(lines)


def draw(path: Path, results: list[dict], measured: Measured) -> None:
    """The middle slice of every map of one volume, and its error."""
    from matplotlib.figure import Figure

    truth, mask = (np.asarray(measured[name][0]) for name in ("susceptibility", "mask"))
    middle = truth.shape[2] // 2
    figure = Figure(figsize=(2 * (len(results) + 1), 4.4), layout="constrained")
    axes = figure.subplots(2, len(results) + 1)
    shown = {"truth": truth} | {row["method"]: np.where(mask, row["map"], 0) for row in results}
    for (name, values), (above, below) in zip(shown.items(), axes.T, strict=True):
        for axis, image in ((above, values), (below, values - truth)):
            axis.imshow(image[:, :, middle].T, origin="lower", cmap="gray", vmin=-0.1, vmax=0.1)
            axis.axis("off")
        above.set_title(name)
    axes[1, 0].set_title("errors, -0.1 to 0.1 ppm", fontsize="small")
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="small volumes and four steps, to see that the script runs"
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MRJAX_DATA", "../shared/data")))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trainings are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sets = volumes(options.data, options.quick)
    results = rows(classical() | learned(options.runs, options.quick), sets)
    (options.out / "qsm_tables.md").write_text(markdown(results))
    numbers = [{name: value for name, value in row.items() if name != "map"} for row in results]
    device = jax.devices()[0].device_kind
    (options.out / "qsm_tables.json").write_text(json.dumps({"device": device, "results": numbers}, indent=1))
    last = list(sets)[-1]
    draw(options.out / "qsm_tables.png", [row for row in results if row["volume"] == last], sets[last][0])


if __name__ == "__main__":
    main()
