"""How does the time of a FISP dictionary grow with voxels, repetitions and states, and its first call with repetitions?

    python -m benchmarks.scaling [--small] [--threads 1] [--plot]

One quantity at a time around 1000 voxels, 1000 repetitions and 20 states; writes results/scaling.json, and with
`--plot` results/scaling.png. States that cannot reach a sample of a short train are left out by mrjax, so the shortest
trains are cheaper than in proportion.
"""

import json
from pathlib import Path

from benchmarks import fisp
from benchmarks.measuring import Numbers, compiled, parser, report

RESULTS = Path(__file__).with_name("results")
BASE = {"voxels": 1000, "repetitions": 1000, "states": 20}
GRID = {
    "voxels": (10, 100, 1000, 10_000),
    "repetitions": (10, 100, 1000, 10_000),
    "states": (10, 100, 1000),
}
SMALL_BASE = {"voxels": 100, "repetitions": 50, "states": 20}
SMALL_GRID = {"voxels": (10, 100), "repetitions": (10, 50), "states": (10, 20)}

Series = dict[str, list[Numbers]]


def point(voxels: int, repetitions: int, states: int) -> Numbers:
    size = {"voxels": voxels, "repetitions": repetitions, "states": states}
    return size | fisp.timed(voxels, states, repetitions)


def series(base: dict[str, int], grid: dict[str, tuple[int, ...]]) -> Series:
    fisp.signal(*fisp.inputs(2, 3), 2)  # the first call of a process also starts the backend
    return {name: [point(**{**base, name: value}) for value in values] for name, values in grid.items()}


def line(axes, values: list[int], times: list[float], unit: str, label: str) -> None:
    """Times on two logarithmic axes, and a thin line in proportion through the last of them."""
    axes.loglog(values, times, "o-")
    axes.loglog(values, [times[-1] * value / values[-1] for value in values], "k:", linewidth=0.7)
    axes.set_xlabel(f"{unit} (number)")
    axes.set_ylabel(f"{label} (s)")


def plot(found: Series, target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(9, 7), layout="constrained")
    shown = [(name, "median_s", "time of a call") for name in found]
    shown.append(("repetitions", "first_s", "time of the first call"))
    for axes, (name, quantity, label) in zip(panels.flat, shown, strict=True):
        points = found[name]
        line(axes, [p[name] for p in points], [p[quantity] for p in points], name, label)
    figure.savefig(target, dpi=150)
    pyplot.close(figure)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--plot", action="store_true")
    chosen = arguments.parse_args()
    base, grid = (SMALL_BASE, SMALL_GRID) if chosen.small else (BASE, GRID)
    found = series(base, grid)
    RESULTS.mkdir(exist_ok=True)
    name = "scaling-small" if chosen.small else "scaling"
    (RESULTS / f"{name}.json").write_text(json.dumps({"base": base, "series": found}, indent=1) + "\n")
    if chosen.plot:
        plot(found, RESULTS / f"{name}.png")
    report(at_base(base), series=found)


def at_base(base: dict[str, int]) -> Numbers:
    arguments = fisp.inputs(base["voxels"], base["repetitions"])
    _, cost = compiled(lambda *args: fisp.signal(*args, base["states"]), *arguments)
    return {"job": "scaling", **point(**base), **cost}


if __name__ == "__main__":
    main()
