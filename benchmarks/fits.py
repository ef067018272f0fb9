"""How many voxels does a CPU second fit, for every signal model?

    python -m benchmarks.fits [--only vfa t2 ...] [--threads 1] [--quick] [--table]

Random voxels with noise of a fiftieth of the largest signal, less where a model needs it, in single precision, fitted with their
standard deviations. CPU seconds are those of all cores together, of the fastest of 3 calls after the first. What is found goes to
results/fits.json; results/fits.md shows it beside what each model needs and gives, as the models themselves declare it. `--table`
writes that table alone; `--quick` fits a hundredth of the voxels, to see that it runs, and writes nothing. No test asserts any of
these times.
"""

import argparse
import dataclasses
import inspect
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.fit_cases import CASES, Case
from mrjax.inverse import FitStatus
from mrjax.signals import models

RESULTS = Path(__file__).parent / "results" / "fits.json"
REPEATS = 3
MOST_SHOWN = 10
INTRODUCTION = """# Signal models: needs, gives, speed

What each model of `mrjax.signals.models` has to be told, and what a fit then gives in every voxel, beside standard deviations,
residual and status. Needs in [brackets] may be maps, and have defaults; what is given without a unit is relative, or in that of
the data. The last columns say how many voxels a CPU second fits, how many of them converged, and how long the first call takes,
which compiles. `python -m benchmarks.fits` times the fits and writes this page, `--table` the page alone.
"""


def voxels(case: Case, n: int) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """True parameters, signals with noise, and its standard deviation."""
    rng = np.random.default_rng(0)
    truth = {name: rng.uniform(low, high, n).astype(np.float32) for name, (low, high) in case.voxels.items()}
    signals = np.asarray(case.model(jax.tree.map(jnp.asarray, truth)))
    noise_std = float(np.abs(signals).max()) / case.signal_to_noise
    noise = rng.standard_normal(signals.shape)
    if np.iscomplexobj(signals):
        noise = noise + 1j * rng.standard_normal(signals.shape)
    return truth, (signals + noise_std * noise).astype(signals.dtype), noise_std


def timed(case: Case, n: int) -> dict[str, Any]:
    """Voxels per CPU second, how many converged, and how long the first call takes."""
    truth, data, noise_std = voxels(case, n)
    data = jnp.asarray(data)

    def fitted() -> tuple[float, float, Any]:
        wall, cpu = time.perf_counter(), time.process_time()
        fit = jax.block_until_ready(case.fit(case.model, data, noise_std=noise_std))
        return time.process_time() - cpu, time.perf_counter() - wall, fit

    first, later = fitted(), [fitted() for _ in range(REPEATS)]
    cpu, wall, fit = min(later, key=lambda one: one[0])
    parameter = next(iter(truth))
    error = np.abs(np.asarray(fit.parameters[parameter]) / truth[parameter] - 1)
    return {
        "voxels": n,
        "voxels_per_cpu_second": float(f"{n / cpu:.3g}"),
        "cpu_s": round(cpu, 3),
        "wall_s": round(wall, 3),
        "first_call_s": round(first[1], 1),
        "converged_percent": round(100 * float(np.mean(np.asarray(fit.status) == FitStatus.CONVERGED)), 1),
        f"median_error_of_{parameter}_percent": round(100 * float(np.nanmedian(error)), 2),
    }


def needs(kind: type[models.SignalModel]) -> str:
    """What a model has to be told, as it declares it."""
    shown = []
    for field in dataclasses.fields(kind):
        if "unit" in field.metadata:
            unit = f" ({field.metadata['unit']})" if field.metadata["unit"] else ""
            text = f"`{field.name}`{unit}"
            shown.append(f"[{text}]" if field.metadata["per_voxel"] else text)
    return ", ".join(shown)


def gives(model: models.SignalModel) -> str:
    """What it finds in each voxel, as it declares it; of many parameters the first ones and the last."""
    unit = lambda one: "" if one.unit in ("", "signal") else f" ({one.unit})"
    named = [f"`{one.name}`{unit(one)}" for one in model.parameters]
    if len(named) > MOST_SHOWN:
        named = [*named[:3], "...", f"{named[-1]}: {len(named)} in all"]
    return ", ".join(named)


def ready_models() -> list[type[models.SignalModel]]:
    """All that `mrjax.signals.models` offers."""
    classes = (kind for _, kind in inspect.getmembers(models, inspect.isclass))
    return [kind for kind in classes if issubclass(kind, models.SignalModel) and kind is not models.SignalModel]


def table(found: dict[str, Any]) -> str:
    """In Markdown: what each model needs, gives, and how fast it is fitted."""
    lines = [
        INTRODUCTION,
        f"{found.get('machine', 'Not timed yet')}.",
        "",
        "| model | needs | gives | tried on | voxels per CPU second | converged | first call |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        one = found["cases"].get(name)
        start = f"| `{type(case.model).__name__}` | {needs(type(case.model))} | {gives(case.model)} | {case.title} |"
        speed = "| not timed | | |"
        if one is not None:
            goal = f" (goal {case.goal:,.0f})" if case.goal else ""
            speed = f"| {one['voxels_per_cpu_second']:,.0f}{goal} | {one['converged_percent']} % | {one['first_call_s']} s |"
        lines.append(f"{start[:-2]} {speed}")
    cased = {type(case.model) for case in CASES.values()}
    for kind in ready_models():
        if kind not in cased:
            lines.append(f"| `{kind.__name__}` | {needs(kind)} | `print(model)` says | | not timed | | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES)
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    parser.add_argument("--quick", action="store_true", help="few voxels, and nothing is written")
    parser.add_argument("--table", action="store_true", help="write the table again, and time nothing")
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cases": {}}
    if not options.table:
        from benchmarks.__main__ import machine

        found["machine"] = ", ".join(str(value) for value in machine().values())
        for name in options.only or CASES:
            n = CASES[name].n_voxels
            found["cases"][name] = timed(CASES[name], max(n // 100, 100) if options.quick else n)
            print(name, json.dumps(found["cases"][name]), flush=True)
            if not options.quick:
                RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    if not options.quick:
        RESULTS.with_suffix(".md").write_text(table(found))


if __name__ == "__main__":
    main()
