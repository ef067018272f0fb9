"""How do BlochNet and its competitors compare, and what does refinement through the physics add?

    python -m benchmarks.mrf_tables [--steps 600] [--seeds 2] [--small] [--out benchmarks/results]

from the root of the repository. Trains every network on the published FISP schedule (table 1) and on two spline schedules
(table 2), tests all of them on FISP fingerprints of the brain phantom ("phantom") and of a labelled brain slice
("anatomy": brainweb2d in the folder that MRJAX_DATA names, `../shared/data` by default), and writes a table of log10 mean
square errors as JSON and Markdown. Finished trainings are kept in `--runs` and not repeated.

Scaled from the paper, which took 50 and 26 epochs of 160 batches of 1000: fewer steps for every network, smaller batches for
the recurrent decoder and for HYDRA, and a quarter of HYDRA's channels; `SCALED` says how much.
"""

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jax
import numpy as np
from scipy.io import loadmat

import mrjax
from mrjax import zoo
from mrjax.nn import History
from mrjax.units import ms
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import Estimate, FingerprintConfig, Voxels
from mrjax.zoo.methods import dictionary_matching

SCALED = {
    "FC": ("mrf_autoencoders", {"variant": "fc"}, 1.0),
    "RNN": ("mrf_autoencoders", {"variant": "rnn"}, 1.0),
    "HYDRA": ("hydra", {"narrowing": "4", "batch_size": "100"}, 0.25),
    "FC-FC": ("mrf_autoencoders", {"variant": "fc-fc"}, 1.0),
    "RNN-RNN": ("mrf_autoencoders", {"variant": "rnn-rnn", "batch_size": "100"}, 0.25),
    "DRONE": ("drone", {}, 1.0),
    "BlochNet": ("blochnet", {}, 1.0),
}
"""Each method's system, its settings, and the part of `--steps` that it is trained for."""

# labels of brain2D.mat with T1 and T2 in ms (KomaMRI's table, both fats as one); dura, marrow, vessels, skull are left out
LABELS = {23: (2569, 329), 46: (833, 83), 70: (500, 70), 93: (350, 70), 116: (900, 47), 139: (569, 329), 209: (350, 70)}
TEXTURE = 0.05


def anatomy(every: int = 5) -> Voxels:
    """Every so many voxels of the sagittal slice, its tissues with a texture of 5 %."""
    folder = Path(os.environ.get("MRJAX_DATA", "../shared/data"))
    labels = loadmat(folder / "brainweb2d" / "brain2D.mat")["sagittal"][::every, ::every].ravel()
    labels = labels[np.isin(labels, list(LABELS))]
    random = np.random.default_rng(1)
    t1, t2 = (ms * np.array([LABELS[label][i] for label in labels]) for i in range(2))
    t1, t2 = (t * np.exp(TEXTURE * random.standard_normal(t.size)) for t in (t1, t2))
    return Voxels(t1.astype(np.float32), np.minimum(t1, t2).astype(np.float32))


def trained(method: str, table: int, seed: int, options: argparse.Namespace) -> tuple[Estimate, float]:
    """A network's estimate, and the seconds from its first line in the log to its last."""
    name, settings, part = SCALED[method]
    system = zoo.system_called(name)
    steps = max(4, round(options.steps * part))
    changes = {**settings, "steps": str(steps), "seed": str(seed), "train_on": {1: "fisp", 2: "splines"}[table]}
    config = zoo.configured(system, "paper", changes)
    folder = options.runs / f"table{table}_{method}_{seed}_{steps}"
    network = zoo.trained(system, config, folder)
    _, times = History.read(folder / "log.jsonl").column("time")
    return zoo.estimator(system, network), times[-1] - times[0]


def scored(estimate: Estimate, sets: dict[str, Voxels], signals: dict[str, np.ndarray]) -> dict[str, dict]:
    """Scores on every test set, and the time per voxel of a second pass, when all is compiled."""
    result = {}
    for name, voxels in sets.items():
        fingerprints.score(estimate, voxels.parameters, signals[name])
        begin = time.perf_counter()
        scores = fingerprints.score(estimate, voxels.parameters, signals[name])
        elapsed = time.perf_counter() - begin
        result[name] = dataclasses.asdict(scores) | {"us_per_voxel": 1e6 * elapsed / scores.n_voxels}
    return result


def rows(options: argparse.Namespace) -> Iterator[dict]:
    """One for each table, method and seed, as they are finished."""
    sets = {
        "phantom": fingerprints.phantom(draws=1 if options.small else 2),
        "anatomy": anatomy(20 if options.small else 5),
    }
    decoder = fingerprints.fisp_decoder(FingerprintConfig())
    signals = {name: voxels.signals(decoder) for name, voxels in sets.items()}
    if not options.small:
        yield {"table": 0, "method": "DM", "seed": 0} | scored(
            dictionary_matching.estimator(FingerprintConfig()), sets, signals
        )
    for seed in range(options.seeds):
        for table in (1, 2):
            for method in SCALED:
                estimate, elapsed = trained(method, table, seed, options)
                row = {"table": table, "method": method, "seed": seed, "trained_s": elapsed}
                yield row | scored(estimate, sets, signals)
                if method == "BlochNet":
                    row |= {"method": "BlochNet, refined"}
                    yield row | scored(fingerprints.refined(estimate, decoder), sets, signals)


def markdown(results: list[dict]) -> str:
    """Mean and spread over seeds, for each table."""
    lines = []
    for table, title in ((1, "Table 1: trained on FISP"), (2, "Table 2: trained on two spline schedules")):
        lines += [
            f"**{title}, tested on FISP** (log10 mean square error, all voxels)",
            "",
            "| method | phantom | anatomy |",
        ]
        lines += ["|---|---|---|"]
        for method in ["DM", *SCALED, "BlochNet, refined"]:
            mine = [r for r in results if r["method"] == method and r["table"] in (0, table)]
            cells = [_cell([r[name]["all_voxels"] for r in mine]) for name in ("phantom", "anatomy")]
            lines += [f"| {method} | {' | '.join(cells)} |"]
        lines += [""]
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.1e}" if len(values) > 1 else ""
    return f"{np.mean(values):.2e}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--small", action="store_true", help="fewer voxels and no dictionary, to see that the script runs"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where trainings are kept")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = []
    for row in rows(options):
        results.append(row)
        print(
            row["table"],
            row["method"],
            row["seed"],
            *(f"{k} {row[k]['all_voxels']:.3e}" for k in ("phantom", "anatomy")),
        )
        device = jax.devices()[0].device_kind
        known = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "steps": options.steps, "device": device, "results": results}
        known |= {"versions": {"mrjax": mrjax.__version__, "jax": jax.__version__}}
        (options.out / "mrf_tables.json").write_text(json.dumps(known, indent=1))
        (options.out / "mrf_tables.md").write_text(markdown(results))


if __name__ == "__main__":
    main()
