"""Endless batches that can be resumed at any step."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree, UInt32

from mrjax import _batch_axes, _checks

LAST_STEP = 2**32 - 1
"""JAX folds 32 bits into a key."""


class Stream(eqx.Module):
    """Batches made as they are needed, each from the seed and its step alone.

    Batch `step` is `make(fold_in(key(seed), step), batch_size)`. It does not depend on batches made before, so a run
    that stops after some step and goes on with `from_step` at the next one sees the same batches as a run that never
    stopped: nothing but the step has to be saved.

    **Arguments:**

    - `make`: Takes a key and the number of samples, and returns a PyTree of arrays. It is compiled, once.
    - `batch_size`: Samples per batch. At least 1.
    - `seed`: Not negative.
    - `batch_axes`: The axis of the samples in each array that `make` returns, as `in_axes` of `jax.vmap`: an integer for
      all, or a tree like the batch. None is for an array that all samples share, such as echo times or a map of coils.

    **Raises:** `ValueError` where `batch_size` or `seed` is not such an integer, and at the first batch where an array does
    not hold `batch_size` samples on its axis.

    !!! example

        ```python
        >>> from mrjax.synthesis import LogUniform, Stream
        >>> stream = Stream(LogUniform({"t2": (0.01, 1.0)}).sample, batch_size=32, seed=0)
        >>> stream.batch(7)["t2"].shape
        (32,)
        >>> step, batch = next(stream.from_step(7))
        >>> step, bool((batch["t2"] == stream.batch(7)["t2"]).all())
        (7, True)

        ```

        Echo times are the same for all samples:

        ```python
        >>> import jax, jax.numpy as jnp
        >>> make = lambda key, n: {"te": jnp.array([0.01, 0.02, 0.04]), "t2": jax.random.uniform(key, (n,))}
        >>> batch = Stream(make, batch_size=32, seed=0, batch_axes={"te": None, "t2": 0}).batch(0)
        >>> batch["te"].shape, batch["t2"].shape
        ((3,), (32,))

        ```
    """

    make: Callable[[Key[Array, ""], int], PyTree]
    batch_size: int = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    batch_axes: PyTree = 0

    def __check_init__(self):
        _checks.positive_integer(self.batch_size, "batch_size")
        _non_negative_integer(self.seed, "seed")

    def batch(self, step: Any) -> PyTree:
        """The batch of a step, an integer from 0 to 2³² - 1."""
        if _checks.is_concrete(step):
            step = _non_negative_integer(step, "step")
        return _make(self, jnp.asarray(step, jnp.uint32))

    def from_step(self, step: int) -> Iterator[tuple[int, PyTree]]:
        """The steps from this one on with their batches, without end."""
        step = _non_negative_integer(step, "step")
        return ((here, self.batch(here)) for here in range(step, LAST_STEP + 1))


@eqx.filter_jit
def _make(stream: Stream, step: UInt32[Array, ""]) -> PyTree:
    batch = stream.make(jax.random.fold_in(jax.random.key(stream.seed), step), stream.batch_size)
    n_samples = _batch_axes.number_of_samples(batch, _batch_axes.of_every_array(batch, stream.batch_axes))
    if n_samples not in (stream.batch_size, None):
        raise ValueError(
            f"`make` must return {stream.batch_size} samples, its `batch_size`, but returned {n_samples} on the batch axis."
        )
    return batch


def _non_negative_integer(value: Any, name: str) -> int:
    integer = np.asarray(value)
    if integer.ndim or integer.dtype.kind not in "iu" or not 0 <= integer <= LAST_STEP:
        raise ValueError(f"`{name}` must be an integer from 0 to {LAST_STEP}, but got {value!r}.")
    return int(integer)
