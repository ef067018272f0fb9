"""An objective over a distribution: a batch of it in each step, and fixed samples by which the best is judged."""

import dataclasses
from collections.abc import Callable

from jaxtyping import PyTree

from mrjax import _checks


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """What an objective is averaged over, if it is a new batch in each step: `objective(design, batch)`.

    Each step sees another batch, so that a design suits the distribution and not a few samples of it. How good a design is,
    and which is the best, is judged by samples that stay the same: otherwise the luck of a batch would be taken for progress.

    **Arguments:**

    - `draw`: Takes the step, from 0, and returns a batch, a PyTree of arrays, such as `mrjax.synthesis.Stream.batch`. The batch
      must depend on the step alone; a search that goes on from a folder then sees those that it would have seen.
    - `validation`: A batch to judge designs by, of any size, such as one of a `Stream` of another seed. It has the form of the
      others.
    - `validate_every`: Steps from one judgement to the next, each of which costs a value of the objective.

    **Raises:** `ValueError` where `validate_every` is not a positive integer.

    !!! example

        The flip angle that is best for T1 of 0.5 to 1.5 s:

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> t1 = mr.synthesis.Uniform({"t1": (0.5, 1.5)})
        >>> def objective(angle, tissue):
        ...     return -jnp.mean(mr.signals.relaxation.spgr(angle, tr=10e-3, t1=tissue["t1"]))
        >>> batches = mr.design.Batches(
        ...     mr.synthesis.Stream(t1.sample, batch_size=16, seed=0).batch,
        ...     validation=mr.synthesis.Stream(t1.sample, batch_size=1000, seed=1).batch(0),
        ... )
        >>> result = mr.design.optimise(
        ...     objective, jnp.array(0.3), free=lambda x: x, bounds=(0.0, 1.0), batches=batches, steps=100, progress=False
        ... )
        >>> print(f"{result.best:.2f}, the Ernst angle of 1 s is {mr.signals.relaxation.ernst_angle(10e-3, 1.0)[0]:.2f}")
        0.15, the Ernst angle of 1 s is 0.14

        ```
    """

    draw: Callable[[int], PyTree]
    validation: PyTree
    validate_every: int = 10

    def __post_init__(self):
        _checks.positive_integer(self.validate_every, "validate_every")
