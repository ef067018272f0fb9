"""Does a learned schedule of CEST images tell concentration and exchange rate better than others of the same time?

    python -m benchmarks.autocest [--steps 2000] [--small] [--runs build/autocest] [--out benchmarks/results]

from the root of the repository, with the reference data in ../shared/data or where `MRJAX_DATA` says. Simulated phantoms of
L-arginine at 9.4 T: ten images in 35.2 s, with noise. `auto_cest` learns the powers, saturation times and recoveries together
with a network. For every schedule, that one too, a network is then trained anew in the same way, and judged on tissues that no
training has seen: draws from the whole range, and vials of given concentrations and rates. The Cramér-Rao bound judges the
schedules without any network. Finished trainings are kept in `--runs` and not repeated.

Schedules: one image ten times; one drawn at random within the limits, at which the learned one starts; those published for the
amine protons and for others (Perlman 2022; they were learned for 9.4 T, for other tissues and offsets, and are played at 3 ppm
here); the first ten powers of the schedule that the dictionaries of L-arginine were made for (Cohen 2018), at the same times.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from matplotlib.figure import Figure

import mrjax as mr
from mrjax import zoo
from mrjax.zoo import saturation_transfer
from mrjax.zoo.saturation_transfer import Agreement, Scheduling

AMINE = (2.79, 4.08, 6.00, 0.0, 1.76, 1.43, 4.04, 0.0, 4.02, 1.37)
"""Published powers in uT for 2.75 ppm, with TR 3.52 s and 2.5 s of saturation."""

FILES = {"amide, published": "222_bsa_amide_3p5ppm_9.4T.csv"}

VIALS = {
    "t1": (2.8,),
    "t2": (0.9,),
    "exchange_rate": (200.0, 400.0, 800.0),
    "fraction": tuple(c * saturation_transfer.MILLIMOLAR for c in (25.0, 50.0, 100.0)),
}

N_VOXELS = 100

READING = 0.5
"""Of the steps of the search, for the networks that are then trained on each schedule."""


def schedules(folder: Path, learned: dict) -> dict[str, dict]:
    """All schedules by name, ten images of 3.52 s with 2.5 s of saturation where they have no times of their own."""
    constant = saturation_transfer.constant_schedule(10, b1=3e-6, offset_ppm=3.0, saturation_time=2.5, recovery=1.02)
    at = lambda powers: constant | {"b1": jnp.asarray(powers, jnp.float32)}
    system = zoo.system_called("auto_cest")
    network: Any = system.network(zoo.configured(system, "smoke", {"learns": "nothing"}), nnx.Rngs(0))
    cohen = json.loads((folder / "larg_cest_mrf_protocol.json").read_text())["B1_uT"][:10]
    files = {name: mr.io.read_schedule(folder / file)["b1"] for name, file in FILES.items()}
    return {
        "learned": learned,
        "drawn at random": network.played(),
        "amine, published": at(1e-6 * np.array(AMINE)),
        "one image ten times": constant,
        "first ten of CEST-MRF": at(1e-6 * np.array(cohen)),
        **{name: at(powers) for name, powers in files.items()},
    }


def trained(folder: Path, settings: dict[str, str]) -> tuple:
    """The network of a training that is finished, or is now."""
    system = zoo.system_called("auto_cest")
    config = zoo.configured(system, "paper", settings)
    if not (folder / "weights.npz").exists():
        zoo.trained(system, config, folder)
    return zoo.load(folder)


def judged(system, network) -> dict[str, dict[str, Agreement]]:
    """Scores on tissues of the whole range and in the vials."""
    scheduling, estimate = network.scheduling, zoo.estimator(system, network)
    tissues = {
        "whole range": saturation_transfer.unseen(scheduling, 4000, 0),
        "vials": saturation_transfer.vials(scheduling.experiment, VIALS, N_VOXELS, scheduling.n_images, seed=1),
    }
    return {
        name: saturation_transfer.scores(scheduling.experiment, estimate(samples), samples.tissue)
        for name, samples in tissues.items()
    }


def bound(scheduling: Scheduling, schedule: dict) -> dict[str, float]:
    """Root mean square of the least standard deviations in the vials, of each parameter in its unit; T1, T2 and M0 unknown."""
    experiment = scheduling.experiment
    with jax.enable_x64(True):
        exact = {name: jnp.asarray(np.asarray(value, float)) for name, value in schedule.items()}
        tissue = saturation_transfer.vials(experiment, VIALS, 1, scheduling.n_images, seed=0).tissue
        model = lambda parameters: experiment.magnitudes(exact, parameters)
        at = tissue | {"m0": jnp.ones_like(tissue["t1"])}
        relative = mr.design.crlb(lambda _: model, at, noise_std=experiment.noise_std).relative_deviation(None)
        return {
            name: float(jnp.sqrt(jnp.mean((relative[name] * tissue[name] / experiment.show(name).size) ** 2)))
            for name in experiment.estimated
        }


def table(rows: dict[str, tuple[dict, dict, float]]) -> str:
    """A row for each schedule."""
    columns = ("schedule", "time, s")
    columns += tuple(f"{what}: {unit}" for what in ("bound, vials", "vials", "whole range") for unit in ("mM", "1/s"))
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, (scores, least, seconds) in rows.items():
        cells = [name, f"{seconds:.1f}", f"{least['fraction']:.2f}", f"{least['exchange_rate']:.1f}"]
        for which in ("vials", "whole range"):
            for parameter, digits in (("fraction", 2), ("exchange_rate", 1)):
                one = scores[which][parameter]
                cells.append(f"{one.mean_absolute_error:.{digits}f} ({one.correlation:.3f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(start: dict, learned: dict, path: Path) -> None:
    """What is learned, before and after."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    shown = {"b1": ("B1 (uT)", 1e6), "saturation_time": ("saturation (s)", 1.0), "recovery": ("recovery (s)", 1.0)}
    panels = figure.subplots(1, 3)
    for axes, (name, (label, factor)) in zip(panels, shown.items(), strict=True):
        for schedule, style in ((start, {"color": "0.6", "label": "start"}), (learned, {"label": "learned"})):
            axes.plot(np.arange(1, 11), factor * np.asarray(schedule[name]), marker="o", **style)
        axes.set_xlabel("image")
        axes.set_ylabel(label)
    panels[0].legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Learn, train, judge, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--small", action="store_true", help="60 steps, to see that it runs")
    parser.add_argument("--schedules", nargs="+", metavar="NAME", help="these alone, such as 'amine, published'")
    parser.add_argument("--runs", type=Path, default=Path("build/autocest"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    folder = Path(os.environ.get("MRJAX_DATA", "../shared/data")) / "cest/schedules"
    steps = 60 if options.small else options.steps
    _, _, joint = trained(options.runs / "learned_with_its_network", {"steps": str(steps)})
    rows, all_schedules = {}, schedules(folder, joint.played())
    for name, schedule in all_schedules.items():
        if options.schedules and name not in options.schedules:
            continue
        place = options.runs / name.replace(",", "").replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        file = place / "schedule.csv"
        if not file.exists():
            tr = schedule["saturation_time"] + schedule["recovery"]
            mr.io.write_schedule(file, {**{k: v for k, v in schedule.items() if k != "recovery"}, "tr": tr})
        settings = {"steps": str(round(READING * steps))}
        system, _, network = trained(place, settings | {"learns": "nothing", "start": str(file)})
        scheduling = network.scheduling
        rows[name] = judged(system, network), bound(scheduling, network.played()), scheduling.duration(network.played())
        write(options.out, joint, rows, steps)
    draw(all_schedules["drawn at random"], all_schedules["learned"], options.out / "autocest.png")


def write(out: Path, joint: Any, rows: dict, steps: int) -> None:
    """Print and keep what has been judged so far."""
    text = (
        "Mean absolute error, with the correlation in parentheses; the bound is the least standard deviation of an unbiased "
        f"estimate.\n\n{table(rows)}\n\n{joint.scheduling.n_images} images with noise of "
        f"{joint.experiment.noise_std:g} of M0; {steps} steps of the search, {READING * steps:.0f} of each network.\n"
    )
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "autocest.md").write_text(text)


if __name__ == "__main__":
    main()
