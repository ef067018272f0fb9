"""Minimisation without derivatives, for choices that are whole numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree
from rich.progress import Progress

from mrjax import _checks
from mrjax.design._evaluation import Objective, at_points, check_finite
from mrjax.design._evaluations_kept import KeptEvaluations, PointEvaluation
from mrjax.design._variables import Free, Variables
from mrjax.design.constrained import FEASIBLE, Constraint, constraint_scale, unkept
from mrjax.nn._run import COLUMNS
from mrjax.nn.history import History


@dataclasses.dataclass(frozen=True)
class GradientFree:
    """An optimiser of scipy that needs no derivatives (differential evolution), for whole numbers and for what jumps.

    Free leaves whose start is an integer, or an array of such, stay integers. Objective and constraints are called with
    numbers, and are not compiled: shapes may follow from the design, such as the number of echoes. Designs that it has met are
    not computed again, nor are those that a folder keeps: a search that was stopped goes on as if it had not been. All bounds
    must be finite; `steps` of `optimise` are generations. The same seed gives the same search.

    **Arguments:**

    - `population`: Designs of a generation for each number that is free, at least 5.
    - `tolerance`: It ends by itself where the objectives of a generation vary by less than this share of their mean.
    - `seed`: Of the search, an integer.

    **Raises:** `ValueError` where a number is out of range.

    **Source:** R. Storn, K. Price, J Glob Optim 11 (1997) 341-359; `scipy.optimize.differential_evolution`.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> duration = lambda design: abs(design["n_echoes"] * design["spacing"] - 0.1) + abs(design["n_echoes"] - 7) * 1e-3
        >>> result = mr.design.optimise(
        ...     duration, {"n_echoes": 2, "spacing": 0.01}, free=lambda design: design,
        ...     bounds={"n_echoes": (1, 32), "spacing": (0.005, 0.02)}, optimiser=mr.design.GradientFree(), progress=False,
        ... )
        >>> print(result.best["n_echoes"], f"{result.best['spacing']:.4f}")
        7 0.0143

        ```
    """

    population: int = 15
    tolerance: float = 1e-8
    seed: int = 0

    def __post_init__(self):
        if _checks.positive_integer(self.population, "population") < 5:
            raise ValueError(f"`population` must be at least 5, but got {self.population}.")
        if not self.tolerance > 0:
            raise ValueError(f"`tolerance` must be positive, but got {self.tolerance}.")


@dataclasses.dataclass(frozen=True)
class WholeVariables(Variables):
    """Variables some of which are whole numbers."""

    is_whole: tuple[bool, ...] = ()

    def design(self, point: list[Any]) -> PyTree:
        """The design at a point, with integers where the start has them."""
        leaves, structure = jax.tree.flatten(super().design(point))
        for place, whole in zip(self.places, self.is_whole, strict=True):
            if whole:
                values = np.rint(np.asarray(leaves[place.index])).astype(int)
                leaves[place.index] = values if values.ndim else int(values)
        return jax.tree.unflatten(structure, leaves)


def whole_variables(start: PyTree, free: Free, bounds: PyTree) -> WholeVariables:
    """As `Variables.of`, with bounds that are known on both sides."""
    found, leaves = Variables.of(start, free, bounds), jax.tree.leaves(start)
    for place, lower, upper in zip(found.places, found.lower, found.upper, strict=True):
        if not (np.all(np.isfinite(lower)) and np.all(np.isfinite(upper))):
            raise ValueError(
                f"`bounds` must have finite numbers for {place.name}, for a search without derivatives tries all that lies "
                f"between them, but got {lower} and {upper}."
            )
    whole = [np.issubdtype(np.asarray(leaves[place.index]).dtype, np.integer) for place in found.places]
    known = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return WholeVariables(**known, is_whole=tuple(map(bool, whole)))


class GradientFreeSearch:
    """A search in progress, and the best design that it has met."""

    def __init__(
        self,
        objective: Objective,
        variables: WholeVariables,
        constraints: Sequence[Constraint],
        method: GradientFree,
    ):
        self.variables, self.constraints, self.method = variables, constraints, method
        self.evaluated = at_points(objective, variables)
        start, self.unravel = ravel_pytree(variables.start)
        self.start, self.dtype = np.asarray(start, float), start.dtype
        self.best, self.least, self.breach = self.start, np.inf, np.inf
        self._terms: dict[str, float] = {}
        self.kept = KeptEvaluations.in_memory()

    @property
    def best_point(self) -> list[Any]:
        """The best so far, as `Variables` has points."""
        return self.unravel(jnp.asarray(self.best, self.dtype))

    def through(self, steps: int, history: History, progress: bool) -> str:
        """All generations; returns why it ended. An interrupt keeps the best so far."""
        value, terms, _ = self._at(self.start)
        check_finite(value, terms)
        self._note(history)
        with Progress(*COLUMNS, disable=not progress) as bar:
            task = bar.add_task("design", total=steps)

            def after(*_: Any, **__: Any) -> None:
                self._note(history)
                bar.update(task, advance=1, description=f"objective {self.least:.4g}")

            try:
                outcome = self._minimised(steps, after)
            except KeyboardInterrupt:
                return f"Interrupted after {len(history.lines) - 1} generations."
        ended = f"It ended by itself after {outcome.nit} generations."
        if outcome.nit >= steps:
            ended = f"All {steps} generations were taken."
        return ended + ("" if self.breach <= FEASIBLE else f" {unkept(self.breach)}")

    def _minimised(self, steps: int, after: Any) -> Any:
        from scipy import optimize  # which few need

        sides = (
            [np.ravel(one / scale) for one, scale in zip(side, self.variables.scale, strict=True)]
            for side in (self.variables.lower, self.variables.upper)
        )
        lower, upper = (np.concatenate(side).astype(float) for side in sides)
        sizes = [np.ravel(scale).astype(float) for scale in self.variables.scale]
        is_whole = zip(sizes, self.variables.is_whole, strict=True)
        whole = np.concatenate([np.full(size.shape, one) for size, one in is_whole])
        size = np.where(whole, np.concatenate(sizes), 1.0)  # whole numbers in their own unit, as scipy has them
        kept = optimize.NonlinearConstraint(lambda x: self._at(x / size).others, -np.inf, 0.0)
        return optimize.differential_evolution(
            lambda x: self._at(x / size).value,
            optimize.Bounds(_rounded(lower * size, whole), _rounded(upper * size, whole)),  # pyright: ignore[reportArgumentType]
            integrality=whole,
            constraints=(kept,) if self.constraints else (),
            maxiter=steps,
            popsize=self.method.population,
            tol=self.method.tolerance,
            seed=self.method.seed,  # pyright: ignore[reportCallIssue] - `rng` from scipy 1.15 on
            polish=False,
            x0=_rounded(self.start * size, whole),
            callback=after,
        )

    def _at(self, x: np.ndarray) -> PointEvaluation:
        """Objective, terms and breaches at a point, which is compared with the best."""
        found = self.kept.at(x, self._computed)
        self._compare(x, *found)
        return found

    def _computed(self, x: np.ndarray) -> PointEvaluation:
        """What is not finite counts as worst."""
        point = self.unravel(jnp.asarray(x, self.dtype))
        value, terms = self.evaluated(point)
        design = self.variables.design(point)
        breaches = [_breach(one, design) for one in self.constraints]
        found = float(value) if np.isfinite(value) else np.inf
        numbers = {name: float(term) for name, term in terms.items()}
        return PointEvaluation(found, numbers, np.concatenate([np.zeros(0), *breaches]))

    def _compare(self, x: np.ndarray, value: float, terms: dict[str, float], breaches: np.ndarray) -> None:
        breach = float(np.max(breaches, initial=0.0))
        rank = lambda breach, value: (max(breach - FEASIBLE, 0.0), value)
        if rank(breach, value) < rank(self.breach, self.least):
            self.best, self.least, self.breach, self._terms = np.array(x), value, breach, terms

    def _note(self, history: History) -> None:
        """The best so far, a line for each generation."""
        line = {"step": len(history.lines), "objective": self.least, **self._terms}
        history.append(line | ({"breach": self.breach} if self.constraints else {}))


def _rounded(values: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Without what rounding adds to whole numbers, which scipy would take for the next one."""
    return np.where(whole, np.rint(values), values)


def _breach(constraint: Constraint, design: PyTree) -> np.ndarray:
    """By how much of its limits a constraint is broken, element by element; zero where it is kept."""
    value = np.asarray(constraint.function(design), float)
    lower, upper = np.asarray(constraint.lower, float), np.asarray(constraint.upper, float)
    beyond = np.maximum(np.maximum(lower - value, value - upper), 0.0)
    return np.ravel(beyond / constraint_scale(lower, upper))
