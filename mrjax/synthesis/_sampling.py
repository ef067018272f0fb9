"""Checked limits of priors, independent draws by name, and draws under a condition."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from mrjax import _checks, _plausibility
from mrjax.tissue import NEUTRAL

Where = Callable[[dict[str, Any]], Any]
"""Takes the parameters and says, for each sample, whether to keep it."""

TRIED_DRAWS = 10_000
"""Of a condition, before it is called impossible."""


def named_arrays(values: Mapping[str, Any], name: str) -> dict[str, Float[np.ndarray, " _"]]:
    """The values by name, one-dimensional and not empty; sorted, as JAX sorts them, so that draws do not depend on order."""
    arrays = {key: np.asarray(_checks.real_array(value, f"{name}['{key}']")) for key, value in sorted(values.items())}
    if not arrays:
        raise ValueError(f"`{name}` must name at least one parameter, but is empty.")
    for key, array in arrays.items():
        if array.ndim != 1 or array.size == 0:
            raise ValueError(
                f"`{name}['{key}']` must be one-dimensional and not empty, but got an array of shape {array.shape}."
            )
        _checks.finite(jnp.asarray(array), f"{name}['{key}']")
        if key in ("t1", "t2", *NEUTRAL) and key in _plausibility.QUANTITIES:
            _plausibility.warn_if_implausible(array, f"{name}['{key}']", key)
    return arrays


def named_limits(limits: Mapping[str, Any]) -> tuple[dict[str, Float[Array, ""]], dict[str, Float[Array, ""]]]:
    """The lower and the upper limits by name."""
    pairs = named_arrays(limits, "limits")
    for name, pair in pairs.items():
        if pair.shape != (2,) or pair[0] >= pair[1]:
            raise ValueError(f"`limits['{name}']` must be (low, high) with low < high, but got {limits[name]!r}.")
    low, high = ({name: jnp.asarray(pair[side]) for name, pair in pairs.items()} for side in (0, 1))
    return low, high


def kept(where: Where, parameters: Mapping[str, Any]) -> np.ndarray | Array:
    """What `where` says of the parameters, one answer per sample."""
    size = jnp.shape(next(iter(parameters.values())))
    answer = where(dict(parameters))
    if jnp.shape(answer) != size or jnp.asarray(answer).dtype != bool:
        raise ValueError(
            f"`where` must return one True or False per sample, {size}, but got shape {jnp.shape(answer)} "
            f"of {jnp.asarray(answer).dtype}."
        )
    return answer


def check_possible(draw: Callable[[Key[Array, ""], int], dict[str, Array]], where: Where | None) -> None:
    """Refuse a condition under which no draw would ever pass."""
    if where is None:
        return
    if not np.any(np.asarray(kept(where, draw(jax.random.key(0), TRIED_DRAWS)))):
        raise ValueError(f"`where` must accept some samples, but rejects all of {TRIED_DRAWS} draws within the limits.")


def rejected_until_kept(
    draw: Callable[[Key[Array, ""], int], dict[str, Array]], where: Where | None, key: Key[Array, ""], n: int
) -> dict[str, Float[Array, " n"]]:
    """`n` draws that `where` keeps; those it rejects are drawn again until none is left."""
    if where is None:
        return draw(key, n)

    def again(
        state: tuple[Key[Array, ""], dict[str, Array], Bool[Array, " n"]],
    ) -> tuple[Key[Array, ""], dict[str, Array], Bool[Array, " n"]]:
        key, samples, good = state
        key, here = jax.random.split(key)
        fresh = draw(here, n)
        samples = {name: jnp.where(good, value, fresh[name]) for name, value in samples.items()}
        return key, samples, jnp.asarray(kept(where, samples))

    key, here = jax.random.split(key)
    samples = draw(here, n)
    state = key, samples, jnp.asarray(kept(where, samples))
    return jax.lax.while_loop(lambda state: ~jnp.all(state[2]), again, state)[1]
