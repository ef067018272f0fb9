"""How derivatives pass through a simulation: the same numbers, at different cost.

Values and forward mode are the same program for all of them; they differ in what is linearized, as reverse mode begins.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from mrjax import _checks
from mrjax.physics.maths.loops import checkpointed_scan


class AbstractGradient(eqx.Module):
    """What `simulate(..., gradient=)` takes."""

    @abstractmethod
    def scan(self, body: Callable, carry: Any, inputs: Any, length: int, unroll: int = 2) -> tuple[Any, Any]:
        """`jax.lax.scan`, in the form that suits this way of differentiating; `unroll` rounds are written out in each pass."""


class Checkpoints(AbstractGradient):
    r"""Reverse mode that stores few states and computes the others again; the default.

    Loops are cut into segments; a state is stored at the start of each, and inside one segment at a time. With about
    $\sqrt n$ segments, reverse mode through $n$ repetitions keeps $2 \sqrt n$ states and costs about one signal more than
    with all states stored. For long sequences of few voxels, for sequence design, for losses over many parameters.

    A CPU plays most loops of `EPG` and of RF in steps backwards in machine code, on all cores. That stores nothing but what goes
    into them and costs about four signals more; such loops have no segments.

    **Arguments:**

    - `n_segments`: Number of segments of every loop; by default near the square root of its length.

    **Raises:** `ValueError` where `n_segments` is not a positive integer.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> import mrjax as mr
        >>> loss = lambda angle: mr.simulate(mr.protocols.bssfp(angle, 5e-3, n_repetitions=50), mr.Tissue(1.0, 0.1),
        ...                                  gradient=mr.gradient.Checkpoints(5))[-1].imag
        >>> bool(jnp.isfinite(jax.grad(loss)(0.6)))
        True

        ```
    """

    n_segments: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.n_segments is not None:
            _checks.positive_integer(self.n_segments, "n_segments")

    def scan(self, body: Callable, carry: Any, inputs: Any, length: int, unroll: int = 2) -> tuple[Any, Any]:
        del unroll  # one round in each pass is faster in reverse mode, to run as to compile
        return checkpointed_scan(body, carry, inputs, length, self.n_segments, 1)


class Direct(AbstractGradient):
    """Reverse mode that stores every state: nothing is computed twice, memory grows with the repetitions.

    For short sequences, and to measure the others against.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> echo = mr.protocols.spin_echo(te=0.05)
        >>> mr.simulate(echo, mr.Tissue(1.0, 0.1), gradient=mr.gradient.Direct()).shape
        (1,)

        ```
    """

    def scan(self, body: Callable, carry: Any, inputs: Any, length: int, unroll: int = 2) -> tuple[Any, Any]:
        return jax.lax.scan(body, carry, inputs, length=length, unroll=unroll)


class Forward(AbstractGradient):
    """Says that forward mode is meant, which is as fast with every other choice: one signal more for each tangent.

    Reverse mode stores every state, as with `Direct`.

    !!! example

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> echo = lambda t2: mr.simulate(mr.protocols.spin_echo(te=0.05), mr.Tissue(1.0, t2), gradient=mr.gradient.Forward())
        >>> jax.jvp(echo, (0.1,), (1.0,))[1].shape
        (1,)

        ```
    """

    def scan(self, body: Callable, carry: Any, inputs: Any, length: int, unroll: int = 2) -> tuple[Any, Any]:
        return jax.lax.scan(body, carry, inputs, length=length, unroll=unroll)


class ForwardJacobian(AbstractGradient):
    """The derivatives in the tissue parameters, carried along with the signal.

    A differentiated simulation costs about one signal more for each parameter with respect to which the loss is
    differentiated, forward and reverse alike; it stores the signal's Jacobian and no states, and reverse mode only
    contracts with it. For decoders inside a loss, and for fits of a few parameters per voxel.

    Differentiates in the leaves of the tissue alone.

    **Raises:** `ValueError` where the sequence, the engine or a given state is differentiated.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(jnp.full(8, 2.5), echo_spacing=10e-3)
        >>> loss = lambda t2: jnp.sum(abs(mr.simulate(train, mr.Tissue(1.0, t2), gradient=mr.gradient.ForwardJacobian())) ** 2)
        >>> jax.grad(loss)(jnp.array([0.05, 0.1])).shape
        (2,)

        ```
    """

    def scan(self, body: Callable, carry: Any, inputs: Any, length: int, unroll: int = 2) -> tuple[Any, Any]:
        return jax.lax.scan(body, carry, inputs, length=length, unroll=unroll)
