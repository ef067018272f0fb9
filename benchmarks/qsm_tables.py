"""How do learned maps of susceptibility compare with classical ones, on phantoms that the networks have not seen?

    python -m benchmarks.qsm_tables [--methods TV lpcnn ...] [--quick] [--data DATA] [--runs runs] [--out benchmarks/results]

from the root of the repository. Networks are trained with their smoke presets where `runs` does not hold them yet, and go on
where they were stopped. With `--methods` those named alone are trained and scored, and the scores of all others stay as an
earlier run left them in the JSON file: so it can be done in pieces. Networks learn from synthetic volumes of 32 voxels of 4 mm,
B0 up to 29 degrees off the axis (DeepQSM: along the axis), SNR 100 at 3 T and TE 20 ms; the unrolled total variation
from voxels of 3.6 mm and up to 25 % more or less, B0 up to 57 degrees off, SNR 50 to 200, and with its preset `hour` from whole
brains of 48 voxels.

Tests are brains of 48 voxels of the same kind with B0 along the axis, with B0 30 degrees off, and with voxels of 3.6 x 3.6 x 5
mm; and, where DATA is the folder of the reference data, another phantom with voxels of 2 mm, without noise, and with noise and B0
30 degrees off. Slopes of deep grey matter are for that phantom alone, which has labels. Last, one brain is measured with B0 more
and more oblique, which says what a method loses by the direction alone.

Writes tables as Markdown and JSON, a figure of the losses in training, and one of maps and their errors, whose slices are kept in
`runs`.
"""

import argparse
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mrjax import zoo
from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.nn import History
from mrjax.synthesis import SusceptibilityVolume, brain_susceptibility
from mrjax.units import mm
from mrjax.zoo import susceptibility as task
from mrjax.zoo.susceptibility import Measured, SusceptibilityConfig
from mrjax.zoo.susceptibility.test_sets import HELD_OUT

PRESETS = {name: (name, "smoke") for name in ("deepqsm", "qsmnet", "modl_qsm", "lpcnn", "vandi_qsm", "unrolled_tv")}
PRESETS["unrolled_tv_hour"] = ("unrolled_tv", "hour")
STRENGTHS = tuple(4e-5 * 2.0**n for n in range(-3, 4))
QUICK = {"n_voxels": "24", "patch": "24", "voxel_size": "0.008", "steps": "4"}
DEEP_GREY = range(1, 8)
"""Labels of caudate nucleus, putamen, globus pallidus, thalamus, red nucleus, substantia nigra and dentate nucleus."""

METHODS = ("TKD", "Tikhonov", "TV", "best TV", "NDI", *PRESETS)

TILTS = (0, 15, 30, 45, 60, 90)
"""Angles in degrees between B0 and the third axis of a brain."""

HEADER = """`python -m benchmarks.qsm_tables --data DATA`. Learned methods are trained as their presets say; "best
TV" is given the strength, of seven, that the truth says is best. CPU seconds of one core.

"""

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


def learned(runs: Path, quick: bool, names: Iterable[str]) -> dict[str, Map]:
    """Networks of the zoo, trained where the folder does not hold them."""
    maps = {}
    for name in names:
        system, preset = zoo.system_called(PRESETS[name][0]), PRESETS[name][1]
        config = zoo.configured(system, preset, QUICK if quick else {})
        network = zoo.trained(system, config, runs / (f"{name}_quick" if quick else name), progress=False)
        estimate = zoo.estimator(system, network)
        maps[name] = lambda measured, estimate=estimate: estimate(measured)["susceptibility"][0]
    return maps


def tilted(quick: bool) -> dict[str, tuple[Measured, None]]:
    """One brain, measured with B0 in several directions."""
    config = _tested(quick)
    shape, sizes = (config.n_voxels,) * 3, np.full(3, config.voxel_size)
    for_volume, for_noise = jax.random.split(jax.random.key(HELD_OUT + 1))
    volume = brain_susceptibility(for_volume, shape, jnp.asarray(sizes, jnp.float32))
    sets = {}
    for angle in TILTS:
        direction = np.array([0.0, math.sin(math.radians(angle)), math.cos(math.radians(angle))])
        measured = task.measured_volume(for_noise, volume, sizes, direction, config)
        sets[f"{angle}"] = ({name: jnp.asarray(values)[None] for name, values in measured.items()}, None)
    return sets


def _tested(quick: bool) -> SusceptibilityConfig:
    config = SusceptibilityConfig()
    return dataclasses.replace(config, n_voxels=24, patch=24, voxel_size=8 * mm) if quick else config


def volumes(data: Path, quick: bool) -> dict[str, tuple[Measured, np.ndarray | None]]:
    """What is mapped, by name, each with its labels where there are some."""
    sets: dict[str, Any] = {name: (measured, None) for name, measured in task.brains(_tested(quick)).items()}
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
    """Scores of each method on each volume, and on the first the CPU time of a second call, when all is compiled."""
    found = []
    for volume, (measured, labels) in sets.items():
        without_truth = {name: values for name, values in measured.items() if name != "susceptibility"}
        truth, mask = measured["susceptibility"][0], measured["mask"][0]
        for method, estimate in maps.items():
            given = measured if method == "best TV" else without_truth
            answer = jax.block_until_ready(estimate(given))
            row = {"volume": volume, "method": method} | dataclasses.asdict(task.score(answer, truth, mask))
            if labels is not None:
                row["deep_grey_slope"] = float(
                    qsm.slope(answer, truth, labels, [n for n in DEEP_GREY if (labels == n).any()])
                )
            if measured is next(iter(sets.values()))[0]:
                begin = time.process_time()
                jax.block_until_ready(estimate(given))
                row["cpu_seconds"] = time.process_time() - begin
            found.append(row | {"map": np.asarray(answer)})
            print(volume, method, f"NRMSE {row['nrmse']:.1f} XSIM {row['xsim']:.3f}", flush=True)
    return found


def errors(maps: dict[str, Map], sets: dict[str, Any]) -> list[dict]:
    """Nothing but the NRMSE."""
    found = []
    for volume, (measured, _) in sets.items():
        truth, mask = (measured[name][0] for name in ("susceptibility", "mask"))
        for method, estimate in maps.items():
            found.append(
                {"volume": volume, "method": method, "nrmse": task.score(estimate(measured), truth, mask).nrmse}
            )
    return found


def markdown(results: list[dict]) -> str:
    """A table for each volume."""
    lines = []
    for volume in dict.fromkeys(row["volume"] for row in results):
        lines += [f"**{volume}**", "", "| method | NRMSE % | HFEN % | XSIM | slope | deep grey slope | CPU s |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for row in results:
            if row["volume"] == volume:
                numbers = f"{row['nrmse']:.1f} | {row['hfen']:.1f} | {row['xsim']:.3f} | {row['slope']:.3f}"
                nuclei = f"{row['deep_grey_slope']:.3f}" if "deep_grey_slope" in row else ""
                seconds = f"{row['cpu_seconds']:.2f}" if "cpu_seconds" in row else ""
                lines.append(f"| {row['method']} | {numbers} | {nuclei} | {seconds} |")
        lines.append("")
    return "\n".join(lines)


def against_tilt(results: list[dict]) -> str:
    """Errors of one brain, a row for each method and a column for each direction of B0."""
    lines = ["**one brain, B0 off the axis by**", ""]
    lines += ["| method | " + " | ".join(f"{angle}°" for angle in TILTS) + " |", "|---|" + "---|" * len(TILTS)]
    for method in dict.fromkeys(row["method"] for row in results):
        of = {row["volume"]: row["nrmse"] for row in results if row["method"] == method}
        lines.append(f"| {method} | " + " | ".join(f"{of[str(angle)]:.1f}" for angle in TILTS) + " |")
    return "\n".join([*lines, "", "NRMSE in %.", ""])


def draw(path: Path, slices: dict[str, np.ndarray]) -> None:
    """One slice of every map, after the true one, and its error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * len(slices), 4.4), layout="constrained")
    axes = figure.subplots(2, len(slices), squeeze=False)
    for (name, values), (above, below) in zip(slices.items(), axes.T, strict=True):
        for axis, image in ((above, values), (below, values - slices["truth"])):
            axis.imshow(image.T, origin="lower", cmap="gray", vmin=-0.1, vmax=0.1)
            axis.axis("off")
        above.set_title(name)
    axes[1, 0].set_title("errors, -0.1 to 0.1 ppm", fontsize="small")
    figure.savefig(path, dpi=80)


def draw_losses(path: Path, runs: Path) -> None:
    """What each training logged, and the mean of ten lines, as each line is of another volume."""
    from matplotlib.figure import Figure

    logs = {file.parent.name: file for file in sorted(runs.glob("*/log.jsonl")) if file.stat().st_size}
    figure = Figure(figsize=(2.6 * max(1, len(logs)), 2.6), layout="constrained")
    for axis, (name, file) in zip(figure.subplots(1, max(1, len(logs)), squeeze=False)[0], logs.items(), strict=False):
        steps, losses = History.read(file).column("loss")
        axis.semilogy(steps, losses, color="lightgrey")
        n = min(10, len(losses))
        axis.semilogy(steps[n - 1 :], np.convolve(losses, np.full(n, 1 / n), "valid"))
        axis.set(title=name, xlabel="step")
    figure.savefig(path, dpi=80)


def middle_slices(results: list[dict], volume: str, measured: Measured) -> dict[str, np.ndarray]:
    """Of the maps of one volume, and of its truth."""
    truth, mask = (np.asarray(measured[name][0]) for name in ("susceptibility", "mask"))
    maps = {"truth": truth} | {
        row["method"]: np.where(mask, row["map"], 0) for row in results if row["volume"] == volume
    }
    return {name: values[:, :, truth.shape[2] // 2] for name, values in maps.items()}


def joined(earlier: list[dict], now: list[dict]) -> list[dict]:
    """The rows of now, and those of earlier for other methods, in the order of `METHODS`."""
    rows = [row for row in earlier if row["method"] not in {row["method"] for row in now}]
    rows += [{name: value for name, value in row.items() if name != "map"} for row in now]
    return sorted(rows, key=lambda row: METHODS.index(row["method"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="small volumes and four steps, to see that the script runs"
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MRJAX_DATA", "../shared/data")))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trainings are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME", help="only these")
    options = parser.parse_args()
    sets = volumes(options.data, options.quick)
    maps = {name: estimate for name, estimate in classical().items() if name in options.methods}
    maps |= learned(options.runs, options.quick, [name for name in PRESETS if name in options.methods])
    results, of_tilts = rows(maps, sets), errors(maps, tilted(options.quick))
    keep(options, results, of_tilts, middle_slices(results, *_last(sets)))


def _last(sets: dict[str, Any]) -> tuple[str, Measured]:
    """The name of a volume that is shown, and what was measured of it."""
    name = list(sets)[-1]
    return name, sets[name][0]


def keep(options: argparse.Namespace, results: list[dict], of_tilts: list[dict], slices: dict[str, np.ndarray]) -> None:
    """Write tables and figure, with what an earlier run left of other methods."""
    options.out.mkdir(parents=True, exist_ok=True)
    options.runs.mkdir(parents=True, exist_ok=True)
    suffix = "-small" if options.quick else ""
    file, images = options.out / f"qsm_tables{suffix}.json", options.runs / f"middle_slices{suffix}.npz"
    earlier = json.loads(file.read_text()) if file.exists() else {"results": [], "tilts": []}
    results, of_tilts = joined(earlier["results"], results), joined(earlier["tilts"], of_tilts)
    known = {"device": jax.devices()[0].device_kind, "results": results, "tilts": of_tilts}
    file.write_text(json.dumps(known, indent=1))
    file.with_suffix(".md").write_text(HEADER + markdown(results) + "\n" + against_tilt(of_tilts))
    if images.exists():
        with np.load(images) as stored:
            slices = dict(stored) | slices
    np.savez(images, **dict[str, Any](slices))
    draw_losses(options.out / f"qsm_losses{suffix}.png", options.runs)
    draw(file.with_suffix(".png"), {name: slices[name] for name in ("truth", *METHODS) if name in slices})


if __name__ == "__main__":
    main()
