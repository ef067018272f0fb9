"""Distributions of tissue parameters to draw from."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from mrjax import _checks
from mrjax.synthesis import _sampling
from mrjax.synthesis._sampling import Where


def longer_t1(parameters: Mapping[str, Any]) -> Bool[Array, "..."] | Bool[np.ndarray, "..."]:
    """Whether T1 is at least T2, as it is in tissue: a condition for the priors.

    **Arguments:**

    - `parameters`: With `t1` and `t2`, both in s, of one shape.

    **Returns:** True where `t1 >= t2`, of that shape.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.synthesis import longer_t1
        >>> longer_t1({"t1": np.array([0.5, 1.0]), "t2": np.array([0.8, 0.1])}).tolist()
        [False, True]

        ```
    """
    return parameters["t1"] >= parameters["t2"]


class Grid(eqx.Module):
    """Every combination of given values, to list or to draw from with equal probability.

    **Arguments:**

    - `values`: For each parameter its values in its SI unit, one-dimensional. Finite.
    - `where`: Takes the dict of all combinations and says which to keep, such as `longer_t1`.

    **Raises:** `ValueError` where values are missing, not one-dimensional or not finite, or nothing is kept; warns
    where `t1` or `t2` look like milliseconds.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import Grid, longer_t1
        >>> grid = Grid({"t1": [0.1, 0.5, 1.0], "t2": [0.05, 0.2, 0.8]}, where=longer_t1)
        >>> grid.size
        6
        >>> grid.sample(jax.random.key(0), 100)["t1"].shape
        (100,)

        ```
    """

    combinations: dict[str, Float[Array, " size"]]

    def __init__(self, values: Mapping[str, Any], where: Where | None = None):
        with jax.ensure_compile_time_eval():
            axes = _sampling.named_arrays(values, "values")
            mesh = np.meshgrid(*axes.values(), indexing="ij")
            combinations = {name: axis.reshape(-1) for name, axis in zip(axes, mesh, strict=True)}
            if where is not None:
                keep = np.asarray(_sampling.kept(where, combinations))
                combinations = {name: value[keep] for name, value in combinations.items()}
                if not keep.any():
                    raise ValueError("`where` must keep at least one combination of the grid, but keeps none.")
            self.combinations = {name: jnp.asarray(value) for name, value in combinations.items()}

    @property
    def size(self) -> int:
        """How many combinations are kept."""
        return next(iter(self.combinations.values())).size

    def all(self) -> dict[str, Float[Array, " size"]]:
        """Every combination that is kept; the last name in the alphabet changes fastest."""
        return dict(self.combinations)

    def sample(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        """`n` combinations, each drawn from all with equal probability; some may come more than once."""
        index = jax.random.randint(key, (_checks.positive_integer(n, "n"),), 0, self.size)
        return {name: value[index] for name, value in self.combinations.items()}


class Uniform(eqx.Module):
    """Parameters drawn independently and uniformly between limits, then kept or drawn again by a condition.

    **Arguments:**

    - `limits`: For each parameter `(low, high)` in its SI unit, `low < high`, finite.
    - `where`: Takes the dict of draws, as JAX arrays, and says which to keep, such as `longer_t1`. Draws that it rejects
      are repeated, so the less it keeps, the longer a sample takes.

    **Raises:** `ValueError` where limits are missing, not finite or not in order, or `where` rejects all of 10,000
    draws; warns where `t1` or `t2` look like milliseconds.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import Uniform, longer_t1
        >>> prior = Uniform({"t1": (0.1, 4.0), "t2": (0.01, 2.0)}, where=longer_t1)
        >>> samples = prior.sample(jax.random.key(0), 100)
        >>> bool((samples["t1"] >= samples["t2"]).all())
        True

        ```
    """

    low: dict[str, Float[Array, ""]]
    high: dict[str, Float[Array, ""]]
    where: Where | None = eqx.field(static=True)

    def __init__(self, limits: Mapping[str, Any], where: Where | None = None):
        # the limits are known numbers also where this is called inside jit
        with jax.ensure_compile_time_eval():
            self.low, self.high = _sampling.named_limits(limits)
            self.where = where
            _sampling.check_possible(self._draw, where)

    def sample(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        """`n` independent draws that `where` keeps."""
        return _sampling.rejected_until_kept(self._draw, self.where, key, _checks.positive_integer(n, "n"))

    def _draw(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        return _uniform(key, n, self.low, self.high)


class LogUniform(eqx.Module):
    r"""Parameters whose logarithms are drawn independently and uniformly between limits: short and long ones alike.

    $$p(x) = \frac{1}{x \ln(x_\mathrm{high} / x_\mathrm{low})}$$

    **Arguments:**

    - `limits`: For each parameter `(low, high)` in its SI unit, `0 < low < high`, finite.
    - `where`: Takes the dict of draws, as JAX arrays, and says which to keep, such as `longer_t1`. Draws that it rejects
      are repeated, so the less it keeps, the longer a sample takes.

    **Raises:** `ValueError` where limits are missing, not positive, not finite or not in order, or `where` rejects all
    of 10,000 draws; warns where `t1` or `t2` look like milliseconds.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import LogUniform
        >>> prior = LogUniform({"t2": (0.01, 1.0)})
        >>> samples = prior.sample(jax.random.key(0), 1000)["t2"]
        >>> bool(abs((samples < 0.1).mean() - 0.5) < 0.05)
        True

        ```
    """

    low: dict[str, Float[Array, ""]]
    high: dict[str, Float[Array, ""]]
    where: Where | None = eqx.field(static=True)

    def __init__(self, limits: Mapping[str, Any], where: Where | None = None):
        with jax.ensure_compile_time_eval():
            self.low, self.high = _sampling.named_limits(limits)
            for name, low in self.low.items():
                _checks.require(low, low > 0, f"`limits['{name}']` must be positive")
            self.where = where
            _sampling.check_possible(self._draw, where)

    def sample(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        """`n` independent draws that `where` keeps."""
        return _sampling.rejected_until_kept(self._draw, self.where, key, _checks.positive_integer(n, "n"))

    def _draw(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        logarithms = _uniform(key, n, *jax.tree.map(jnp.log, (self.low, self.high)))
        # exp(log(x)) may differ from x in the last digit
        return {name: jnp.clip(jnp.exp(value), self.low[name], self.high[name]) for name, value in logarithms.items()}


def _uniform(
    key: Key[Array, ""], n: int, low: dict[str, Float[Array, ""]], high: dict[str, Float[Array, ""]]
) -> dict[str, Float[Array, " n"]]:
    keys = jax.random.split(key, len(low))
    return {
        name: jax.random.uniform(key, (n,), low[name].dtype, low[name], high[name])
        for name, key in zip(low, keys, strict=True)
    }


class TissueMixture(eqx.Module):
    r"""A tissue drawn by weight, then each parameter from a log-normal distribution around the mean of that tissue.

    $$x = \mu \exp(\sigma z - \sigma^2 / 2), \qquad \sigma^2 = \ln(1 + s^2), \qquad z \sim \mathcal{N}(0, 1)$$

    so that within a tissue the mean is $\mu$ and the standard deviation $s\mu$. Parameters vary independently.

    **Arguments:**

    - `means`: For each parameter its mean in every tissue in its SI unit, `(n_tissues,)`. Positive.
    - `spread`: Standard deviation relative to the mean, s. Scalar, not negative.
    - `weights`: How often each tissue comes, `(n_tissues,)`, not negative; need not sum to one.

    **Raises:** `ValueError` where lengths differ or values are outside their range; warns where `t1` or `t2` look like
    milliseconds.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import TissueMixture
        >>> brain = TissueMixture({"t1": [0.83, 1.33], "t2": [0.07, 0.1]}, spread=0.1, weights=[0.6, 0.4])
        >>> brain.sample(jax.random.key(0), 100)["t2"].shape
        (100,)

        ```
    """

    means: dict[str, Float[Array, " n_tissues"]]
    spread: Float[Array, ""]
    weights: Float[Array, " n_tissues"]

    def __init__(self, means: Mapping[str, Any], spread: Any, weights: Any):
        with jax.ensure_compile_time_eval():
            self.means = {name: jnp.asarray(value) for name, value in _sampling.named_arrays(means, "means").items()}
            self.spread = _checks.real_array(spread, "spread")
            self.weights = _checks.real_array(weights, "weights")
            for name, mean in self.means.items():
                if self.weights.shape != mean.shape:
                    raise ValueError(
                        f"`weights` must have one value per tissue, {mean.shape} as `means['{name}']`, "
                        f"but got {self.weights.shape}."
                    )
                _checks.require(mean, mean > 0, f"`means['{name}']` must be positive")
            if self.spread.ndim:
                raise ValueError(f"`spread` must be a scalar, but got shape {self.spread.shape}.")
            _checks.finite(_checks.non_negative(self.spread, "spread", "relative to the mean"), "spread")
            _checks.finite(_checks.non_negative(self.weights, "weights", "any unit"), "weights")
            _checks.require(jnp.sum(self.weights), jnp.sum(self.weights) > 0, "The sum of `weights` must be positive")

    def sample(self, key: Key[Array, ""], n: int) -> dict[str, Float[Array, " n"]]:
        """`n` independent draws."""
        choice, *keys = jax.random.split(key, 1 + len(self.means))
        tissue = jax.random.categorical(choice, jnp.log(self.weights), shape=(_checks.positive_integer(n, "n"),))
        sigma = jnp.sqrt(jnp.log1p(self.spread**2))
        return {
            name: mean[tissue] * jnp.exp(sigma * jax.random.normal(key, (n,), mean.dtype) - sigma**2 / 2)
            for (name, mean), key in zip(self.means.items(), keys, strict=True)
        }
