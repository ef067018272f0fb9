"""A learned schedule as files: CSV, Pulseq, pools, a figure and a report."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.table import Table

import mrjax as mr
from mrjax import zoo
from mrjax.cli.designs.folder import write_sequence
from mrjax.cli.designs.saturation_file import RINGDOWN
from mrjax.units import GAMMA, deg
from mrjax.zoo import saturation_transfer
from mrjax.zoo.saturation_transfer import PoolExperiment, Schedule, ScheduledNetwork

RASTER = 10e-6
"""In s, of the blocks of a Pulseq file."""

FLIP, CRUSHER = 1e-3, 5e-3
"""In s, of the file where the question has pulses and crushers that take no time."""

SHOWN = {
    "b1": ("B1", "uT", 1e-6),
    "offset_ppm": ("offset", "ppm", 1.0),
    "saturation_time": ("saturation", "s", 1.0),
    "recovery": ("recovery", "s", 1.0),
    "flip_angle": ("flip angle", "deg", deg),
}

N_TISSUES = 2000


@dataclasses.dataclass(frozen=True)
class Written:
    """Where files are, and what is printed."""

    paths: list[Path]
    table: Table


def require_influence(system: zoo.System, config: Any) -> None:
    """Refuse entries of the schedule that the loss does not depend on."""
    network: Any = system.network(config, nnx.Rngs(config.seed))
    batch = saturation_transfer.samples(network.scheduling, 8, config.seed).batch(0)
    mr.design.require_influence(network, network.schedule, saturation_transfer.estimation_error, batch)


def require_playable(system: zoo.System, config: Any) -> None:
    """Refuse a readout that no scanner plays, before the search."""
    network: Any = system.network(config, nnx.Rngs(config.seed))
    mr.Scanner().check(played(network.experiment, rounded(network.played())))


def played(experiment: PoolExperiment, schedule: Schedule) -> mr.Sequence:
    """What a scanner plays, in double precision: times of seconds have more digits on a raster than float32."""
    with jax.enable_x64(True):
        return mr.protocols.cest.played_fingerprinting(**with_a_readout(experiment).arguments(schedule))


def write(folder: Path, system: zoo.System, config: Any, network: ScheduledNetwork) -> Written:
    """Write schedule, sequence, pools, figure and report; returns their paths and a table."""
    scheduling = network.scheduling
    start = scheduling.played(scheduling.start)
    best, experiment = rounded(network.played()), scheduling.experiment
    tissues = saturation_transfer.unseen(scheduling, N_TISSUES, config.seed)
    found = saturation_transfer.scores(experiment, zoo.estimator(system, network)(tissues), tissues.tissue)
    paths = [folder / f"schedule.{end}" for end in ("csv", "seq")] + [folder / "pools.yaml", folder / "design.png"]
    arguments = {name: np.asarray(value) for name, value in experiment.arguments(best).items()}
    mr.io.write_schedule(paths[0], {name: arguments[name] for name in mr.io.schedule.COLUMNS.values()})
    with jax.enable_x64(True):
        change = write_sequence(paths[1], played(experiment, best), mr.Scanner(), _seen, B0=experiment.b0)
    paths[2].write_text(pools(experiment), encoding="utf-8")
    _figure(folder, start, best).savefig(paths[3], dpi=150)
    paths.append(folder / "design.md")
    table = _table(scheduling, start, best, found, config.steps)
    paths[-1].write_text(_report(scheduling, best, network.played(), config, table, change), encoding="utf-8")
    return Written(paths, table)


def rounded(schedule: Schedule) -> Schedule:
    """The schedule with times on the raster of a scanner, in double precision."""
    exact: Schedule = {name: np.asarray(value, float) for name, value in schedule.items()}
    return exact | {name: np.round(exact[name] / RASTER) * RASTER for name in ("saturation_time", "recovery")}


def with_a_readout(experiment: PoolExperiment) -> PoolExperiment:
    """The experiment with a readout pulse and crushers that take time, as scanners need."""
    times = {"flip_duration": FLIP, "crusher_duration": CRUSHER, "te": RINGDOWN}
    missing = {name: time for name, time in times.items() if getattr(experiment, name) == 0}
    return dataclasses.replace(experiment, **missing)


def pools(experiment: PoolExperiment) -> str:
    """The tissue in the middle of its ranges, as a YAML file of Pulseq-CEST."""
    middle = {name: (low + high) / 2 for name, (low, high) in experiment.limits.items()}
    values = {**dict(experiment.known), **middle}
    pool = {"f": "fraction", "t1": "pool_t1", "t2": "pool_t2", "k": "exchange_rate", "dw": "shift_ppm"}
    line = type(experiment.lineshape).__name__
    of_pool = ", ".join(f"{key}: {values[name]:.9e}" for key, name in pool.items())
    larmor = GAMMA["1H"] * experiment.b0 * 1e-6 / (2 * math.pi)
    return "\n".join(
        [
            "# the tissue in the middle of the ranges that a schedule was learned for",
            f"water_pool: {{f: 1.0, t1: {values['t1']:.9e}, t2: {values['t2']:.9e}}}",
            f"cest_pool: {{solute: {{{of_pool}}}}}"
            if experiment.lineshape is None
            else f"mt_pool: {{{of_pool}, lineshape: {line}}}",
            f"b0: {experiment.b0:g}",
            f"gamma: {GAMMA['1H'] * 1e-6:.10f}",
            f"b0_inhom: {values.get('off_resonance', 0.0) / larmor:.9g}",
            f"rel_b1: {values.get('b1', 1.0):g}",
            "reset_init_mag: false",
            "",
        ]
    )


def bounds(experiment: PoolExperiment, schedule: Schedule) -> dict[str, float]:
    """Root mean square over some tissues of the least relative deviation of each estimated parameter, all unknown."""
    with jax.enable_x64(True):
        exact = {name: jnp.asarray(np.asarray(value, float)) for name, value in schedule.items()}
        tissue = experiment.drawn(jax.random.key(0), 16)
        model = lambda parameters: experiment.magnitudes(exact, parameters)
        weights = dict.fromkeys(experiment.estimated, 1.0)
        at = tissue | {"m0": jnp.ones(16)}
        bound = mr.design.crlb(lambda _: model, at, noise_std=experiment.noise_std, weights=weights)
        return {name: float(jnp.sqrt(jnp.mean(one**2))) for name, one in bound.relative_deviation(None).items()}


def _table(scheduling: Any, start: Schedule, best: Schedule, found: Any, steps: int) -> Table:
    table = Table(title=f"schedule of {scheduling.n_images} images, learned in {steps} steps")
    for column in ("", "start", "learned"):
        table.add_column(column)
    for name in scheduling.bounds:
        label, unit, size = SHOWN[name]
        listed = [", ".join(f"{x / size:.3g}" for x in np.asarray(one[name], float)) for one in (start, best)]
        table.add_row(f"{label} ({unit})", *listed)
    table.add_row("duration (s)", *(f"{scheduling.duration(one):.2f}" for one in (start, best)))
    experiment = scheduling.experiment
    if scheduling.n_images > len(experiment.limits):  # fewer images cannot tell all that is unknown
        pair = [bounds(experiment, one) for one in (start, best)]
        for name in experiment.estimated:
            shown = [f"{100 * one[name]:.3g} %" if one[name] < 100 else "not told apart" for one in pair]
            table.add_row(f"least deviation, {name}", *shown)
    for name, error, correlation, bias in saturation_transfer.rows(experiment, found):
        table.add_row(f"network, {name}", "", f"{error} (r {correlation}, bias {bias})")
    return table


def _figure(folder: Path, start: Schedule, best: Schedule) -> Any:
    kept = mr.nn.History.read(folder / "log.jsonl").lines
    lines = [{"objective" if name == "loss" else name: line[name] for name in line if name != "time"} for line in kept]
    history = mr.nn.History(lines, None)
    result = mr.design.DesignResult(best, start, lines[-1]["objective"], history, "", {})
    changed = [name for name in SHOWN if np.any(np.asarray(start[name]) != np.asarray(best[name]))]
    return mr.plot.design(result, show=lambda design: {name: design[name] for name in changed})[0].figure


def _seen(sequence: mr.Sequence) -> Any:
    """The signal of two spins that are slightly off resonance."""
    return mr.simulate(sequence, mr.Tissue(1.0, 0.1, off_resonance=[5.0, -40.0]), mr.Isochromats())


def _report(scheduling: Any, best: Schedule, learned: Schedule, config: Any, table: Table, change: float) -> str:
    experiment = scheduling.experiment
    middle = {name: jnp.full(1, (low + high) / 2) for name, (low, high) in experiment.limits.items()}
    exact, unrounded = (
        np.asarray(experiment.magnitudes({name: jnp.asarray(value) for name, value in one.items()}, middle))
        for one in (best, learned)
    )
    rows = zip(*(column.cells for column in table.columns), strict=True)
    return "\n".join(
        [
            "# A schedule of saturation transfer",
            "",
            f"- Experiment: {saturation_transfer.described(scheduling)}",
            "- Objective: mean square error of what the network estimates, in units of half the width of each range: "
            f"{', '.join(experiment.estimated)}",
            f"- Seed {config.seed}, {config.steps} steps of {config.batch_size} tissues; scores are of {N_TISSUES} that were not "
            "among them",
            f"- Times are rounded to {RASTER * 1e6:g} us, which changes the images of the tissue in the middle by at most "
            f"{np.max(np.abs(exact - unrounded)):.1e} of M0",
            f"- `schedule.seq` plays a readout of {(experiment.flip_duration or FLIP) * 1e3:g} ms and crushers of "
            f"{(experiment.crusher_duration or CRUSHER) * 1e3:g} ms, with the dead times of pulses in what these take; its one "
            f"sample, {(experiment.te or RINGDOWN) * 1e6:g} us after the pulse, stands for a readout of yours; "
            f"the signal of a spin changes by {change:.1e} when it is read back",
            f"- mrjax {mr.__version__}",
            "",
            "| | start | learned |",
            "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )
