"""Designs that are learned together with a network: free leaves as weights, within their bounds."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, PyTree

from mrjax.design._variables import Free, Variables

MARGIN = 1e-3
"""By how much of the width of its bounds a start is kept inside of them: on a bound nothing could be learned."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Known:
    """What is not learned, compared by identity as structures of networks are."""

    variables: Variables


class LearnedDesign(nnx.Module):
    r"""A design whose free leaves are weights, to be trained by `mrjax.nn.train` with those of a network.

    $$x = l + (u - l) \, \sigma(w)$$

    where $l$ and $u$ are the bounds of a leaf $x$, and $w$ is its weight, an `nnx.Param` of the same shape. Whatever the
    optimiser does, the design keeps its bounds. The weight has no unit, so that one rate suits powers and times; `at_rate`
    gives it one of its own.

    As a part of a network it is trained, kept and resumed as every other layer. Batches of tissues come from
    `mrjax.synthesis.Stream`, terms of the objective from the loss: see `examples/design/saturation_with_a_network.py`.

    **Arguments:**

    - `start`: A design: any PyTree, such as a dictionary of the arguments of a protocol.
    - `free`: Takes a design and returns those of its leaves that are learned: one, or a list, tuple or dictionary of several.
      Real numbers in SI units.
    - `bounds`: In the form of what `free` returns, with a pair (lower, upper) in the place of each leaf: finite numbers or
      arrays of its shape, the lower below the upper. A start on a bound is moved inside by a thousandth of the width, since
      from the bound itself it could not move.

    Called without arguments, it returns the design.

    **Raises:** `ValueError` where `free` or `bounds` have another form, a bound is missing or not finite, or the start is
    outside.

    **Source:** O. Perlman, B. Zhu, M. Zaiss, M. S. Rosen, C. T. Farrar, Magn Reson Med 87 (2022) 2792 (schedules learned
    with a network).

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp, optax
        >>> import mrjax as mr
        >>> angle = mr.design.LearnedDesign({"flip_angle": jnp.array(0.1)}, lambda x: x["flip_angle"], bounds=(0.0, 1.0))
        >>> def loss(design, batch):
        ...     return -mr.signals.relaxation.spgr(design()["flip_angle"], tr=10e-3, t1=batch)[0], {}
        >>> batch, steps = lambda step: jnp.array(1.0), mr.nn.TrainingSchedule(steps=200)
        >>> history = mr.nn.train(angle, loss, batch, steps, optax.adam(0.1), batch_axes=None, progress=False)
        >>> print(f"{angle()['flip_angle']:.3f}, the Ernst angle {mr.signals.relaxation.ernst_angle(10e-3, 1.0)[0]:.3f}")
        0.141, the Ernst angle 0.141

        ```
    """

    def __init__(self, start: PyTree, free: Free, bounds: PyTree):
        variables = Variables.of(start, free, bounds)
        weights = []
        for place, lower, upper in zip(variables.places, variables.lower, variables.upper, strict=True):
            if not (np.all(np.isfinite(lower)) and np.all(np.isfinite(upper)) and np.all(lower < upper)):
                raise ValueError(
                    f"The bounds of {place.name} must be finite and the lower below the upper, but got {lower} and {upper}; "
                    "leave what is not to change out of `free`."
                )
            value = variables.leaves[place.index]
            share = jnp.clip((value - lower) / (upper - lower), MARGIN, 1 - MARGIN)
            weights.append(nnx.Param(jnp.log(share / (1 - share))))
        self.weights = nnx.List(weights)
        self._known = _Known(variables)

    @property
    def names(self) -> list[str]:
        """What the free leaves are called, in the order of `weights`."""
        return [place.name for place in self._known.variables.places]

    def __call__(self) -> PyTree:
        """The design, with its free leaves as they have been learned."""
        variables = self._known.variables
        leaves = list(variables.leaves)
        for place, lower, upper, weight in zip(
            variables.places, variables.lower, variables.upper, self.weights, strict=True
        ):
            share = jax.nn.sigmoid(weight[...])
            leaves[place.index] = lower.astype(share.dtype) + (upper - lower).astype(share.dtype) * share
        return jax.tree.unflatten(variables.structure, leaves)


def at_rate(optimiser: optax.GradientTransformation, factor: float, name: str) -> optax.GradientTransformation:
    """An optimiser whose steps of one part of a network, such as a `LearnedDesign`, are longer or shorter than the others.

    **Arguments:**

    - `optimiser`: Of optax.
    - `factor`: By which the steps of that part are multiplied. Positive.
    - `name`: Of the attribute of the network that holds the part.

    **Returns:** an optimiser of optax, with the state of `optimiser`.

    **Raises:** `ValueError` where the factor is not positive, and at the first step where the network has no such part.

    !!! example

        ```python
        >>> import jax.numpy as jnp, optax
        >>> import mrjax as mr
        >>> optimiser = mr.design.at_rate(optax.sgd(1.0), 10.0, "schedule")
        >>> weights = {"schedule": jnp.ones(1), "layers": jnp.ones(1)}
        >>> steps, _ = optimiser.update(weights, optimiser.init(weights), weights)
        >>> print(steps["schedule"], steps["layers"])
        [-10.] [-1.]

        ```
    """
    if not 0 < factor < float("inf"):
        raise ValueError(f"`factor` must be positive and finite, but got {factor!r}.")

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        steps: Any
        steps, memory = optimiser.update(updates, state, params)
        if name not in steps:
            raise ValueError(
                f"`name` must be an attribute of the network ({', '.join(map(str, steps))}), got {name!r}."
            )
        return {**steps, name: jax.tree.map(lambda step: factor * step, steps[name])}, memory

    return optax.GradientTransformation(optimiser.init, update)


def require_influence(
    network: nnx.Module, design: LearnedDesign, loss: Callable[[Any, PyTree], tuple[Array, Any]], batch: PyTree
) -> None:
    """Refuse free leaves that a loss does not depend on, before a training that would leave them as they are.

    **Arguments:**

    - `network`: A `flax.nnx` module of which `design` is a part, or the design itself.
    - `design`: Whose free leaves are examined.
    - `loss`: As for `mrjax.nn.train`.
    - `batch`: A batch that is like the others.

    **Raises:** `ValueError` that names each leaf of which the derivative is zero or not finite.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> start = {"angle": jnp.array(0.5), "delay": jnp.array(0.5)}
        >>> design = mr.design.LearnedDesign(start, lambda x: x, bounds={"angle": (0, 1), "delay": (0, 1)})
        >>> mr.design.require_influence(design, design, lambda design, batch: (design()["angle"], {}), None)
        Traceback (most recent call last):
        ...
        ValueError: The loss does not depend on ['delay']: its derivative is zero. Leave it out of `free`, ...

        ```
    """
    slopes = nnx.grad(lambda network: loss(network, batch)[0])(network)
    found = dict(nnx.to_flat_state(slopes))
    for name, path in zip(design.names, _paths(network, design), strict=True):
        slope = np.asarray(found[path][...])
        if not np.all(np.isfinite(slope)):
            raise ValueError(f"The derivative of the loss in {name} is not finite; start elsewhere.")
        if not np.any(slope):
            raise ValueError(
                f"The loss does not depend on {name}: its derivative is zero. Leave it out of `free`, look for what cuts it "
                "off (integers, NumPy, `stop_gradient`), or start elsewhere."
            )


def _paths(network: nnx.Module, design: LearnedDesign) -> list[tuple]:
    """Where the weights of the design stand in the state of the network."""
    for path, node in nnx.iter_graph(network):
        if node is design:
            return [(*path, "weights", i) for i in range(len(design.weights))]
    raise ValueError("`design` must be `network` or a part of it, but it is not.")
