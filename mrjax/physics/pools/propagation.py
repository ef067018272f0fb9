"""How the magnetisation is carried through a stretch of RF: exactly, by splitting, or by an ODE solver."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.physics.maths.matrix_exponential import exponential_less_one, full_precision, times
from mrjax.physics.pools.dynamics import Irradiated

if TYPE_CHECKING:
    import diffrax

Field = tuple[Float[Array, "sample #voxel"], ...]
"""The RF field about x and y, and that of gradients about z where there are any, in rad/s, sample by sample."""

AT_ONCE = 8
"""Samples whose exponentials are formed in one batch."""


class AbstractPropagation(eqx.Module):
    """What `BlochMcConnell(method=)` takes."""

    @abstractmethod
    def propagator(self, pools: Irradiated, field: Field, dt: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
        """The propagator of all samples, each of duration `dt`, less the identity."""


class Propagator(AbstractPropagation):
    """The exponential of the generator of each sample: exact for a field that is constant over each of them. The default.

    A continuous wave is one exponential, whatever its length. Reverse mode stores one propagator for every eight samples.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> engine = mr.BlochMcConnell(b0=3.0, method=mr.propagation.Propagator())
        >>> saturation = mr.Sequence(mr.ContinuousWave(2e-6, 2.0, 447.0), mr.Spoil(), mr.SampleLongitudinal())
        >>> mr.simulate(saturation, mr.Tissue(1.0, 0.1), engine).real.round(2).tolist()
        [0.75...]

        ```
    """

    def propagator(self, pools: Irradiated, field: Field, dt: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
        step = lambda field, dt: exponential_less_one(pools.generator(*field) * dt[..., None, None, None])
        return _in_order(step, field, dt)


class Splitting(AbstractPropagation):
    r"""Precession and RF apart from relaxation and exchange (Strang): $e^{R/2} e^{\Omega} e^{R/2}$ for each part of a sample.

    The error falls with the square of the number of parts. For comparisons: it is not faster than `Propagator`, and where a
    pool relaxes fast it needs parts of some 10 microseconds.

    **Arguments:**

    - `n_parts`: Into how many parts each sample of a pulse, and each continuous wave, is cut; rounded up to a power of two.

    **Raises:** `ValueError` where `n_parts` is not a positive integer.

    **Source:** G. Strang, SIAM J Numer Anal 5 (1968) 506-517.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> engine = mr.BlochMcConnell(b0=3.0, method=mr.propagation.Splitting(4096))
        >>> saturation = mr.Sequence(mr.ContinuousWave(2e-6, 2.0, 447.0), mr.Spoil(), mr.SampleLongitudinal())
        >>> mr.simulate(saturation, mr.Tissue(1.0, 0.1), engine).real.round(2).tolist()
        [0.75...]

        ```
    """

    n_parts: int = eqx.field(static=True)

    def __check_init__(self):
        _checks.positive_integer(self.n_parts, "n_parts")

    def propagator(self, pools: Irradiated, field: Field, dt: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
        doublings = (self.n_parts - 1).bit_length()

        def step(field: Field, dt: Array) -> Array:
            relaxation = pools.relaxation(field[0] ** 2 + field[1] ** 2, *field[2:])
            part = dt[..., None, None, None] / 2**doublings
            half = exponential_less_one(relaxation * (part / 2))
            rotation = pools.generator(*field) - relaxation
            less_one = times(half, times(exponential_less_one(rotation * part), half))
            for _ in range(doublings):
                less_one = times(less_one, less_one)
            return less_one

        return _in_order(step, field, dt)


def _default_solver() -> "diffrax.AbstractSolver":
    import diffrax  # takes as long as all that mrjax needs without it

    return diffrax.Dopri8()


class ODE(AbstractPropagation):
    r"""A solver of diffrax for $\dot P = G(t) P$; for waveforms that are continuous, and to check the others.

    Thousands of times slower than `Propagator` where offsets are large, since each turn is followed.

    **Arguments:**

    - `waveform`: `"constant"` over each sample, as the other methods take it, or `"linear"` between the middles of samples.
    - `solver`: Any solver of diffrax; `diffrax.Dopri8()` by default, `diffrax.Kvaerno5()` where pools are stiff.
    - `rtol`, `atol`: Tolerances of its step size control.
    - `max_steps`: Steps allowed for each sample, or for the whole of a linear waveform.

    Reverse mode goes by diffrax's checkpointed adjoint; forward mode needs `diffrax.ForwardMode` and is not offered.

    **Raises:** `ValueError` for another `waveform`; an error at run time where `max_steps` do not suffice.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> engine = mr.BlochMcConnell(b0=3.0, method=mr.propagation.ODE())
        >>> pulse = mr.Sequence(mr.ContinuousWave(2e-6, 0.01, 100.0), mr.Spoil(), mr.SampleLongitudinal())
        >>> print(mr.simulate(pulse, mr.Tissue(1.0, 0.1), engine).real.round(2))
        [0.41]

        ```
    """

    waveform: Literal["constant", "linear"] = eqx.field(static=True, default="constant")
    solver: "diffrax.AbstractSolver" = eqx.field(default_factory=_default_solver)
    rtol: float = eqx.field(static=True, default=1e-6)
    atol: float = eqx.field(static=True, default=1e-8)
    max_steps: int = eqx.field(static=True, default=2**16)

    def __check_init__(self):
        if self.waveform not in ("constant", "linear"):
            raise ValueError(f"`waveform` must be 'constant' or 'linear', but got {self.waveform!r}.")

    def propagator(self, pools: Irradiated, field: Field, dt: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
        if self.waveform == "constant" or len(field[0]) == 1:
            each = lambda now: self._solved(pools, lambda time: now, dt)
            less_one = jax.lax.map(each, field)
            return jax.lax.scan(lambda before, now: (times(now, before), None), jnp.zeros_like(less_one[0]), less_one)[
                0
            ]
        import diffrax

        n = len(field[0])
        knots = jnp.concatenate([jnp.zeros(1), np.arange(n) + 0.5, jnp.full(1, n)]).astype(dt.dtype) * dt
        held = jax.tree.map(lambda values: jnp.concatenate([values[:1], values, values[-1:]]), field)
        between = diffrax.LinearInterpolation(knots, held)
        return self._solved(pools, between.evaluate, n * dt)

    def _solved(self, pools: Irradiated, field: Callable[[Any], Any], duration: Float[Array, ""]) -> Array:
        import diffrax

        def slope(time: Any, less_one: Any, _: Any) -> Array:
            generator = pools.generator(*field(time))
            with full_precision():
                return generator + generator @ less_one

        start = jnp.zeros_like(pools.generator(*field(jnp.zeros_like(duration))))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            self.solver,
            t0=jnp.zeros_like(duration),
            t1=duration,
            dt0=None,
            y0=start,
            stepsize_controller=diffrax.PIDController(rtol=self.rtol, atol=self.atol),
            max_steps=self.max_steps,
        )
        return jnp.asarray(solution.ys)[-1]


def _in_order(step: Callable, field: Field, dt: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
    """The product of `step(field, dt)` over all samples, later ones to the left; some at once, batch after batch."""
    n = len(field[0])
    dt = jnp.asarray(dt, field[0].dtype)
    if n == 1:
        return step(field, dt[None])[0]
    size = min(AT_ONCE, n)
    n_batches = -(-n // size)
    # samples that fill up the last batch last no time, and so do nothing
    filled = lambda values: jnp.pad(values, [(0, n_batches * size - n)] + [(0, 0)] * (values.ndim - 1))
    batches = jax.tree.map(
        lambda values: filled(values).reshape(n_batches, size, *values.shape[1:]), (field, jnp.broadcast_to(dt, (n,)))
    )

    @jax.checkpoint
    def batch(before: Array, samples: tuple) -> tuple[Array, None]:
        return times(_product(step(*samples)), before), None

    like = jax.eval_shape(step, *jax.tree.map(lambda values: values[0], batches))
    return jax.lax.scan(batch, jnp.zeros(like.shape[1:], like.dtype), batches)[0]


def _product(factors: Float[Array, "sample voxel n n"]) -> Float[Array, "#voxel n n"]:
    """Of all factors, the first to the right, neighbours first: products of one level are formed in one batch."""
    while len(factors) > 1:
        pairs = len(factors) // 2
        joined = times(factors[1 : 2 * pairs : 2], factors[0 : 2 * pairs : 2])
        factors = joined if 2 * pairs == len(factors) else jnp.concatenate([joined, factors[-1:]])
    return factors[0]
