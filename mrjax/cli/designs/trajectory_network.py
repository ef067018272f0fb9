"""A trajectory that is learned together with the network that reconstructs from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array

import mrjax as mr
from mrjax.cli.designs import folder as folders
from mrjax.cli.designs.configuration import Entry
from mrjax.cli.designs.trajectory_figure import Row, figure
from mrjax.encoding import Nufft, iterative_density
from mrjax.zoo import relaxometry

RECONSTRUCTIONS = ("nc_pdnet", "modl")

ENTRIES = (
    Entry("coils", int, 6, "of a birdcage, seen by a network", is_positive=True),
    Entry("iterations", int, 6, "of a network, unrolled", is_positive=True),
    Entry("channels", int, 32, "of each convolution of a network", is_positive=True),
    Entry("network_rate", float, 1e-3, "first step of the weights of a network", is_positive=True),
    Entry("network_steps", int, 100, "of the network alone, before and after the stages", is_positive=True),
    Entry("batch", int, 4, "images in a step of a network", is_positive=True),
    Entry("noise", float, 0.01, "of a pixel that is fully sampled, relative to the brightest one"),
    Entry("seed", int, 0, "of the first weights of a network, of noise, phases and orientations"),
)
"""What a network needs to know; without one they say nothing."""

CHECKPOINT_EVERY = 20
LAST_RATE = 0.1
"""Of a stage, relative to its highest."""

TEST = 1_000_000
"""In the place of a step, for noise and phases that no step has."""


class Trained(NamedTuple):
    """A trajectory with the network that was trained on it."""

    task: mr.design.TrajectoryTask
    model: mr.design.LearnedTrajectory
    errors: np.ndarray
    """Of the batch, at each line of the log."""


def searched(
    settings: dict[str, Any], task: mr.design.TrajectoryTask, train: np.ndarray, test: np.ndarray, folder: Path
) -> tuple[str, list[Path]]:
    """Train a network with the start, and go on with the start as it is and with what is learned, equally long; write both."""
    try:
        model = model_of(settings, task, task.start(), network_of(settings), coils_of(settings), learned=False)
        first = Trained(task, model, _stage(settings, model, train, 0, folder / "first"))
        runs = {name: trained(settings, first, train, folder, name) for name in ("start", "learned")}
    except KeyboardInterrupt:
        return "Interrupted; the same command goes on.", []
    return "All steps were taken.", _written(settings, runs, test, folder)


def trained(settings: dict[str, Any], first: Trained, images: np.ndarray, folder: Path, name: str) -> Trained:
    """After all stages; the trajectory is learned in all but the last, unless it is the start."""
    task, design, network, errors = first.task, first.model.design(), nnx.clone(first.model.network), [first.errors]
    coils, counts = coils_of(settings), settings["coefficients"]
    for number, n in enumerate(counts):
        if number and name == "learned":
            task, design = task.finer(design, n)
        model = model_of(settings, task, design, network, coils, learned=name == "learned")
        errors.append(_stage(settings, model, images, 1 + number, folder / f"{name}_{number}"))
        design = model.design()
    # what is played keeps the limits, and the network is used to it
    model = model_of(settings, task, task.within_limits(design), network, coils, learned=False)
    errors.append(_stage(settings, model, images, 1 + len(counts), folder / f"{name}_network"))
    return Trained(task, model, np.concatenate(errors))


def network_of(settings: dict[str, Any]) -> nnx.Module:
    """The reconstruction, untrained."""
    sizes = {"n_stages": settings["iterations"], "channels": settings["channels"], "rngs": nnx.Rngs(settings["seed"])}
    return mr.nn.NCPDNet(**sizes) if settings["reconstruction"] == "nc_pdnet" else mr.nn.MoDL(**sizes)


def density_of(settings: dict[str, Any]) -> Callable[[Nufft], Any]:
    """The weights of samples that the reconstruction needs."""
    if settings["reconstruction"] == "nc_pdnet":
        return lambda encoding: iterative_density(encoding, n_iterations=10)
    return lambda encoding: 1 / encoding.trajectory.shape[0]


def coils_of(settings: dict[str, Any]) -> np.ndarray:
    """Sensitivities around the brain, the squares of which add up to one."""
    n = settings["matrix"]
    maps = np.asarray(mr.phantoms.birdcage_coils(mr.phantoms.brain(shape=(n, n)), settings["coils"]))
    return (maps / np.linalg.norm(maps, axis=0)).astype(np.complex64)


def model_of(
    settings: dict[str, Any],
    task: mr.design.TrajectoryTask,
    design: Any,
    network: nnx.Module,
    coils: Any,
    learned: bool,
) -> mr.design.LearnedTrajectory:
    """Trajectory and network, to be trained or used."""
    start = design["coefficients"]
    return mr.design.LearnedTrajectory(task, start, network, coils, density_of(settings), learned=learned)


def batch_of(settings: dict[str, Any], images: np.ndarray, n_samples: int, stage: int, step: int) -> dict[str, Any]:
    """Images at random, turned and with smooth phases, and the noise of their samples."""
    rng = np.random.default_rng([settings["seed"], stage, step])
    chosen = [_turned(images[i], *rng.integers(0, 2, 3)) for i in rng.integers(0, len(images), settings["batch"])]
    return with_noise(settings, np.stack(chosen), n_samples, rng)


def with_noise(
    settings: dict[str, Any], images: np.ndarray, n_samples: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Images with smooth phases, and the noise of their samples, in single precision."""
    count, n = images.shape[0], settings["matrix"]
    x, y = np.meshgrid(*(np.linspace(-1, 1, n),) * 2, indexing="ij")
    smooth = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2])
    phases = np.tensordot(rng.uniform(-np.pi / 2, np.pi / 2, (count, len(smooth))), smooth, axes=1)
    # an image of n^2 samples on the grid is their mean phase by phase, with noise smaller by n
    size = settings["noise"] * n / np.sqrt(2)
    real, imaginary = size * rng.normal(size=(2, count, settings["coils"], n_samples))
    noise = real + 1j * imaginary
    return {"images": (images * np.exp(1j * phases)).astype(np.complex64), "noise": noise.astype(np.complex64)}


def _turned(image: np.ndarray, *flips: Any) -> np.ndarray:
    """One of the eight orientations of a square."""
    image = image.T if flips[0] else image
    return image[:: 1 - 2 * flips[1], :: 1 - 2 * flips[2]]


def _stage(
    settings: dict[str, Any], model: mr.design.LearnedTrajectory, images: np.ndarray, number: int, folder: Path
) -> np.ndarray:
    task, is_last = model.task, number == 1 + len(settings["coefficients"])
    steps = settings["network_steps" if number == 0 or is_last else "steps"]
    last, warming = 0.0 if is_last else LAST_RATE * settings["network_rate"], steps // 10
    rates = optax.warmup_cosine_decay_schedule(0.0, settings["network_rate"], warming, steps, last)
    optimiser = optax.adam(rates)
    if isinstance(model.trajectory, nnx.Param):
        # a step relative to the bounds of the other reconstruction; of more coefficients all move the trajectory farther
        rate = 4 * settings["rate"] * settings["coefficients"][0] / task.n_coefficients
        optimiser = mr.design.at_rate(optimiser, rate / settings["network_rate"], "trajectory")
    n_samples = task.trajectory(model.design()).shape[0]
    history = mr.nn.train(
        model,
        mr.design.trajectory_loss(settings["excess"]),
        lambda step: batch_of(settings, images, n_samples, number, step),
        mr.nn.TrainingSchedule(steps=steps, log_every=1, checkpoint_every=CHECKPOINT_EVERY),
        optimiser,
        folder,
    )
    return history.column("error")[1]


def _written(settings: dict[str, Any], runs: dict[str, Trained], test: np.ndarray, folder: Path) -> list[Path]:
    seen, truth = {name: _seen(settings, run, test) for name, run in runs.items()}, jnp.asarray(test, complex)
    task, model, _ = runs["learned"]
    sequence = task.played(model.design())
    k_space = lambda one: one.timeline().trajectory()[:, :2]
    paths, limits = folders.write_sequences(folder, "trajectory", sequence, task.scanner, k_space)
    found = {
        "psnr_of_the_start_dB": relaxometry.psnr(seen["start"], truth),
        "psnr_dB": relaxometry.psnr(seen["learned"], truth),
        "ssim_of_the_start": relaxometry.ssim(seen["start"], truth),
        "ssim": relaxometry.ssim(seen["learned"], truth),
        "duration_of_the_start_s": float(runs["start"].task.sequence.duration),
        "duration_s": float(sequence.duration),
    }
    rows = [Row(name, run.task, run.model.design(), np.asarray(seen[name][0])) for name, run in runs.items()]
    curves = {name: run.errors for name, run in runs.items()}
    figure(rows, test[0], curves).savefig(folder / "trajectory.png", dpi=150)
    images: dict[str, Any] = {name: np.asarray(one) for name, one in seen.items()}
    np.savez(folder / "trajectory.npz", k=np.asarray(task.trajectory(model.design())), **images)
    plain = {name: np.asarray(value).tolist() for name, value in settings.items()}
    card = {"asked": plain, "found": found, "limits": limits, "mrjax_version": mr.__version__}
    cards = folders.write_card(folder, "A trajectory, learned with its reconstruction", card)
    return [*paths, *cards, folder / "trajectory.npz", folder / "trajectory.png"]


def _seen(settings: dict[str, Any], run: Trained, test: np.ndarray) -> Array:
    """What each sees of the same images with the same noise."""
    n_samples = run.task.trajectory(run.model.design()).shape[0]
    batch = with_noise(settings, test, n_samples, np.random.default_rng([settings["seed"], TEST]))
    return nnx.jit(lambda model: model(batch["images"], batch["noise"]))(run.model)
