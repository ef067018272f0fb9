"""Minimisation under constraints, by scipy with exact derivatives."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from rich.progress import Progress

from mrjax._bars import CompilationColumn
from mrjax.design._evaluation import Evaluated, check_start
from mrjax.design._evaluations_kept import KeptEvaluations, PointEvaluation
from mrjax.design._variables import Variables
from mrjax.nn._run import COLUMNS
from mrjax.nn.history import History

METHODS = ("SLSQP", "trust-constr")
FEASIBLE = 1e-6
"""The breach of a constraint, relative to its limits, below which a design counts as one that keeps it."""


@dataclasses.dataclass(frozen=True)
class Constraint:
    r"""What a design must keep, $l \le g(x) \le u$.

    **Arguments:**

    - `function`: Takes a design and returns a real array.
    - `lower`, `upper`: Numbers, or arrays that broadcast to what `function` returns. Equal ones make an equation.

    **Raises:** `ValueError` where `lower` is above `upper`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg
        >>> smooth = mr.design.Constraint(jnp.diff, lower=-1 * deg, upper=1 * deg)
        >>> round(smooth.upper, 4)
        0.0175

        ```
    """

    function: Callable[[Any], Array]
    lower: Any = -np.inf
    upper: Any = np.inf

    def __post_init__(self):
        if not np.all(np.asarray(self.lower) <= np.asarray(self.upper)):
            raise ValueError(f"`lower` must not be above `upper`, but got {self.lower} and {self.upper}.")


@dataclasses.dataclass(frozen=True)
class Constrained:
    """An optimiser of scipy that keeps constraints; use it in double precision.

    What scipy knows of a search cannot be saved, so a folder keeps every value and slope of the objective. A search that goes on
    begins anew, is answered by these until it comes to a point that is new, and there goes on to the same bits as if it had
    never been stopped. Constraints are computed again.

    **Arguments:**

    - `method`: "SLSQP" (sequential quadratic programs; its cost grows with the third power of the number of variables and of
      constraints) or "trust-constr" (a barrier method, for many variables).
    - `tolerance`: Where to stop, as `scipy.optimize.minimize` has it for the method, for the objective relative to that of the
      start.

    **Raises:** `ValueError` for another method, or a tolerance that is not positive.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> mr.design.Constrained("SLSQP", tolerance=1e-8).method
        'SLSQP'

        ```
    """

    method: str = "SLSQP"
    tolerance: float = 1e-6

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"`method` must be one of {', '.join(METHODS)}, but got {self.method!r}.")
        if not self.tolerance > 0:
            raise ValueError(f"`tolerance` must be positive, but got {self.tolerance}.")


def constraint_scale(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The width of limits, or their size where there is no width: the unit of breaches."""
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(upper - lower) & (upper > lower), upper - lower, 0.0)
    size = np.maximum(*(np.where(np.isfinite(side), np.abs(side), 0.0) for side in (lower, upper)))
    return np.where(width > 0, width, np.where(size > 0, size, 1.0))


def unkept(breach: float) -> str:
    """A sentence where no design was found that keeps the constraints."""
    return (
        f"No design that keeps all constraints was found: the nearest breaks one by {breach:.3g} of its limits. They "
        "may exclude each other; widen limits or bounds, or start nearer to what keeps them."
    )


class ConstrainedSearch:
    """A search in progress, with the best point so far: of those that keep the constraints that of the least objective."""

    def __init__(
        self, evaluated: Evaluated, variables: Variables, constraints: Sequence[Constraint], method: Constrained
    ):
        self.variables, self.method = variables, method
        start, self.unravel = ravel_pytree(variables.start)
        self.start = self.best = self.noted = np.asarray(start, float)
        self.least, self.breach = np.inf, np.inf
        self.kept = KeptEvaluations.in_memory()
        self.value_and_slope = jax.jit(
            lambda x: jax.value_and_grad(lambda x: evaluated(self.unravel(x)), has_aux=True)(x)
        )
        self.dtype = start.dtype
        self.constraints = [self._scaled(one) for one in constraints]

    def through(self, steps: int, history: History, progress: bool) -> str:
        """All iterations; returns why it ended. An interrupt keeps the best so far."""
        value, terms, slope = self._at(self.start)
        check_start(value, terms, self.unravel(jnp.asarray(slope, self.dtype)), self.variables)
        self._note(self.start, history)
        with Progress(*COLUMNS, CompilationColumn(), disable=not progress) as bar:
            task = bar.add_task("design", total=steps)

            def after(x: np.ndarray, *_: Any) -> None:
                self._note(x, history)
                bar.update(task, advance=1, description=f"objective {history.lines[-1]['objective']:.4g}")

            try:
                outcome = self._minimised(steps, abs(value) or 1.0, after)
            except KeyboardInterrupt:
                return f"Interrupted after {len(history.lines) - 1} iterations."
        if not np.array_equal(outcome.x, self.noted):
            self._note(outcome.x, history)
        return f"{self.method.method}: {outcome.message.rstrip('.')}.{self._unkept}"

    def _minimised(self, iterations: int, size: float, after: Callable) -> Any:
        """What scipy returns, of the objective in units of `size`."""
        from scipy import optimize  # which few need

        bounds = optimize.Bounds(*self._sides(), keep_feasible=True)  # pyright: ignore[reportArgumentType]
        return _without_hints(optimize.minimize)(
            lambda x: self._at(x).value / size,
            self.start,
            jac=lambda x: self._at(x).others / size,
            method=self.method.method,
            bounds=bounds,
            constraints=[optimize.NonlinearConstraint(*one) for one in self.constraints],  # pyright: ignore[reportArgumentType]
            tol=self.method.tolerance,
            options={"maxiter": iterations},
            callback=after,
        )

    @property
    def _unkept(self) -> str:
        """A sentence where no design was found that keeps the constraints."""
        return "" if self.breach <= FEASIBLE else f" {unkept(self.breach)}"

    @property
    def best_point(self) -> list[Array]:
        """The best so far, as `Variables` has points."""
        return self.unravel(jnp.asarray(self.best, self.dtype))

    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of a point."""
        sides = (self.variables.lower, self.variables.upper)
        relative = (
            [np.ravel(one / scale) for one, scale in zip(side, self.variables.scale, strict=True)] for side in sides
        )
        lower, upper = (np.concatenate(side).astype(float) for side in relative)
        return lower, upper

    def _at(self, x: np.ndarray) -> PointEvaluation:
        """Value, terms and slope."""
        return self.kept.at(x, self._computed)

    def _computed(self, x: np.ndarray) -> PointEvaluation:
        (value, terms), slope = self.value_and_slope(jnp.asarray(x, self.dtype))
        return PointEvaluation(
            float(value), {name: float(term) for name, term in terms.items()}, np.asarray(slope, float)
        )

    def _scaled(self, constraint: Constraint) -> tuple[Callable, Any, Any, Callable]:
        """Function, limits and Jacobian for scipy, relative to the width of the limits or their size."""
        lower, upper = np.asarray(constraint.lower, float), np.asarray(constraint.upper, float)
        scale = constraint_scale(lower, upper)

        def function(x: Array) -> Array:
            value = jnp.asarray(constraint.function(self.variables.design(self.unravel(x))))
            return jnp.ravel(value / jnp.asarray(np.broadcast_to(scale, value.shape), value.dtype))

        start = jnp.asarray(self.start, self.dtype)
        shape = np.shape(jax.eval_shape(lambda x: constraint.function(self.variables.design(self.unravel(x))), start))
        least, most = (np.broadcast_to(side / scale, shape).ravel() for side in (lower, upper))
        known = lambda of: lambda x: np.asarray(of(jnp.asarray(x, self.dtype)), float)
        return known(jax.jit(function)), least, most, known(jax.jit(jax.jacrev(function)))

    def _note(self, x: np.ndarray, history: History) -> None:
        value, terms, _ = self._at(x)
        self.noted = np.array(x)
        breach = max((_breach(one, x) for one in self.constraints), default=0.0)
        line = {"step": len(history.lines), "objective": value, **terms}
        rank = lambda breach, value: (max(breach - FEASIBLE, 0.0), value)
        if np.isfinite(value) and rank(breach, value) < rank(self.breach, self.least):
            self.best, self.least, self.breach = np.array(x), value, breach
        history.append(line | ({"breach": breach} if self.constraints else {}))


def _without_hints(minimise: Callable) -> Callable:
    """Without what scipy says of a constraint that may be linear, for whose second derivatives it has zeros then."""

    def quietly(*args: Any, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)
            return minimise(*args, **options)

    return quietly


def _breach(constraint: tuple[Callable, Any, Any, Callable], x: np.ndarray) -> float:
    function, lower, upper, _ = constraint
    value = function(x)
    return float(np.max(np.maximum(np.maximum(lower - value, value - upper), 0.0), initial=0.0))
