"""A row of samples."""

from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax._quantities import DEGREES, HERTZ, MICROSECONDS
from mrjax.sequence.base import checked_now, replace_checked
from mrjax.sequence.double_length import angle
from mrjax.sequence.precision import Numbers, held
from mrjax.sequence.steps import Steps
from mrjax.sequence.tracks import AbstractChannelEvent


class Readout(AbstractChannelEvent):
    r"""The receiver records `n` samples, each in the middle of an interval of `dwell` seconds.

    Sample $k$ is multiplied by $\exp(-i (\phi + 2 \pi f t_k + \psi_k))$, with $t_k = (k + \frac12)\,$`dwell` from the start of
    this event.
    A gradient is played meanwhile by `Together(Gradient(...), Readout(...))`.

    **Arguments:**

    - `n`: Number of samples, a Python integer.
    - `dwell`: In s, positive. Scalar, or one entry per repetition inside a `Repeat`.
    - `phase`: Receiver phase $\phi$ in rad. As `dwell`.
    - `offset`: Receiver offset $f$ in Hz from the scanner's frequency. As `dwell`.
    - `modulation`: A receiver phase $\psi$ in rad for each sample, if any. Shape `(n,)`, or `(n_repetitions, n)`.

    **Raises:** `ValueError` where `n` is below one, `dwell` is not positive, or `modulation` has not `n` entries.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> fid = mr.Sequence(mr.Pulse(1.5708), mr.Readout(128, dwell=50e-6))
        >>> fid.n_samples, mr.simulate(fid, mr.Tissue(t1=1.0, t2=0.1), mr.Isochromats()).shape
        (128, (128,))

        ```
    """

    channel = "receiver"
    own_axes = MappingProxyType({"modulation": 1})
    units = MappingProxyType({"dwell": MICROSECONDS, "phase": DEGREES, "offset": HERTZ, "modulation": DEGREES})
    plausible = MappingProxyType({"dwell": "sampling"})
    printed_first = ("n",)

    n: int = eqx.field(static=True)
    dwell: Float[Array, "..."]
    phase: Float[Array, "..."] | float
    offset: Float[Array, "..."] | float
    modulation: Float[Array, "*repetitions n"] | float

    def __init__(self, n: int, dwell: Any, phase: Any = 0.0, offset: Any = 0.0, modulation: Any = 0.0):
        self.n = _checks.positive_integer(n, "n")
        self.dwell = _checks.real_array(dwell, "dwell")
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))
        self.offset = _checks.real_leaf(offset, "offset", Neutral(0.0))
        self.modulation = _checks.angle_leaf(modulation, "modulation", Neutral(0.0))
        if not isinstance(self.modulation, Neutral) and self.modulation.shape[-1:] != (self.n,):
            raise ValueError(
                f"`modulation` must have {self.n} entries on its last axis, one for each sample, but got shape "
                f"{self.modulation.shape}."
            )
        checked_now(self)

    @property
    def duration(self) -> Float[Numbers, "..."]:
        """In s."""
        return held(held(self.dwell) * self.n)

    @property
    def n_samples(self) -> int:
        return self.n

    def sample_offsets(self) -> Float[Array, "*repetitions n_samples"]:
        dwell = jnp.asarray(self.dwell)
        return dwell[..., None] * jnp.broadcast_to(jnp.arange(self.n) + 0.5, (*dwell.shape, self.n))

    def edges(self) -> Float[Array, " 2"]:
        return jnp.stack([jnp.zeros_like(self.duration), self.duration])

    def added_to(
        self, steps: Steps, passed: Int[Array, " n"], begin: Float[Array, " n"], end: Float[Array, " n"]
    ) -> Steps:
        del passed, begin, end
        return steps

    def receiver_phase(self) -> Float[Array, "*repetitions n_samples"]:
        """Angle in rad by which each sample is turned back."""
        modulation = jnp.zeros(self.n) if isinstance(self.modulation, Neutral) else jnp.asarray(self.modulation)
        phase, offset, times = jnp.asarray(self.phase), jnp.asarray(self.offset), self.sample_offsets()
        shape = jnp.broadcast_shapes(phase.shape, offset.shape, times.shape[:-1], modulation.shape[:-1])
        phase, offset = (jnp.broadcast_to(value, shape)[..., None] for value in (phase, offset))
        times, modulation = (jnp.broadcast_to(row, (*shape, self.n)) for row in (times, modulation))
        return phase + modulation + angle(offset, times)

    def checked(self, where: str) -> "Readout":
        positive = lambda value, name: _checks.finite(_checks.positive(value, name, "s"), name)
        angles = dict.fromkeys(("phase", "modulation"), _checks.finite_angle)
        return replace_checked(self, where, dwell=positive, offset=_checks.finite, **angles)
