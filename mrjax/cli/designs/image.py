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
from mrjax.units import deg, ms, us

ENTRIES = (
    Entry("matrix", int, 16, "pixels along x and y", is_positive=True),
    Entry("fov", quantities.length, "200mm", "field of view", is_positive=True),
    Entry("flip_angle", quantities.angle, "5deg", "of the target, a spoiled gradient echo", is_positive=True),
    Entry("phase_increment", quantities.angle, "117deg", "of RF spoiling of the target"),
    Entry("delay", quantities.time, "0ms", "after each repetition of the target; where there is one, delays are free"),
    Entry("power", float, 0.0, "weight of the sum of squared angles relative to that of the target"),
    Entry("outside", float, 1.0, "weight of samples outside of the k-space of the target"),
    Entry("waiting", float, 0.0, "weight of the mean delay relative to a repetition without it"),
    Entry(
        "spoiling",
        float,
        6.0,
        "cycles across a pixel that the scrambled spoilers of the start wind at most",
        is_positive=True,
    ),
    Entry("objects", int, 9, "that are learned from", is_positive=True),
    Entry(
        "steps",
        int,
        (100, 100, 200, 160),
        "of the search: tiny objects, objects near the middle, objects everywhere, spoilers",
        4,
        is_positive=True,
    ),
    Entry("gradient_rate", float, 0.5, "first step of gradient moments, in steps of k-space", is_positive=True),
    Entry("angle_rate", quantities.angle, "0.115deg", "first step of flip angles", is_positive=True),
    Entry("delay_rate", quantities.time, "0.5ms", "first step of delays", is_positive=True),
    Entry("phase_rate", quantities.angle, "1.15deg", "first step of phases", is_positive=True),
    Entry("seed", int, 0, "of the start and of the objects"),
    Entry("max_gradient", quantities.gradient, "40mT/m", "of the scanner", is_positive=True),
    Entry("max_slew", quantities.slew_rate, "150T/m/s", "of the scanner", is_positive=True),
)

FORGETFUL, TISSUE = 1 * ms, 0.1
"""T2 of what encoding is learned from, far shorter than a repetition, and of what spoilers are learned from."""

SLOWER = (1.0, 0.3, 0.2, 0.2)
"""Rates of each stage, relative to those of the settings: what has been learned must not be undone."""

SPINS = 233
"""In a pixel of what spoilers are learned from: fewer are refocused by the cycles that scrambled spoilers wind."""

LARGEST_ANGLE, LARGEST_PHASE, LARGEST_DELAY = 45 * deg, 6 * np.pi, 10.0

ENCODING, SPOILING = ("flip_angle", "phase", "before"), ("flip_angle", "phase", "after")


def searched(settings: dict[str, Any], folder: Path) -> tuple[str, list[Path]]:
    """Learn a sequence and write it; returns why the search ended, and what was written."""
    echoes = mr.design.FreeEchoes(fov=settings["fov"], matrix=settings["matrix"])
    target = echoes.cartesian(settings["flip_angle"], settings["phase_increment"], settings["delay"])
    scanner = _scanner(settings)
    try:
        scanner.check(echoes.sequence(target))
    except ValueError as error:
        raise ValueError(
            f"{error}\nThat is the target of matrix and fov; take fewer or larger pixels, or another scanner."
        ) from None
    bounds = bounds_of(settings, echoes, scanner)
    spoiling = min(settings["spoiling"], bounds["after"][1] / echoes.matrix)
    blank = echoes.blank(jax.random.key(settings["seed"]), spoiling=spoiling)
    design = {name: jnp.clip(value, *bounds[name]) for name, value in blank.items()}
    weights = {f"{of}_weight": settings[name] for of, name in (("power", "power"), ("outside", "outside"))}
    weights["delay_weight"] = settings["waiting"]
    stages, reason = [], ""
    for number, (objects, steps) in enumerate(zip(_lessons(settings, echoes), settings["steps"], strict=True)):
        free = (SPOILING if number == 3 else ENCODING) + (("delay",) if settings["delay"] > 0 else ())
        result = mr.design.optimise(
            mr.design.EchoError.of(echoes, objects, target, **weights),
            design,
            free=lambda design, names=free: {name: design[name] for name in names},
            bounds={name: bounds[name] for name in free},
            optimiser=_adam(settings, {name: bounds[name] for name in free}, steps, SLOWER[number]),
            steps=steps,
            folder=folder / f"stage_{number}",
            checkpoint_every=10,
        )
        stages.append(result)
        design, reason = result.best, result.reason
        if reason.startswith("Interrupted"):
            return reason, []
    return reason, _written(settings, echoes, target, stages, folder)


def bounds_of(
    settings: dict[str, Any], echoes: mr.design.FreeEchoes, scanner: mr.Scanner
) -> dict[str, tuple[float, float]]:
    """Of every leaf: no design within them is beyond the gradients of the scanner."""
    n, reach = echoes.matrix, echoes.reach(scanner)
    before, after = min(1.5 * n, reach), min(1.5 * settings["spoiling"] * n, reach)
    angles = {"flip_angle": (-LARGEST_ANGLE, LARGEST_ANGLE), "phase": (-LARGEST_PHASE, LARGEST_PHASE)}
    return {**angles, "before": (-before, before), "after": (-after, after), "delay": (0.0, LARGEST_DELAY)}


def _scanner(settings: dict[str, Any]) -> mr.Scanner:
    return mr.Scanner(max_gradient=settings["max_gradient"], max_slew=settings["max_slew"], max_b1=20e-6)


def _lessons(settings: dict[str, Any], echoes: mr.design.FreeEchoes) -> list[mr.design.SmallObjects]:
    """From what sees far to what sees sharply, and to what remembers."""
    n, seed, edge = settings["objects"], settings["seed"], echoes.matrix / 2 - 1

    def some(number: int, share: float, reach: float, size: float = 1.0, **of: Any) -> mr.design.SmallObjects:
        return mr.design.small_objects(echoes, 100 * seed + number, max(1, round(share * n)), reach, size, **of)

    near = [some(1, 0.4, 0.8, longest_t2=FORGETFUL), some(2, 0.6, edge / 2, longest_t2=FORGETFUL)]
    far = [some(3, 0.5, edge / 2, longest_t2=FORGETFUL), some(4, 0.5, edge, longest_t2=FORGETFUL)]
    lasting = [some(5, 0.3, 1.5, longest_t2=TISSUE, spins=SPINS), some(6, 0.4, edge, longest_t2=TISSUE, spins=SPINS)]
    return [some(0, 1.0, 0.8, 0.4, longest_t2=FORGETFUL), _joined(near), _joined(far), _joined(lasting)]


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
    rates = {name: settings[f"{kind}_rate"] for name, kind in RATE_OF.items()}
    falling = lambda rate: optax.adam(optax.cosine_decay_schedule(factor * rate, steps, alpha=0.02))
    relative: dict[Any, Any] = {
        name: falling(rates[name] / (bounds[name][1] - bounds[name][0])) for name in sorted(bounds)
    }
    return optax.partition(relative, list(relative))  # points are lists in the order of the leaves


RATE_OF = {"before": "gradient", "after": "gradient", "flip_angle": "angle", "phase": "phase", "delay": "delay"}
"""Which rate of the settings is that of a leaf."""


def judged(echoes: mr.design.FreeEchoes, design: Any, target: Any, slice: int | None = None) -> dict[str, Any]:
    """Images of a brain by both, which nothing was learned from, and the error of one relative to the other."""
    brain = mr.phantoms.brain(shape=(echoes.matrix, echoes.matrix), slice=slice)
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


OTHER_SLICE = 30
"""Of the brain, through its lower part."""


def _of_other_objects(settings: dict[str, Any], echoes: mr.design.FreeEchoes, design: Any, target: Any) -> float:
    """The error of objects such as those that spoilers are learned from, of other seeds."""
    others = _lessons({**settings, "seed": settings["seed"] + 1}, echoes)[-1]
    return float(jax.jit(mr.design.EchoError.of(echoes, others, target))(design)[1]["error"]) ** 0.5


def _written(
    settings: dict[str, Any],
    echoes: mr.design.FreeEchoes,
    target: Any,
    stages: list[mr.design.DesignResult],
    folder: Path,
) -> list[Path]:
    best = {**stages[-1].best, "delay": 10 * us * jnp.round(stages[-1].best["delay"] / (10 * us))}  # as scanners wait
    scanner = _scanner(settings)
    judgement, other = judged(echoes, best, target), judged(echoes, best, target, OTHER_SLICE)
    object_seen = mr.design.small_objects(echoes, 7, 1, echoes.matrix / 4).spins
    seen = lambda sequence: mr.acquire(sequence, object_seen, tolerance=0)
    paths, limits = folders.write_sequences(folder, "image", echoes.sequence(best), scanner, seen)
    found = {"nrmse_of_a_brain_not_trained_on": judgement["nrmse"], "nrmse_of_another_slice": other["nrmse"]}
    found |= {
        "nrmse_of_other_objects": _of_other_objects(settings, echoes, best, target),
        **folders.progress_of(stages[-1]),
    }
    lines = [np.asarray(echoes.k_space(design)) for design in (best, target)]
    found["largest_distance_from_cartesian_in_steps"] = float(np.max(np.abs(lines[0] - lines[1])))
    found["duration_relative_to_the_target"] = float(echoes.sequence(best).duration / echoes.sequence(target).duration)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in best.items()}
    np.savez(folder / "design.npz", **arrays)
    figure(echoes, [stages[0].start, *(stage.best for stage in stages)], judgement["images"], stages).savefig(
        folder / "image.png", dpi=150
    )
    plain = {name: np.asarray(value).tolist() for name, value in settings.items()}
    card = {"asked": plain, "found": found, "limits": limits, "mrjax_version": mr.__version__}
    cards = folders.write_card(folder, "An imaging sequence, learned", card)
    return [*paths, *cards, folder / "design.npz", folder / "image.png"]
