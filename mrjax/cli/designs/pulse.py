"""`mrjax design pulse`: a pulse by gradient descent, from what it is to do to which spins."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.cli import quantities
from mrjax.cli.designs import folder as folders
from mrjax.cli.designs.configuration import Entry, one_of
from mrjax.cli.designs.pulse_figure import figure
from mrjax.units import GAMMA_BAR, ms, us

GAMMA = GAMMA_BAR["1H"]
OUTERMOST = 1.5
"""Where positions end, in thicknesses from the middle."""

ENTRIES = (
    Entry("kind", one_of("excitation", "refocusing", "inversion"), "excitation", "what the pulse is for"),
    Entry("flip_angle", quantities.angle, "90deg", "of the spins that it is for", is_positive=True),
    Entry("duration", quantities.time, "4ms", "of the pulse", is_positive=True),
    Entry("dt", quantities.time, "20us", "of one sample", is_positive=True),
    Entry(
        "slice_thickness",
        quantities.length,
        None,
        "of the slice; null for a pulse without a gradient",
        is_positive=True,
    ),
    Entry("time_bandwidth_product", float, 4.0, "of each lobe of the slice gradient", is_positive=True),
    Entry("transition", float, 0.3, "width of the edges of the slice, relative to its thickness"),
    Entry(
        "lobes",
        int,
        1,
        "of the slice gradient; several, of alternating sign, for a pulse that knows frequencies",
        is_positive=True,
    ),
    Entry("positions", int, 61, "of spins, over three thicknesses", is_positive=True),
    Entry("off_resonance", quantities.frequency, ("0Hz", "0Hz"), "of the spins that it is for, from and to", 2),
    Entry("stop_off_resonance", quantities.frequency, None, "of spins that are to be left alone, from and to", 2),
    Entry("frequencies", int, 5, "in each band that is not one frequency", is_positive=True),
    Entry("b1", float, (1.0, 1.0), "relative transmit field of the spins, from and to", 2),
    Entry("fields", int, 5, "of transmit fields, where they are not one", is_positive=True),
    Entry("max_b1", quantities.rf_field, "20uT", "that is never exceeded", is_positive=True),
    Entry("energy", float, 0.0, "weight of the mean squared field relative to max_b1"),
    Entry("max_gradient", quantities.gradient, "40mT/m", "of the scanner", is_positive=True),
    Entry("max_slew", quantities.slew_rate, "150T/m/s", "of the scanner", is_positive=True),
    Entry("scramble", float, 0.05, "noise on the samples of the start, relative to their mean magnitude"),
    Entry("seed", int, 0, "of that noise"),
    Entry("steps", int, 300, "of the search", is_positive=True),
)


def searched(settings: dict[str, Any], folder: Path) -> tuple[str, list[Path]]:
    """Design a pulse and write it; returns why the search ended, and what was written."""
    scanner = _scanner(settings)
    task = task_of(settings, scanner)
    start = start_of(settings, task)
    terms = {"error": (1.0, task.error)}
    if settings["energy"] > 0:
        terms["energy"] = (settings["energy"], task.energy)
    limit = (-task.max_b1, task.max_b1)
    bounds: dict[str, Any] = {"real": limit, "imaginary": limit}
    if "rephasing" in start:
        most = _largest_rephasing(scanner)
        bounds["rephasing"] = (-most, most)
    result = mr.design.optimise(
        mr.design.weighted_sum(terms),
        start,
        free=lambda design: design,
        bounds=bounds,
        steps=settings["steps"],
        folder=folder,
        checkpoint_every=25,
    )
    return result.reason, _written(settings, task, scanner, result, folder)


def task_of(settings: dict[str, Any], scanner: mr.Scanner) -> mr.design.PulseTask:
    """What the settings ask for."""
    n_samples = round(settings["duration"] / settings["dt"])
    if n_samples < 2 or abs(n_samples * settings["dt"] - settings["duration"]) > 1e-9:
        raise ValueError("duration must be a multiple of dt, and hold at least two samples.")
    gradient, times, start = _gradient(settings, scanner)
    return mr.design.PulseTask(
        kind=settings["kind"],
        flip_angle=settings["flip_angle"],
        n_samples=n_samples,
        dt=settings["dt"],
        gradient=gradient,
        gradient_times=times,
        pulse_start=start,
        max_b1=settings["max_b1"],
        **spins_of(settings),
    )


def spins_of(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Places, frequencies and transmit fields, and what each is to see."""
    band = lambda pair, n: np.linspace(pair[0], pair[1], n if pair[0] != pair[1] else 1)
    passed = band(settings["off_resonance"], settings["frequencies"])
    stopped = (
        [] if settings["stop_off_resonance"] is None else band(settings["stop_off_resonance"], settings["frequencies"])
    )
    frequency = np.concatenate([passed, stopped])
    for_it = np.arange(frequency.size) < passed.size
    b1 = band(settings["b1"], settings["fields"])
    thickness = settings["slice_thickness"]
    place = np.zeros(1)
    if thickness is not None:
        place = np.linspace(-OUTERMOST, OUTERMOST, settings["positions"]) * thickness
    grid = np.meshgrid(place, frequency, b1, indexing="ij")
    wanted = np.broadcast_to(for_it[None, :, None], grid[0].shape).astype(float)
    weights = np.ones_like(wanted)
    if thickness is not None:
        distance = np.abs(grid[0]) / (thickness / 2)
        weights = np.where(np.abs(distance - 1) < settings["transition"], 0.0, 1.0)
        wanted = wanted * (distance < 1)
    return {"position": grid[0], "off_resonance": grid[1], "b1": grid[2], "wanted": wanted, "weights": weights}


def start_of(settings: dict[str, Any], task: mr.design.PulseTask) -> dict[str, Any]:
    """A sinc along the k-space of each lobe, under a bell, or a block without a gradient; with noise."""
    time = (np.arange(task.n_samples) + 0.5) * task.dt
    samples = np.ones(task.n_samples)
    if task.gradient is not None:
        played = np.interp(task.pulse_start + time, task.gradient_times, task.gradient)
        lobe = settings["duration"] / settings["lobes"]
        within = time / lobe % 1 - 0.5
        samples = np.abs(played) * np.sinc(settings["time_bandwidth_product"] * within) * np.cos(np.pi * within)
        if settings["lobes"] > 1:
            samples = samples * np.sin(np.pi * time / settings["duration"])
    samples = samples * task.nominal_block() / np.mean(samples)
    noise = (
        settings["scramble"]
        * np.mean(np.abs(samples))
        * np.random.default_rng(settings["seed"]).normal(size=(2, len(samples)))
    )
    start = {"real": samples + noise[0], "imaginary": noise[1]}
    if task.kind == "excitation" and task.gradient is not None:
        last = np.sign(task.gradient[-2]) * np.max(np.abs(task.gradient))
        start["rephasing"] = np.array([-last * settings["duration"] / settings["lobes"] / 2])
    largest = task.max_b1
    clipped = {
        name: np.clip(value, -largest, largest) if name != "rephasing" else value for name, value in start.items()
    }
    return {name: jnp.asarray(value) for name, value in clipped.items()}


def _scanner(settings: dict[str, Any]) -> mr.Scanner:
    return mr.Scanner(
        max_gradient=settings["max_gradient"], max_slew=settings["max_slew"], max_b1=settings["max_b1"] * (1 + 1e-6)
    )


def _largest_rephasing(scanner: mr.Scanner) -> float:
    """The largest area that the lobe can have, in T s/m: ramps of 0.2 ms, 1 ms in all."""
    return 0.99 * min(scanner.max_gradient, scanner.max_slew * 0.2 * ms) * 0.8 * ms


def _gradient(settings: dict[str, Any], scanner: mr.Scanner) -> tuple[Any, Any, float]:
    """The slice gradient, its times, and when the pulse begins."""
    thickness, n = settings["slice_thickness"], settings["lobes"]
    if thickness is None:
        return None, None, scanner.rf_dead_time
    lobe = settings["duration"] / n
    strength = settings["time_bandwidth_product"] / (GAMMA * lobe * thickness)
    ramp = max(1, math.ceil(strength / scanner.max_slew / (10 * us) - 1e-9)) * 10 * us
    if strength > scanner.max_gradient or (n > 1 and 2 * ramp > lobe):
        raise ValueError(
            f"slice_thickness and time_bandwidth_product ask for a gradient of {strength * 1e3:.3g} mT/m with ramps of "
            f"{ramp * 1e3:.3g} ms in lobes of {lobe * 1e3:.3g} ms, which is beyond max_gradient or max_slew; take a thicker "
            "slice, a smaller product, a longer pulse, or fewer lobes."
        )
    if n == 1:
        begin = math.ceil(max(scanner.rf_dead_time, ramp) / (10 * us) - 1e-9) * 10 * us
        times = np.array([begin - ramp, begin, begin + lobe, begin + lobe + ramp])
        return np.array([0.0, strength, strength, 0.0]), times, begin
    if abs(lobe / (10 * us) - round(lobe / (10 * us))) > 1e-6:
        raise ValueError(f"duration over lobes must be a multiple of 10us, but is {lobe * 1e6:.6g} us.")
    begin, times, values = scanner.rf_dead_time, [], []
    for i in range(n):
        times += [begin + i * lobe + t for t in (0.0, ramp, lobe - ramp)]
        values += [0.0, strength * (-1) ** i, strength * (-1) ** i]
    return np.array([*values, 0.0]), np.array([*times, begin + n * lobe]), begin


def _written(
    settings: dict[str, Any],
    task: mr.design.PulseTask,
    scanner: mr.Scanner,
    result: mr.design.DesignResult,
    folder: Path,
) -> list[Path]:
    names = ("position", "off_resonance", "b1")
    spins: dict[str, Any] = {
        name: np.broadcast_to(getattr(task, name), np.shape(task.wanted)).ravel()[::7] for name in names
    }

    def seen(sequence: mr.Sequence) -> np.ndarray:
        response = mr.design.pulse_response(sequence, **spins)
        return np.concatenate([np.asarray(response.alpha), np.asarray(response.beta)])

    paths, limits = folders.write_sequences(folder, "pulse", task.sequence(result.best), scanner, seen)
    plain = {name: np.asarray(value).tolist() for name, value in settings.items()}
    found = folders.progress_of(result)
    for name, design in (("start", result.start), ("best", result.best)):
        found[f"largest_field_of_the_{name}_uT"] = float(np.max(np.abs(task.samples(design)))) * 1e6
        found[f"energy_of_the_{name}"] = float(jax.jit(task.energy)(design))
    np.savez(folder / "pulse.npz", b1=np.asarray(task.samples(result.best)), dt=task.dt)
    figure(task, result).savefig(folder / "pulse.png", dpi=150)
    card = {"asked": plain, "found": found, "limits": limits, "mrjax_version": mr.__version__}
    cards = folders.write_card(folder, f"A pulse for {task.kind}", card)
    return [*paths, *cards, folder / "pulse.npz", folder / "pulse.png"]
