"""A row of samples."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax.sequence.events import AbstractEvent, checked_now, replace_checked


class Readout(AbstractEvent):
    r"""The receiver records `n` samples, each in the middle of an interval of `dwell` seconds.

    Sample $k$ is multiplied by $\exp(-i (\phi + 2 \pi f t_k))$, with $t_k = (k + \frac12)\,$`dwell` from the start of this event.
    A gradient is played meanwhile by `Together(Gradient(...), Readout(...))`.

    **Arguments:**

    - `n`: Number of samples, a Python integer.
    - `dwell`: In s, positive. Scalar, or one entry per repetition inside a `Repeat`.
    - `phase`: Receiver phase $\phi$ in rad. As `dwell`.
    - `offset`: Receiver offset $f$ in Hz from the scanner's frequency. As `dwell`.

    **Raises:** `ValueError` where `n` is below one or `dwell` is not positive.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> fid = mr.Sequence(mr.Pulse(1.5708), mr.Readout(128, dwell=50e-6))
        >>> fid.n_samples, mr.simulate(fid, mr.Tissue(t1=1.0, t2=0.1), mr.Isochromats()).shape
        (128, (128,))

        ```
    """

    n: int = eqx.field(static=True)
    dwell: Float[Array, "..."]
    phase: Float[Array, "..."] | float
    offset: Float[Array, "..."] | float

    def __init__(self, n: int, dwell: Any, phase: Any = 0.0, offset: Any = 0.0):
        self.n = _checks.positive_integer(n, "n")
        self.dwell = _checks.real_array(dwell, "dwell")
        self.phase = _checks.real_leaf(phase, "phase", Neutral(0.0))
        self.offset = _checks.real_leaf(offset, "offset", Neutral(0.0))
        checked_now(self)

    @property
    def duration(self) -> Float[Array, "..."]:
        """In s."""
        return jnp.asarray(self.dwell) * self.n

    @property
    def n_samples(self) -> int:
        return self.n

    def sample_offsets(self) -> Float[Array, "*repetitions n_samples"]:
        return jnp.asarray(self.dwell)[..., None] * (jnp.arange(self.n) + 0.5)

    def receiver_phase(self) -> Float[Array, "*repetitions n_samples"]:
        """Angle in rad by which each sample is turned back."""
        phase = jnp.asarray(self.phase)[..., None] + jnp.zeros(self.n)
        return phase + 2 * jnp.pi * jnp.asarray(self.offset)[..., None] * self.sample_offsets()

    def checked(self, where: str) -> "Readout":
        positive = lambda value, name: _checks.finite(_checks.positive(value, name, "s"), name)
        return replace_checked(self, where, dwell=positive, phase=_checks.finite, offset=_checks.finite)
