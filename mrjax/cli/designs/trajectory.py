"""`mrjax design trajectory`: a trajectory that is learned within the limits of a scanner, in the time of its start."""

import warnings
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

import mrjax as mr
from mrjax.cli import quantities
from mrjax.cli.designs import folder as folders, trajectory_network
from mrjax.cli.designs.configuration import Entry, one_of
from mrjax.cli.designs.trajectory_figure import Row, figure
from mrjax.units import deg

ENTRIES = (
    Entry("matrix", int, 48, "pixels along x and y", is_positive=True),
    Entry("fov", quantities.length, "220mm", "field of view", is_positive=True),
    Entry("start", one_of("spiral", "radial"), "spiral", "to begin with: spiral or radial"),
    Entry("n_shots", int, 4, "arms of the spiral, or spokes", is_positive=True),
    Entry(
        "acceleration", float, 2.0, "by which the arms are sparser than the field of view asks for", is_positive=True
    ),
    Entry("oversampling", int, 4, "of a spoke: samples for each pixel", is_positive=True),
    Entry("dwell_time", quantities.time, "4us", "of a sample", is_positive=True),
    Entry(
        "coefficients",
        int,
        (8, 20, 40),
        "of the spline of each gradient, one stage after the other",
        None,
        is_positive=True,
    ),
    Entry("steps", int, 60, "of each stage of the search", is_positive=True),
    Entry("rate", float, 0.002, "first step, relative to the bounds", is_positive=True),
    Entry("excess", float, 1.0, "weight of what exceeds the limits"),
    Entry("train", int, (30, 36, 42, 48, 54), "slices of the brain to learn from", None),
    Entry("test", int, (33, 39, 45, 51), "slices that it is judged by", None),
    Entry("echo_time", quantities.time, "50ms", "of the contrast of the images", is_positive=True),
    Entry("max_gradient", quantities.gradient, "30mT/m", "of the scanner", is_positive=True),
    Entry("max_slew", quantities.slew_rate, "120T/m/s", "of the scanner", is_positive=True),
    Entry("reconstruction", one_of("adjoint", *trajectory_network.RECONSTRUCTIONS), "adjoint", "or nc_pdnet, or modl"),
    *trajectory_network.ENTRIES,
)

LARGEST_CHANGE, LARGEST_WEIGHT = 2.0, 20.0
WEIGHT_RATE = 0.01
"""First step of the weights, while the trajectory is that of the start."""


def searched(settings: dict[str, Any], folder: Path) -> tuple[str, list[Path]]:
    """Learn a trajectory and write it; returns why the search ended, and what was written."""
    scanner = mr.Scanner(max_gradient=settings["max_gradient"], max_slew=settings["max_slew"])
    train, test = (images_of(settings, settings[name]) for name in ("train", "test"))
    task = task_of(settings, scanner)
    if settings["reconstruction"] != "adjoint":
        return trajectory_network.searched(settings, task, train, test, folder)
    # the start has the best weights for it, so that what is gained comes from the trajectory
    stage = _stage(settings, task, train, task.start(), lambda design: design["weights"], folder / "weights")
    results, tasks = [stage], [task]
    for number, n in enumerate(settings["coefficients"]):
        if results[-1].reason.startswith("Interrupted"):
            return results[-1].reason, []
        design = results[-1].best
        if number:
            task, design = task.finer(design, n)
        results.append(_stage(settings, task, train, design, lambda design: design, folder / f"stage_{number}"))
        tasks.append(task)
    if results[-1].reason.startswith("Interrupted"):
        return results[-1].reason, []
    return results[-1].reason, _written(settings, scanner, tasks, results, test, folder)


def task_of(settings: dict[str, Any], scanner: mr.Scanner) -> mr.design.TrajectoryTask:
    """Spokes, or the spiral of a field of view that is smaller by the acceleration, as sharp as the image asks for."""
    is_radial = settings["start"] == "radial"
    protocol = mr.protocols.imaging.radial if is_radial else mr.protocols.imaging.spiral
    factor = 1 / settings["oversampling"] if is_radial else settings["acceleration"]
    size = (settings["fov"] / factor, round(settings["matrix"] / factor), settings["n_shots"])
    with warnings.catch_warnings():  # of spokes with many samples to a pixel, which see a large field of view
        warnings.filterwarnings("ignore", message="`fov` is in m")
        sequence = protocol(*size, 20 * deg, dwell_time=settings["dwell_time"], scanner=scanner)
    return mr.design.TrajectoryTask(sequence, scanner, settings["fov"], settings["matrix"], settings["coefficients"][0])


def images_of(settings: dict[str, Any], slices: list[int]) -> np.ndarray:
    """Slices of the brain, with the contrast of spin echoes; the largest value is one."""
    n, images = settings["matrix"], []
    for number in slices:
        tissue = mr.phantoms.brain(shape=(n, n), slice=number).tissue()
        image = np.asarray(tissue.m0 * jnp.exp(-settings["echo_time"] / jnp.asarray(tissue.t2)))
        images.append(image / image.max())
    return np.stack(images)


def psnr(task: mr.design.TrajectoryTask, design: Any, images: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of images whose largest value is one, the mean over them."""
    error = np.abs(np.asarray(task.reconstructed(design, images)) - images) ** 2
    return float(np.mean(-10 * np.log10(error.mean(axis=(1, 2)))))


def _stage(
    settings: dict[str, Any], task: mr.design.TrajectoryTask, images: np.ndarray, start: Any, free: Any, folder: Path
) -> mr.design.DesignResult:
    # of more coefficients all together move the trajectory farther
    fewest = settings["coefficients"][0]
    rate = WEIGHT_RATE if folder.name == "weights" else settings["rate"] * (fewest / task.n_coefficients) ** 2
    bounds = {"coefficients": (-LARGEST_CHANGE, LARGEST_CHANGE), "weights": (0.0, LARGEST_WEIGHT)}
    terms = {
        "error": (1.0, lambda design: task.error(design, images)),
        "excess": (settings["excess"], task.excess),
    }
    return mr.design.optimise(
        mr.design.weighted_sum(terms),
        start,
        free=free,
        bounds=free(bounds),
        optimiser=optax.adam(optax.cosine_decay_schedule(rate, settings["steps"], alpha=0.05)),
        steps=settings["steps"],
        folder=folder,
        checkpoint_every=10,
    )


def _written(
    settings: dict[str, Any], scanner: mr.Scanner, tasks: list, results: list, test: np.ndarray, folder: Path
) -> list[Path]:
    (first, last), (start, best) = (tasks[0], tasks[-1]), (results[0].best, tasks[-1].within_limits(results[-1].best))
    sequence = last.played(best)
    seen = lambda one: one.timeline().trajectory()[:, :2]
    paths, limits = folders.write_sequences(folder, "trajectory", sequence, scanner, seen)
    found = {
        "psnr_of_the_start_dB": psnr(first, start, test),
        "psnr_dB": psnr(last, best, test),
        "duration_of_the_start_s": float(first.sequence.duration),
        "duration_s": float(sequence.duration),
        **folders.progress_of(results[-1]),
    }
    np.savez(folder / "trajectory.npz", k=np.asarray(last.trajectory(best)), weights=np.asarray(best["weights"]))
    rows = [
        Row(title, task, design, np.asarray(task.reconstructed(design, test[:1]))[0])
        for title, task, design in (("start", first, start), ("learned", last, best))
    ]
    curves = {"squared error": np.concatenate([one.history.column("error")[1] for one in results])}
    figure(rows, test[0], curves).savefig(folder / "trajectory.png", dpi=150)
    plain = {name: np.asarray(value).tolist() for name, value in settings.items()}
    card = {"asked": plain, "found": found, "limits": limits, "mrjax_version": mr.__version__}
    cards = folders.write_card(folder, "A trajectory, learned", card)
    return [*paths, *cards, folder / "trajectory.npz", folder / "trajectory.png"]
