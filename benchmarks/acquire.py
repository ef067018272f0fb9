"""How long does an image take, beside its brute-force path and the arithmetic that is needed at least?

    python -m benchmarks.acquire [--only gre_epi_512 ...]

Every case on one core and on two, in a process of its own, one after the other, at best on an idle machine. What is found goes to
results/acquire.json, and results/acquire.md shows it as a table. The cases of files need the reference data (`MRJAX_DATA`, or
../shared/data). No test asserts any of these times.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "acquire.json"
LIMIT = 900  # s, for one process
REPEATS = 5

FOV = 0.22


def grid(n: int, off_resonance: float = 100.0) -> Any:
    """A round object on n x n spins, its field smooth."""
    import numpy as np

    import mrjax as mr

    place = ((np.arange(n) - n // 2) / n * FOV).astype(np.float32)
    x, y = np.meshgrid(place, place, indexing="ij")
    inside = np.hypot(x, y) < 0.09
    m0 = np.where(inside, 1 + 0.3 * np.sin(60 * x) * np.cos(50 * y), 0.0)
    t2 = 0.05 + 0.05 * (np.sin(40 * x + 30 * y) + 1)
    field = off_resonance * np.sin(20 * x + 15 * y)
    b1 = 1 - 3 * (x**2 + y**2)
    maps = (values.astype(np.float32) for values in (0.5 + 5 * t2, t2, m0, field, b1))
    t1, t2, m0, field, b1 = maps
    return mr.Tissue(t1, t2, m0, off_resonance=field, b1=b1, x=place[:, None], y=place)


def protocol(name: str, n_spins: int, **arguments: Any) -> tuple[Any, Any, None]:
    import mrjax as mr

    return getattr(mr.protocols.imaging, name)(FOV, **arguments), grid(n_spins), None


def file(name: str) -> tuple[Any, Any, Any]:
    import numpy as np

    import mrjax as mr

    folder = Path(os.environ.get("MRJAX_DATA", ROOT.parent / "shared" / "data")) / "imaging"
    arrays = np.load(folder / f"{name}.npz")
    own = {key: arrays[key].astype(np.float32) for key in ("t1", "t2", "off_resonance", "b1", "x", "y", "z")}
    sequence = mr.pulseq.to_sequence(mr.pulseq.read(folder / f"{name}.seq"))
    return sequence, mr.Tissue(m0=arrays["pd"].astype(np.float32), **own), arrays["coils"].astype(np.complex64)


CASES: dict[str, tuple[Callable[[], tuple[Any, Any, Any]], str]] = {
    "spiral_8shot_80": (lambda: file("spiral_8shot_80"), "6,467 spins, 8 x 1200 samples of a spiral"),
    "gre_epi_101": (
        lambda: protocol("gre_epi", 100, matrix=(101, 101), flip_angle=1.2),
        "10,000 spins, 101 x 101 GRE-EPI",
    ),
    "gre_epi_512": (
        lambda: protocol("gre_epi", 512, matrix=(128, 128), flip_angle=1.2),
        "512 x 512 spins, 128 x 128 GRE-EPI",
    ),
    "moled_512": (
        lambda: protocol("moled", 512, matrix=(128, 128), acceleration=2),
        "512 x 512 spins, 128 x 64 MOLED",
    ),
    "fse_512": (
        lambda: protocol("fse", 512, matrix=(128, 128), echo_spacing=10e-3, n_echoes=16),
        "512 x 512 spins, 8 x 16 echoes of FSE",
    ),
    "gradient_256": (
        lambda: protocol("gre_epi", 256, matrix=(128, 128), flip_angle=1.2),
        "value and gradient in maps of M0, T2 and off-resonance, 256 x 256 spins",
    ),
}
"""Sequence, object and coils of each."""


def timed(call: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, float]:
    """The first call and the fastest of several after it, in s."""
    start = time.perf_counter()
    call()
    first, later = time.perf_counter() - start, []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        later.append(time.perf_counter() - start)
    return first, min(later)


def floor(plan: Any, tissue: Any, n_cores: int) -> float:
    r"""Time in s that the arithmetic takes at the speed of a product of matrices.

    In each block every spin precesses to its middle (25 operations: a cosine, a sine, an exponential and two products of complex
    numbers), and is added to its place for each instant (8). Samples that are no line need a product for each of them. Each
    place of a line is turned for each sample (25) and added (8 for each instant). In each row a spin precesses (25 + 10) and is
    mapped (24); RF in steps takes 4 columns of 40 operations for each step of each spin.
    """
    samples, table = plan.acquisition.samples, plan.acquisition.table
    n_columns, n_places = plan.columns.spin.shape
    n_spins = n_columns * n_places
    operations = 0.0
    for blocks in samples.blocks:
        n_blocks, n_samples, n_points = blocks.weight.shape
        operations += n_blocks * n_spins * (25 + 8 * (n_points if blocks.are_lines else n_points * (n_samples + 1)))
        operations += n_blocks * n_samples * n_places * (25 + 8 * n_points)
    operations += table.rows.duration.shape[0] * n_spins * 59
    steps = sum(len(numbers) * (size - 3) // 8 for (kind, size), numbers in table.changes.items() if kind == "steps")
    operations += 160 * steps * n_spins
    return operations / (speed_of_products() * n_cores)


def speed_of_products() -> float:
    """Operations of a core in a second, in a product of matrices."""
    import numpy as np

    a, n = np.random.default_rng(0).normal(size=(768, 768)).astype(np.float32), 768
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    _, later = timed(lambda: a @ a, 10)
    return 2 * n**3 / later / threads


def plan_of(sequence: Any, tissue: Any) -> Any:
    import mrjax as mr
    from mrjax.physics.execution.prepared import Options
    from mrjax.physics.isochromats.images.spin_sum import SpinSum
    from mrjax.physics.simulation import valid_sequence

    engine, _, order = mr.Isochromats().in_rows(valid_sequence(sequence), tissue, None, always=True)
    assert order is not None, "images have readouts"
    return SpinSum.of(engine, order, tissue, 1e-5, Options(engine, mr.gradient.Checkpoints(), None, None, False))


def image(name: str, n_cores: int) -> dict:
    import numpy as np

    import mrjax as mr

    sequence, tissue, coils = CASES[name][0]()
    fast = lambda: np.asarray(mr.acquire(sequence, tissue, coils=coils))
    first, later = timed(fast)
    found = {"first": first, "later": later, "floor": floor(plan_of(sequence, tissue), tissue, n_cores)}
    start = time.perf_counter()
    exact = np.asarray(mr.acquire(sequence, tissue, coils=coils, tolerance=0))
    found["brute"] = time.perf_counter() - start
    if found["brute"] < 20:
        found["brute"] = timed(lambda: np.asarray(mr.acquire(sequence, tissue, coils=coils, tolerance=0)), 2)[1]
    difference = np.abs(fast() - exact)
    found["error"] = float(difference.max() / np.abs(exact).max())
    found["psnr"] = float(20 * np.log10(np.abs(exact).max() / np.sqrt(np.mean(difference**2))))
    return found


def gradient(name: str) -> dict:
    import jax
    import jax.numpy as jnp

    import mrjax as mr
    from mrjax.sequence.base import with_fields

    sequence, tissue, _ = CASES[name][0]()
    due = 0.9 * mr.acquire(sequence, tissue)
    maps = {key: getattr(tissue, key) for key in ("m0", "t2", "off_resonance")}

    def loss(maps: dict) -> Any:
        return jnp.mean(jnp.abs(mr.acquire(sequence, with_fields(tissue, maps)) - due) ** 2)

    value, both = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
    first_value, later_value = timed(lambda: jax.block_until_ready(value(maps)))
    first, later = timed(lambda: jax.block_until_ready(both(maps)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"first": first, "later": later, "value": later_value, "first_value": first_value, "bytes": memory}


def child(name: str, n_cores: int) -> None:
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:n_cores]))
    warnings.simplefilter("ignore")
    print(json.dumps(gradient(name) if name.startswith("gradient") else image(name, n_cores)))


def measured(name: str, n_cores: int) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.acquire", "--child", name, str(n_cores)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return {"error_of_process": type(error).__name__}
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(found: dict) -> str:
    lines = [
        "# Images: `python -m benchmarks.acquire`",
        "",
        f"{found['machine']}.",
        f"Single precision; times in s, the fastest of {REPEATS} calls after the first. The floor is derived in",
        "`benchmarks/acquire.py`, at the speed of a product of matrices measured in the same process; the error is the largest,",
        "relative to the largest sample.",
        "",
        "| case | cores | first call | later | brute force | times faster | floor | times the floor | PSNR in dB | error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, one in found["cases"].items():
        name, cores = key.split("/")
        if "later" not in one or name.startswith("gradient"):
            continue
        lines.append(
            f"| {CASES[name][1]} | {cores} | {one['first']:.1f} | {one['later']:.3f} | {one['brute']:.2f} | "
            f"{one['brute'] / one['later']:.0f} | {one['floor']:.3f} | {one['later'] / one['floor']:.1f} | {one['psnr']:.0f} | "
            f"{one['error']:.0e} |"
        )
    lines += [
        "",
        "| derivatives | cores | first call | later | value alone | times the value | memory of the process |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for key, one in found["cases"].items():
        name, cores = key.split("/")
        if name.startswith("gradient") and "later" in one:
            lines.append(
                f"| {CASES[name][1]} | {cores} | {one['first']:.1f} | {one['later']:.3f} | {one['value']:.3f} | "
                f"{one['later'] / one['value']:.1f} | {one['bytes'] / 2**30:.2f} GiB |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--only", nargs="+", choices=CASES)
    parser.add_argument("--child", nargs=2)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], int(arguments.child[1]))
        return
    from benchmarks.__main__ import machine

    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cases": {}}
    found["machine"] = ", ".join(str(value) for value in machine().values())
    for name in arguments.only or CASES:
        for n_cores in (1, 2):
            found["cases"][f"{name}/{n_cores}"] = measured(name, n_cores)
            print(name, n_cores, found["cases"][f"{name}/{n_cores}"], flush=True)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(table(found))


if __name__ == "__main__":
    main()
