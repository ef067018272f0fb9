"""The optimiser of designs: any leaf of any PyTree, any objective that JAX differentiates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optax
from jaxtyping import PyTree

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.design._descent import Descent
from mrjax.design._evaluation import Objective, at_points
from mrjax.design._evaluations_kept import KeptEvaluations
from mrjax.design._variables import Free, Variables
from mrjax.design.batches import Batches
from mrjax.design.constrained import Constrained, ConstrainedSearch, Constraint
from mrjax.design.gradient_free import GradientFree, GradientFreeSearch, whole_variables
from mrjax.design.result import DesignResult
from mrjax.nn.checkpoints import CheckpointFolder
from mrjax.nn.history import History

RATE = 0.02
"""The first step of Adam, relative to the width of the bounds."""


@answers_misspelt_keywords
def optimise(
    objective: Objective,
    start: PyTree,
    *,
    free: Free,
    bounds: PyTree = None,
    constraints: Sequence[Constraint] = (),
    batches: Batches | None = None,
    optimiser: Any = None,
    steps: int = 300,
    folder: Path | str | None = None,
    checkpoint_every: int = 50,
    progress: bool = True,
) -> DesignResult:
    r"""The design of least objective that a search from `start` finds.

    The free leaves are varied in units of the width of their bounds, or of their largest magnitude where there is no width: a
    step of optax of 0.01 is one percent of that, of an angle as of a time. The objective is differentiated in units of what it
    is at the start, so that it matters neither to the steps nor to tolerances how large it is. After each step the leaves are
    moved to the nearest point within the bounds. The search is local. What it returns is the best of all the designs that it
    met, among those that keep the constraints to 1e-6 of their limits, if there are any.

    With a `folder`, a log of JSON lines is written there, and of optax checkpoints, of the other optimisers every evaluation.
    The search goes on from there with the same numbers, bit for bit, as if it had never stopped, however it was. An interrupt
    (Ctrl-C) ends the search, which saves and returns what it has found.

    **Arguments:**

    - `objective`: Takes a design, returns a real scalar, or a scalar and a dictionary of its terms for the history. It is
      compiled; `crlb` and `weighted_sum` make such functions.
    - `start`: A design: any PyTree, such as a `Sequence` or a dictionary of the arguments of a protocol.
    - `free`: Takes a design and returns those of its leaves that may change: one, or a list, tuple or dictionary of several.
      Real numbers in SI units.
    - `bounds`: In the form of what `free` returns, with a pair (lower, upper) in the place of each leaf, in its unit; numbers
      or arrays of its shape; None or an infinity for no bound.
    - `constraints`: What else a design must keep, for `Constrained` and `GradientFree`.
    - `batches`: For an objective over a distribution, that takes a design and a batch, another in each step: `Batches`. The
      history has the objective of batches, and as `validation` that by which the best is judged. With optax only.
    - `optimiser`: Of optax, `Constrained`, or `GradientFree` for whole numbers and objectives without derivatives. By default
      Adam with a rate that falls from 0.02 to zero over `steps` as a cosine does.
    - `steps`: Of optax, or at most so many iterations of `Constrained` or generations of `GradientFree`.
    - `folder`: Where to keep the search; None to keep nothing. A folder is known by start and bounds: give another objective
      or other constraints another one.
    - `checkpoint_every`: Steps of optax from one checkpoint to the next.
    - `progress`: Whether to show a bar with the objective.

    **Returns:** a `DesignResult`: the best design, the history, and why it ended. If objective or derivative are not finite on
    the way, it ends there and says so.

    **Derivatives:** of the objective, in reverse mode.

    **Raises:** `ValueError` where the objective is no real scalar, is not finite at the start or does not depend on a free leaf
    there, where the start is outside its bounds, where `free` or `bounds` have another form, for arguments that do not go
    together, and where a folder holds another design.

    **Source:** D. P. Kingma, J. Ba, arXiv:1412.6980 (Adam); D. Kraft, DFVLR-FB 88-28 (1988) (SLSQP).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> of_angles = lambda angles: mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=5 * ms)
        >>> tissue = {"t1": jnp.array([1.0]), "m0": jnp.array([1.0])}
        >>> bound = mr.design.crlb(of_angles, tissue, noise_std=1e-3, weights={"t1": 1.0})
        >>> start = jnp.array([4.0, 10.0]) * deg
        >>> result = mr.design.optimise(bound, start, free=lambda x: x, bounds=(1 * deg, 90 * deg), progress=False)
        >>> print(*(f"{angle:.1f}" for angle in result.best / deg))
        2.4 13.8

        ```
    """
    steps = _checks.positive_integer(steps, "steps")
    every = _checks.positive_integer(checkpoint_every, "checkpoint_every")
    _check_that_they_go_together(optimiser, constraints, batches)
    kept = None if folder is None else Path(folder)
    if isinstance(optimiser, GradientFree):
        search = GradientFreeSearch(objective, whole_variables(start, free, bounds), constraints, optimiser)
        return _result(search, *_replayed(search, steps, kept, progress), start)
    variables = Variables.of(start, free, bounds)
    evaluated = at_points(objective, variables)
    if isinstance(optimiser, Constrained):
        search = ConstrainedSearch(evaluated, variables, constraints, optimiser)
        return _result(search, *_replayed(search, steps, kept, progress), start)
    search = Descent(evaluated, variables, _adam(steps) if optimiser is None else optimiser, batches)
    return _result(search, *_resumed(search, steps, kept, every, progress), start)


def _adam(steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(RATE, steps))


def _resumed(search: Descent, steps: int, folder: Path | None, every: int, progress: bool) -> tuple[History, str]:
    """The history of a search from its newest checkpoint, and why it ended."""
    if folder is None:
        history = History.in_memory()
        return history, search.through(steps, history, None, every, progress)
    folder.mkdir(parents=True, exist_ok=True)
    with CheckpointFolder(folder / "checkpoints") as checkpoints:
        search.resume(checkpoints)
        history = History.in_file(folder / "log.jsonl", before=search.last_line)
        return history, search.through(steps, history, checkpoints, every, progress)


def _replayed(
    search: ConstrainedSearch | GradientFreeSearch, steps: int, folder: Path | None, progress: bool
) -> tuple[History, str]:
    """The history of a search that is done again as far as it was known, and why it ended."""
    history = History.in_memory()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        variables = search.variables
        sides = {"lower": variables.lower, "upper": variables.upper, "start": variables.values(variables.start)}
        asked = {name: [float(x) for leaf in side for x in np.ravel(leaf)] for name, side in sides.items()}
        search.kept = KeptEvaluations.in_file(folder / "evaluations.jsonl", asked)
        history = History.in_file(folder / "log.jsonl", before=-1)
    return history, search.through(steps, history, progress)


def _check_that_they_go_together(optimiser: Any, constraints: Any, batches: Any) -> None:
    if not isinstance(optimiser, Constrained | GradientFree | optax.GradientTransformation | None):
        raise ValueError(
            "`optimiser` must be of optax, `mr.design.Constrained()` or `mr.design.GradientFree()`, but got "
            f"{type(optimiser).__name__}."
        )
    if batches is not None and isinstance(optimiser, Constrained | GradientFree):
        raise ValueError(
            f"`batches` need an optimiser of optax: {type(optimiser).__name__} compares values, which must be of the same "
            "samples. Draw a batch once, and give an objective that holds it."
        )
    if len(constraints) > 0 and not isinstance(optimiser, Constrained | GradientFree):
        raise ValueError(
            "`constraints` need `optimiser=mr.design.Constrained()`; with optax, add a term to the objective, or let it begin "
            "with what keeps them, such as `limit_energy`."
        )


def _result(search: Any, history: History, reason: str, start: PyTree) -> DesignResult:
    variables, point = search.variables, search.best_point
    before = [np.asarray(variables.leaves[place.index]) for place in variables.places]
    after = [np.asarray(value) for value in variables.values(point)]
    names = [place.name for place in variables.places]
    free = dict(zip(names, zip(before, after, strict=True), strict=True))
    return DesignResult(variables.design(point), start, search.least, history, reason, free)
