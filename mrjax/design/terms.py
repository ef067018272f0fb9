"""Terms of objectives, for what a good measurement costs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks

Term = Callable[[Any], Array]
"""Takes a design and returns a scalar."""


def roughness(values: Any) -> Float[Array, ""]:
    r"""How much values change from one repetition to the next.

    $$\frac{1}{n - 1} \sum_{i=1}^{n-1} (x_{i+1} - x_i)^2$$

    **Arguments:**

    - `values`: One for each repetition, in any unit. Shape `(n,)`, with `n` of at least 2.

    **Returns:** a number, in that unit squared; zero for constant values.

    **Raises:** `ValueError` for another shape.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> float(mr.design.roughness([0.0, 1.0, 3.0]))
        2.5

        ```
    """
    values = _checks.real_array(values, "values")
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"`values` must have shape (n,) with n of at least 2, but got {values.shape}.")
    return jnp.mean(jnp.diff(values) ** 2)


def energy(flip_angle: Any) -> Float[Array, ""]:
    r"""The mean of the squared flip angles, which the power of pulses of one shape and duration is proportional to.

    **Arguments:**

    - `flip_angle`: In rad, any shape.

    **Returns:** a number, in rad².

    !!! example

        ```python
        >>> import mrjax as mr
        >>> float(mr.design.energy([1.0, 3.0]))
        5.0

        ```
    """
    return jnp.mean(_checks.real_array(flip_angle, "flip_angle") ** 2)


def limit_energy(flip_angle: Any, most: Any) -> Float[Array, "..."]:
    r"""The nearest flip angles whose `energy` is at most `most`: all are lowered by one factor, where they must be.

    An objective that begins with it keeps the limit with every optimiser; the design is then what it returns for the best.

    **Arguments:**

    - `flip_angle`: In rad, any shape.
    - `most`: In rad². A number above zero.

    **Returns:** flip angles of the same shape.

    **Derivatives:** everywhere but where the energy is exactly `most`.

    **Raises:** `ValueError` where `most` is not positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> mr.design.limit_energy(jnp.array([1.0, 3.0]), most=1.25).tolist()
        [0.5, 1.5]

        ```
    """
    flip_angle = _checks.real_array(flip_angle, "flip_angle")
    most = _checks.positive(_checks.real_array(most, "most"), "most", "rad²")
    return flip_angle * jnp.sqrt(most / jnp.maximum(energy(flip_angle), most))


def limit_sum(values: Any, most: Any, least: Any = 0.0) -> Float[Array, "..."]:
    r"""Values whose sum is at most `most`: all are moved towards their least ones by one factor, where they must be.

    $$x' = l + (x - l) \, \min\!\left(1, \frac{M - \sum l}{\sum (x - l)}\right)$$

    An objective that begins with it keeps the limit with every optimiser, such as that of the duration of all images; what is
    played is then what it returns.

    **Arguments:**

    - `values`: Such as times in s, any shape. Not below `least`.
    - `most`: $M$ in that unit. A number above the sum of `least`.
    - `least`: $l$ in that unit. A number, or of the shape of `values`.

    **Returns:** values of the same shape, not below `least`.

    **Derivatives:** everywhere but where the sum is exactly `most`.

    **Raises:** `ValueError` where the least values alone are `most` or more.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> mr.design.limit_sum(jnp.array([2.0, 4.0]), most=4.0, least=1.0).tolist()
        [1.5, 2.5]

        ```
    """
    values = _checks.real_array(values, "values")
    least = jnp.broadcast_to(_checks.real_array(least, "least").astype(values.dtype), values.shape)
    room = _checks.real_array(most, "most").astype(values.dtype) - jnp.sum(least)
    room = _checks.require(room, room > 0, "`most` must be more than the sum of `least` (`most` - sum)")
    above = values - least
    return least + above * (room / jnp.maximum(jnp.sum(above), room))


def squared_excess(share: Any, margin: float | int = 0.0) -> Float[Array, ""]:
    r"""By how much shares of limits exceed them, $\sum_i \max(0, x_i - (1 - \epsilon))^2$, zero where they are kept.

    **Arguments:**

    - `share`: $x$, how much of each limit is used, any shape; 1 is all of it.
    - `margin`: $\epsilon$, by which to keep off the limits.

    **Returns:** a number, zero or more.

    **Derivatives:** everywhere.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> float(mr.design.squared_excess([0.5, 1.0, 1.5]))
        0.25

        ```
    """
    return jnp.sum(jnp.maximum(_checks.real_array(share, "share") - (1 - margin), 0.0) ** 2)


def weighted_sum(terms: Mapping[str, tuple[float, Term]]) -> Callable[[Any], tuple[Array, dict[str, Array]]]:
    r"""An objective of several terms, $\sum_k w_k f_k(x)$, which tells the value of each.

    **Arguments:**

    - `terms`: For each name a weight and a function of the design that returns a scalar.

    **Returns:** a function of the design: the sum, and each $f_k$ by name, without its weight.

    **Raises:** `ValueError` where there are no terms.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> objective = mr.design.weighted_sum({"energy": (2.0, mr.design.energy), "roughness": (1.0, mr.design.roughness)})
        >>> value, terms = objective(jnp.array([1.0, 3.0]))
        >>> float(value), float(terms["energy"])
        (14.0, 5.0)

        ```
    """
    if not terms:
        raise ValueError("`terms` must hold at least one term, but is empty.")

    def objective(design: Any) -> tuple[Array, dict[str, Array]]:
        values = {name: term(design) for name, (_, term) in terms.items()}
        return jnp.asarray(sum(terms[name][0] * value for name, value in values.items())), values

    return objective
