"""How do maps and images from undersampled k-space compare, learned and not?

    python -m benchmarks.relaxometry_tables [--methods mantis relax ...] [--accelerations 4 5 8] [--steps 2000] [--quick]
        [--runs runs] [--out benchmarks/results]

from the root of the repository. At each of `--accelerations`: the normalised root mean square error of T2 (CG-SENSE then fit,
model-based, MANTIS, RELAX) and of T1 (CG-SENSE then fit, model-based, DOPAMINE), the PSNR of MoDL beside CG-SENSE, and the error
of the myelin water fraction by ANN-MWF beside a fit, all on what no training has seen. Networks are trained with the smoke
preset, for `--steps` steps where that is given, and kept in `--runs`; finished trainings are not repeated, and those that were
stopped go on. With `--methods` those named alone are trained and judged, and the figures of all others, and of other
accelerations, stay as an earlier run left them in the JSON file: so it can be done in pieces. Writes a table as Markdown and
JSON, and figures of the maps at the largest R and of their errors, from slices that are kept in `--runs`.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import mrjax
from mrjax import zoo
from mrjax.units import ms
from mrjax.zoo import registry, relaxometry

ACCELERATIONS = (4.0, 5.0, 8.0)
MAPPED = {
    "t2": ("cg_sense_then_fit", "model_based", "mantis", "relax"),
    "t1": ("cg_sense_then_fit", "model_based", "dopamine"),
}
RECONSTRUCTED, FRACTIONS = ("cg_sense", "modl"), ("mwf_fit", "ann_mwf")
METHODS = tuple(dict.fromkeys((*MAPPED["t2"], *MAPPED["t1"], *RECONSTRUCTED, *FRACTIONS)))
HEADER = """`python -m benchmarks.relaxometry_tables`. Networks are trained as their smoke presets say; what has no
figure was not run.

"""
QUICK = {"n_pixels": "32", "n_contrasts": "4", "steps": "4"}
SHOWN_SLICE = 2


def judged(name: str, acceleration: float | None, options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Evaluation, configuration and estimate of a method, or of a system that is trained if it was not."""
    if registry.method_called(name) is not None:
        return zoo.judged(name)
    system = zoo.system_called(name)
    changes = {} if options.steps is None else {"steps": str(options.steps)}
    if acceleration is not None:
        changes["acceleration"] = str(acceleration)
    if options.quick:
        known = vars(system.presets["smoke"])
        changes |= {key: value for key, value in QUICK.items() if key in known}
    config = zoo.configured(system, "smoke", changes)
    folder = options.runs / f"{name}_{acceleration or 0:g}_{config.steps}{'_quick' if options.quick else ''}"
    zoo.trained(system, config, folder, progress=False)
    return zoo.judged(str(folder))


def scan(parameter: str, acceleration: float, quick: bool) -> relaxometry.Batch:
    """What all methods for one parameter are judged on: the contrasts of the system that learns it."""
    system = zoo.system_called({"t2": "mantis", "t1": "dopamine", "images": "modl"}[parameter])
    small = {key: QUICK[key] for key in ("n_pixels", "n_contrasts")} if quick else {}
    config = zoo.configured(system, "smoke", {"acceleration": str(acceleration)} | small)
    names = ("maps", "m0", "acceleration", "snr", "parameter")
    return relaxometry.test_scan(config, argparse.Namespace(**dict.fromkeys(names), milliseconds=False))


def chosen(names: tuple[str, ...], options: argparse.Namespace) -> list[str]:
    """Those of them that were asked for."""
    return [name for name in names if name in options.methods]


def mapped(parameter: str, acceleration: float, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """The maps of every method, and the true ones, nan where they are not judged."""
    batch = scan(parameter, acceleration, options.quick)
    seen, inside = {name: batch[name] for name in relaxometry.AXES}, batch["inside"]
    maps = {"truth": batch["model"].parted(batch["maps"])[0]}
    for name in chosen(MAPPED[parameter], options):
        maps[name] = judged(name, acceleration, options)[2](seen)[parameter]
    return {name: np.where(inside, np.asarray(values), np.nan) for name, values in maps.items()}


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Normalised root mean square error in percent."""
    return 100 * float(np.sqrt(np.nansum((found - true) ** 2) / np.nansum(true**2)))


def drawn(maps: dict[str, np.ndarray], name: str, file: Path) -> None:
    """One slice of all maps in ms, and what they are off."""
    figure = Figure(figsize=(2.4 * len(maps), 5), layout="constrained")
    axes, true = figure.subplots(2, len(maps), squeeze=False), maps["truth"].T / ms
    top = float(np.nanquantile(true, 0.99))
    for column, (method, values) in enumerate(maps.items()):
        image = values.T / ms
        axes[0, column].imshow(image, origin="lower", vmin=0, vmax=top)
        axes[0, column].set_title(method)
        axes[1, column].imshow(image - true, origin="lower", vmin=-top / 3, vmax=top / 3, cmap="RdBu")
    for row, label in zip(axes, (f"{name.upper()} in ms", "error in ms"), strict=True):
        figure.colorbar(row[0].images[0], ax=row, label=label)
    for ax in axes.ravel():
        ax.set_axis_off()
    figure.savefig(file, dpi=120)


def with_earlier(maps: dict[str, np.ndarray], file: Path, order: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The slices that are shown of maps, with those of other methods that the file holds from before, and kept there."""
    slices: dict[str, Any] = {name: values[SHOWN_SLICE] for name, values in maps.items()}
    if file.exists():
        with np.load(file) as stored:
            slices = dict(stored) | slices
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **slices)
    return {name: slices[name] for name in ("truth", *order) if name in slices}


def rows_of_maps(parameter: str, acceleration: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One for every method, and a figure where the acceleration is the largest."""
    if not (names := chosen(MAPPED[parameter], options)):
        return []
    maps = mapped(parameter, acceleration, options)
    slices = with_earlier(
        maps, options.runs / f"slices_{parameter}_{acceleration:g}{options.suffix}.npz", MAPPED[parameter]
    )
    if acceleration == max(options.accelerations):
        drawn(slices, parameter, options.out / f"relaxometry_{parameter}{options.suffix}.png")
    what = f"{parameter.upper()}, NRMSE in %"
    return [
        {"what": what, "method": name, "R": acceleration, "value": error(maps[name], maps["truth"])} for name in names
    ]


def rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One for every method and acceleration."""
    results = []
    for acceleration in options.accelerations:
        for parameter in MAPPED:
            results += rows_of_maps(parameter, acceleration, options)
        for name in chosen(RECONSTRUCTED, options):
            batch = scan("images", acceleration, options.quick)
            seen = {name: batch[name] for name in relaxometry.AXES}
            value = relaxometry.psnr(judged(name, acceleration, options)[2](seen), batch["images"])
            results.append({"what": "images, PSNR in dB", "method": name, "R": acceleration, "value": value})
    for name in chosen(FRACTIONS, options):
        evaluation, config, estimate = judged(name, None, options)
        report = evaluation.report(config, estimate, argparse.Namespace(voxels=2000, maps=None, snr=None))
        value = float(report.rows[0][1].split()[0])
        results.append({"what": "myelin water, RMSE in %", "method": name, "R": 1.0, "value": value})
    return results


def joined(earlier: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of now, and those of earlier for what was not judged again; maps, then images, then fractions."""
    key = lambda row: (row["what"], row["method"], row["R"])
    both = {key(row): row for row in earlier} | {key(row): row for row in now}
    order = lambda row: ("Tim".index(row["what"][0]), row["what"], METHODS.index(row["method"]), row["R"])
    return sorted(both.values(), key=order)


def markdown(results: list[dict[str, Any]]) -> str:
    """A row for each method, a column for each acceleration."""
    accelerations = sorted({row["R"] for row in results})
    lines = ["| what | method | " + " | ".join(f"R = {r:g}" for r in accelerations) + " |"]
    lines += ["|---|---|" + "---|" * len(accelerations)]
    for what, method in dict.fromkeys((row["what"], row["method"]) for row in results):
        of = {row["R"]: row["value"] for row in results if (row["what"], row["method"]) == (what, method)}
        cells = " | ".join(f"{of[r]:.2f}" if r in of else "" for r in accelerations)
        lines.append(f"| {what} | {method} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of every network; those of the smoke preset by default")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME", help="only these")
    parser.add_argument("--accelerations", nargs="+", type=float, default=ACCELERATIONS, metavar="R")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that the script runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trainings are kept")
    options = parser.parse_args()
    options.suffix = "-small" if options.quick else ""
    options.accelerations = options.accelerations[:1] if options.quick else options.accelerations
    options.out.mkdir(parents=True, exist_ok=True)
    results, file = rows(options), options.out / f"relaxometry_tables{options.suffix}.json"
    results = joined(json.loads(file.read_text())["results"] if file.exists() else [], results)
    known = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "device": jax.devices()[0].device_kind, "results": results}
    known |= {"versions": {"mrjax": mrjax.__version__, "jax": jax.__version__}, "steps": options.steps}
    file.write_text(json.dumps(known, indent=1))
    file.with_suffix(".md").write_text(HEADER + markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
