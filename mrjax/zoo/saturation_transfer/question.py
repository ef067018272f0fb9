"""What is asked of a schedule, as a dictionary of numbers and words: the form in which a folder keeps it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax import lineshapes
from mrjax._names import did_you_mean
from mrjax.zoo.saturation_transfer.experiment import OF_POOL, OF_WATER, PoolExperiment
from mrjax.zoo.saturation_transfer.scheduling import (
    NAMES,
    Schedule,
    Scheduling,
    random_schedule,
    schedule_from_file,
)

LINESHAPES: Mapping[str, Callable[[], lineshapes.AbstractLineshape]] = {
    "lorentzian": lineshapes.Lorentzian,
    "gaussian": lineshapes.Gaussian,
    "super-lorentzian": lineshapes.SuperLorentzian,
}

PARTS = {
    "b0": "of the field in T",
    "tissue": "each parameter with a value, or a pair between which tissues are",
    "estimate": "parameters that are pairs",
    "noise": "of an image, relative to the equilibrium",
    "schedule": "images, start, most_time, and each entry with a value, or a pair between which it is learned",
}
"""Of a question, and what is in `OPTIONAL` where there is any."""

OPTIONAL = ("lineshape", "flip_duration", "crusher_duration", "te")


def scheduling_of(question: Mapping[str, Any]) -> Scheduling:
    """The experiment and its schedule from what is asked.

    **Arguments:**

    - `question`: In SI units: `b0`; `tissue`, a number for each parameter of `PoolExperiment` that tissues share, and a
      pair for each that they differ in; `estimate`, a list of those; `noise`; `schedule` with `images`, `start` ("constant",
      "random", or a CSV file), perhaps `most_time`, and `b1`, `offset_ppm`, `saturation_time`, `recovery`, `flip_angle`, each a
      number that stays, or a pair of bounds. Perhaps `lineshape`, `flip_duration`, `crusher_duration`, `te`, and `seed` of a
      random start.

    **Returns:** the `Scheduling`; a constant start is in the middle of the bounds.

    **Raises:** `ValueError` where a part is missing or not known, and as `PoolExperiment` and `Scheduling`.

    !!! example

        ```python
        >>> from mrjax.zoo.saturation_transfer import scheduling_of
        >>> tissue = {"t1": [2.5, 3.3], "t2": 0.9, "fraction": [1e-4, 3e-3], "exchange_rate": [100, 1400]}
        >>> tissue |= {"pool_t1": 2.8, "pool_t2": 0.04, "shift_ppm": 3.0}
        >>> schedule = {"images": 8, "start": "constant", "b1": [0, 6e-6], "offset_ppm": 3.0, "saturation_time": 2.5}
        >>> schedule |= {"recovery": 1.0, "flip_angle": 1.57}
        >>> question = {"b0": 9.4, "tissue": tissue, "estimate": ["fraction"], "noise": 5e-3, "schedule": schedule}
        >>> scheduling_of(question).start["b1"].shape
        (8,)

        ```
    """
    _require_parts(question, PARTS, ("seed", *OPTIONAL), "The question")
    tissue = question["tissue"]
    limits = {name: (float(value[0]), float(value[1])) for name, value in tissue.items() if np.ndim(value)}
    line = question.get("lineshape")
    if line is not None and line not in LINESHAPES:
        raise ValueError(
            f"`lineshape` must be one of {', '.join(LINESHAPES)}, but got {line!r}.{did_you_mean(line, LINESHAPES)}"
        )
    experiment = PoolExperiment(
        b0=float(question["b0"]),
        limits=limits,
        known={name: float(value) for name, value in tissue.items() if name not in limits},
        estimated=tuple(question["estimate"]),
        noise_std=float(question["noise"]),
        lineshape=None if line is None else LINESHAPES[line](),
        flip_duration=float(question.get("flip_duration", 0.0)),
        crusher_duration=float(question.get("crusher_duration", 0.0)),
        te=float(question.get("te", 0.0)),
    )
    wanted = question["schedule"]
    _require_parts(wanted, ("images", "start", *NAMES), ("most_time",), "`schedule`")
    bounds = {name: (float(wanted[name][0]), float(wanted[name][1])) for name in NAMES if np.ndim(wanted[name])}
    start = _start(wanted, bounds, int(question.get("seed", 0)))
    most = wanted.get("most_time")
    return Scheduling(experiment, start, bounds, None if most is None else float(most))


def _start(wanted: Mapping[str, Any], bounds: Mapping[str, tuple[float, float]], seed: int) -> Schedule:
    kind, n = wanted["start"], int(wanted["images"])
    if str(kind).endswith(".csv"):
        read = schedule_from_file(kind)
        if read["b1"].size != n:
            raise ValueError(f"{kind} has {read['b1'].size} images, but `images` is {n}.")
        return read
    constant = {name: jnp.full(n, float(np.mean(wanted[name])), jnp.result_type(float)) for name in NAMES}
    if kind == "constant":
        return constant
    if kind != "random":
        raise ValueError(f"`start` must be constant, random or a CSV file, but got {kind!r}.")
    return random_schedule(constant, bounds, seed)


def _require_parts(given: Mapping[str, Any], needed: Any, optional: tuple[str, ...], what: str) -> None:
    for name in given:
        if name not in (*needed, *optional):
            raise ValueError(f"{what} has no part {name!r}.{did_you_mean(name, (*needed, *optional))}")
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"{what} lacks {', '.join(missing)}.")


def as_text(question: Mapping[str, Any]) -> str:
    """A question as one line of JSON."""
    return json.dumps(question, sort_keys=True)


PARAMETERS = (*OF_WATER, *OF_POOL)
"""Of a tissue."""
