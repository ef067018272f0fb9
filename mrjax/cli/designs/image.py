"""`mrjax design image`: angles, phases and gradients of an imaging sequence, learned from nothing (MRzero)."""

import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import mrjax as mr
from mrjax.cli import quantities
from mrjax.cli.designs import folder as folders
from mrjax.cli.designs.configuration import Entry
from mrjax.cli.designs.image_figure import figure
from mrjax.units import deg, ms

ENTRIES = (
    Entry("matrix", int, 16, "pixels along x and y", is_positive=True),
    Entry("fov", quantities.length, "200mm", "field of view", is_positive=True),
    Entry("flip_angle", quantities.angle, "5deg", "of the target, a spoiled gradient echo", is_positive=True),
    Entry("phase_increment", quantities.angle, "117deg", "of RF spoiling of the target"),
    Entry("power", float, 0.0, "weight of the sum of squared angles relative to that of the target"),
    Entry("outside", float, 1.0, "weight of samples outside of the k-space of the target"),
    Entry("objects", int, 12, "that are learned from", is_positive=True),
    Entry(
        "steps",
        int,
        (100, 60, 500),
        "of the search: tiny objects, then two sizes, then objects everywhere that remember",
        3,
        is_positive=True,
    ),
    Entry("gradient_rate", float, 0.5, "first step of gradient moments, in steps of k-space", is_positive=True),
    Entry("angle_rate", quantities.angle, "0.115deg", "first step of flip angles", is_positive=True),
    Entry("phase_rate", quantities.angle, "1.15deg", "first step of phases", is_positive=True),
    Entry("seed", int, 0, "of the start and of the objects"),
    Entry("max_gradient", quantities.gradient, "40mT/m", "of the scanner", is_positive=True),
    Entry("max_slew", quantities.slew_rate, "150T/m/s", "of the scanner", is_positive=True),
)

FORGETFUL = 2 * ms
"""T2 of what is learned from first: shorter than a repetition."""

LAST_RATE = 0.2
"""Of the steps once encoding has been learned, relative to before: spoiling must not undo it."""

LARGEST_ANGLE, LARGEST_PHASE = 45 * deg, 6 * np.pi


def searched(settings: dict[str, Any], folder: Path) -> tuple[str, list[Path]]:
    """Learn a sequence and write it; returns why the search ended, and what was written."""
    echoes = mr.design.FreeEchoes(fov=settings["fov"], matrix=settings["matrix"])
    target = echoes.cartesian(settings["flip_angle"], settings["phase_increment"])
    scanner = _scanner(settings)
    try:
        scanner.check(echoes.sequence(target))
    except ValueError as error:
        raise ValueError(
            f"{error}\nThat is the target of matrix and fov; take fewer or larger pixels, or another scanner."
        ) from None
    bounds = bounds_of(echoes, scanner)
    blank = echoes.blank(jax.random.key(settings["seed"]))
    design = {name: jnp.clip(value, *bounds[name]) for name, value in blank.items()}
    stages, reason = [], ""
    for number, (objects, steps) in enumerate(zip(_lessons(settings, echoes), settings["steps"], strict=True)):
        objective = mr.design.EchoError.of(
            echoes, objects, target, power_weight=settings["power"], outside_weight=settings["outside"]
        )
        result = mr.design.optimise(
            objective,
            design,
            free=lambda design: design,
            bounds=bounds,
            optimiser=_adam(settings, bounds, steps, LAST_RATE if number == 2 else 1.0),
            steps=steps,
            folder=folder / f"stage_{number}",
            checkpoint_every=10,
        )
        stages.append(result)
        design, reason = result.best, result.reason
        if reason.startswith("Interrupted"):
            return reason, []
    return reason, _written(settings, echoes, target, stages, folder)


def bounds_of(echoes: mr.design.FreeEchoes, scanner: mr.Scanner) -> dict[str, tuple[float, float]]:
    """Of all leaves: no design within them is beyond the gradients of the scanner."""
    n, reach = echoes.matrix, echoes.reach(scanner)
    before, after = min(1.5 * n, reach), min(3.0 * n, reach)
    return {
        "flip_angle": (-LARGEST_ANGLE, LARGEST_ANGLE),
        "phase": (-LARGEST_PHASE, LARGEST_PHASE),
        "before": (-before, before),
        "after": (-after, after),
    }


def _scanner(settings: dict[str, Any]) -> mr.Scanner:
    return mr.Scanner(max_gradient=settings["max_gradient"], max_slew=settings["max_slew"], max_b1=20e-6)


def _lessons(settings: dict[str, Any], echoes: mr.design.FreeEchoes) -> list[mr.design.SmallObjects]:
    """From what sees far to what sees sharply."""
    n, seed = settings["objects"], settings["seed"]

    def some(number: int, count: int, reach: float, size: float = 1.0, t2: float = np.inf) -> mr.design.SmallObjects:
        return mr.design.small_objects(echoes, 100 * seed + number, count, reach, size, t2)

    third, edge = max(1, n // 3), echoes.matrix / 2 - 1
    mixed = [some(3, third, 0.5), some(4, third, edge / 2), some(5, max(1, n - 2 * third), edge)]
    half = max(1, n // 2)
    forgetful = [some(1, half, 0.8, 0.4, FORGETFUL), some(2, max(1, n - half), 0.8, 1.0, FORGETFUL)]
    return [some(0, n, 0.8, 0.4, FORGETFUL), _joined(forgetful), _joined(mixed)]


def _joined(several: list[mr.design.SmallObjects]) -> mr.design.SmallObjects:
    fields: dict[str, Any] = {
        name: jnp.concatenate([jnp.asarray(getattr(one.spins, name)) for one in several])
        for name in ("t1", "t2", "m0", "x", "y")
    }
    return mr.design.SmallObjects(mr.Tissue(**fields), jax.scipy.linalg.block_diag(*(one.belongs for one in several)))


def _adam(
    settings: dict[str, Any], bounds: dict[str, tuple[float, float]], steps: int, factor: float
) -> optax.GradientTransformation:
    """Steps of leaves are relative to the width of their bounds; the rates of the settings are not."""
    rates = {
        "after": settings["gradient_rate"],
        "before": settings["gradient_rate"],
        "flip_angle": settings["angle_rate"],
        "phase": settings["phase_rate"],
    }
    falling = lambda rate: optax.adam(optax.cosine_decay_schedule(factor * rate, steps, alpha=0.05))
    relative: dict[Any, Any] = {
        name: falling(rate / (bounds[name][1] - bounds[name][0])) for name, rate in rates.items()
    }
    return optax.partition(relative, list(relative))  # points are lists in the order of the leaves


def judged(echoes: mr.design.FreeEchoes, design: Any, target: Any) -> dict[str, Any]:
    """Images of a brain by both, which nothing was learned from, and the error of one relative to the other."""
    brain = mr.phantoms.brain(shape=(echoes.matrix, echoes.matrix))
    scale = echoes.fov / (echoes.matrix * brain.voxel_size[0])
    # more spins along x than the target winds turns across a pixel: fewer would be refocused by its spoilers
    spins = brain.spins(sub_spins=(4 * echoes.matrix + 5, 2 * echoes.matrix + 5))
    spins = mr.Tissue(t1=spins.t1, t2=spins.t2, m0=spins.m0, x=spins.x * scale, y=spins.y * scale)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=UserWarning
        )  # spins of a pixel are wound by whole turns, in both alike
        images = [echoes.image(mr.acquire(echoes.sequence(one), spins)) for one in (design, target)]
    error = float(mr.design.relative_error(*images)) ** 0.5
    return {"images": [np.abs(np.asarray(image)) for image in images], "nrmse": error}


def _written(
    settings: dict[str, Any],
    echoes: mr.design.FreeEchoes,
    target: Any,
    stages: list[mr.design.DesignResult],
    folder: Path,
) -> list[Path]:
    best = stages[-1].best
    scanner = _scanner(settings)
    judgement = judged(echoes, best, target)
    object_seen = mr.design.small_objects(echoes, 7, 1, echoes.matrix / 4).spins
    seen = lambda sequence: mr.acquire(sequence, object_seen, tolerance=0)
    paths, limits = folders.write_sequences(folder, "image", echoes.sequence(best), scanner, seen)
    found = {"nrmse_of_a_brain_not_trained_on": judgement["nrmse"], **folders.progress_of(stages[-1])}
    lines = [np.asarray(echoes.k_space(design)) for design in (best, target)]
    found["largest_distance_from_cartesian_in_steps"] = float(np.max(np.abs(lines[0] - lines[1])))
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in best.items()}
    np.savez(folder / "design.npz", **arrays)
    figure(echoes, [stages[0].start, *(stage.best for stage in stages)], judgement["images"], stages).savefig(
        folder / "image.png", dpi=150
    )
    plain = {name: np.asarray(value).tolist() for name, value in settings.items()}
    card = {"asked": plain, "found": found, "limits": limits, "mrjax_version": mr.__version__}
    cards = folders.write_card(folder, "An imaging sequence, learned", card)
    return [*paths, *cards, folder / "design.npz", folder / "image.png"]
