"""What do flip angles that are learned, too, add to a schedule of thirty CEST images?

    python -m benchmarks.cest_flip_angles [--steps 800] [--batch 64] [--seeds 3] [--runs build/cest_flip_angles] [--out FOLDER]

from the root of the repository, with the reference data in ../shared/data or where `MRJAX_DATA` says. The experiment is that of
`examples/design/settings/cest_flip_angles.yaml`: amide protons at 3 T, within the limits of SCONE, in the 105 s of a published
schedule (`2D_EPI_CEST.csv`: equal times, flip angles of 90 degrees). From the same random start powers, times and flip angles are
learned with a network; and, from one of 90 degrees, powers and times alone. For every schedule a network is then trained anew in
the same way, and judged on 4000 tissues that no training has seen. Finished trainings are kept in `--runs` and not repeated.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

import mrjax as mr
from mrjax import zoo
from mrjax.cli.designs import saturation_file
from mrjax.units import deg
from mrjax.zoo import saturation_transfer

SETTINGS = Path("examples/design/settings/cest_flip_angles.yaml")
PUBLISHED = "cest/schedules/2D_EPI_CEST.csv"
HIDDEN = 100


def trained(folder: Path, options: argparse.Namespace, seed: int, **changed: Any) -> tuple[zoo.System, Any]:
    """The network of a training that is finished, or is now; `changed` of the schedule, or what it `learns`."""
    system = zoo.system_called("saturation_schedule")
    asked = saturation_file.read(SETTINGS)
    learns = changed.pop("learns", "schedule")
    question = asked.question | {"schedule": asked.question["schedule"] | changed}
    training = asked.training | {"steps": options.steps, "batch_size": options.batch, "hidden": HIDDEN, "seed": seed}
    base = type(system.presets["smoke"])
    config = base(**training, question=saturation_transfer.as_text(question), learns=learns)
    network = zoo.load(folder)[2] if (folder / "weights.npz").exists() else zoo.trained(system, config, folder)
    return system, network


def read_anew(folder: Path, options: argparse.Namespace, seed: int, schedule: dict) -> dict[str, float]:
    """Errors of a network that is trained for a schedule which stays: of everything that is estimated, and its mean square."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "schedule.csv"
    if not file.exists():
        # the readout is part of the experiment, and what a file calls recovery is what is left without it
        columns = {name: value for name, value in schedule.items() if name != "recovery"}
        mr.io.write_schedule(file, columns | {"tr": schedule["saturation_time"] + schedule["recovery"]})
    system, network = trained(folder, options, seed, start=str(file.resolve()), learns="nothing", most_time=1000.0)
    scheduling = network.scheduling
    tissues = saturation_transfer.unseen(scheduling, 4000, seed)
    found = zoo.estimator(system, network)(tissues)
    scores = saturation_transfer.scores(scheduling.experiment, found, tissues.tissue)
    square, _ = saturation_transfer.estimation_error(network, tissues)
    errors = {name: one.mean_absolute_error for name, one in scores.items()}
    return {**errors, "square": float(square), "seconds": scheduling.duration(network.played())}


def compared(options: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """Every schedule by name."""
    place = options.runs / f"seed_{seed}"
    _, free = trained(place / "free", options, seed)
    _, fixed = trained(place / "of_90_degrees", options, seed, flip_angle=90 * deg)
    scheduling = free.scheduling
    published = saturation_transfer.schedule_from_file(Path(os.environ.get("MRJAX_DATA", "../shared/data")) / PUBLISHED)
    published["recovery"] = published["recovery"] - scheduling.experiment.readout_time
    schedules = {
        "published": published,
        "random": scheduling.played(scheduling.start),
        "learned, 90 degrees": fixed.played(),
        "learned, flip angles too": free.played(),
    }
    print(f"seed {seed}: flip angles", *(f"{angle:.0f}" for angle in np.asarray(free.played()["flip_angle"]) / deg))
    return {
        name: read_anew(place / f"reading_{name.replace(', ', '_').replace(' ', '_')}", options, seed, one)
        for name, one in schedules.items()
    }


def table(results: list[dict[str, dict[str, float]]]) -> str:
    """Means over seeds, with the least and the most."""
    lines = [
        "| schedule | time, s | fraction, 1e-6 | rate, 1/s | mean square, of half the ranges |",
        "|---|---|---|---|---|",
    ]
    for name in results[0]:
        columns = {key: np.array([one[name][key] for one in results]) for key in results[0][name]}
        shown = lambda values, digits: (
            f"{values.mean():.{digits}f} ({values.min():.{digits}f} to {values.max():.{digits}f})"
        )
        cells = [f"{columns['seconds'].mean():.1f}", shown(1e6 * columns["fraction"], 0)]
        cells += [shown(columns["exchange_rate"], 1), shown(columns["square"], 4)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Learn, train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("build/cest_flip_angles"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    results = [compared(options, seed) for seed in range(options.seeds)]
    text = (
        f"Mean absolute errors on 4000 unseen tissues, and the mean square; means over {options.seeds} seeds, from the least to "
        f"the most. {options.steps} steps of {options.batch} tissues for the search, and for each network.\n\n{table(results)}\n"
    )
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cest_flip_angles.md").write_text(text)


if __name__ == "__main__":
    main()
