"""What several transmit channels may play: fields, forward power and SAR, as numbers that terms and checks share."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.design.parallel_pulse import ParallelPulse
from mrjax.design.terms import squared_excess

UNIT = 1e-6
"""In T, in which fields are squared: the squares of fields in T are near the smallest of numbers in float32."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransmitLimits:
    r"""Limits of a pulse of several channels that is played once in each repetition.

    | name | $x / x_\mathrm{max}$ |
    |---|---|
    | `b1` | $\vert b_c(t) \vert$ over `max_b1`, of every channel and sample |
    | `power` | $p \, \overline{\vert b_c \vert^2}$ over `max_power`, of every channel |
    | `local_sar` | $\overline{b^H Q_v b}$ over `max_local_sar`, of every virtual observation point |
    | `global_sar` | $\overline{b^H Q b}$ over `max_global_sar` |

    Means are over the repetition time. What has no limit is not judged.

    **Arguments:**

    - `tr`: In s, at least the duration of the pulse.
    - `max_b1`: Of each channel in T.
    - `power`: $p$, forward power for the square of the nominal field of a channel, in W/T².
    - `max_power`: Mean of each channel in W.
    - `local_q`: $Q_v$ in W/kg/T², Hermitian, `(n_vop, n_channels, n_channels)`; see `virtual_observation_points`.
    - `max_local_sar`: In W/kg; 10 W/kg are the IEC's of a head, in normal operation.
    - `global_q`: $Q$ in W/kg/T², Hermitian, `(n_channels, n_channels)`.
    - `max_global_sar`: In W/kg; 3.2 W/kg are the IEC's of a head.

    **Raises:** `ValueError` for numbers that are not positive, matrices that are not square, and what belongs together and is not
    given together.

    **Source:** IEC 60601-2-33; I. Graesslin et al., Magn Reson Med 68 (2012) 1664-1674, for Q matrices.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import ms, uT
        >>> limits = mr.design.TransmitLimits(tr=10 * ms, max_b1=10 * uT, global_q=4e11 * jnp.eye(2), max_global_sar=3.2)
        >>> pulse = mr.design.ParallelPulse(jnp.full((2, 10), 8 * uT), jnp.zeros((11, 3)), dt=0.1 * ms)
        >>> {name: round(float(share.max()), 2) for name, share in limits.utilisation(pulse).items()}
        {'b1': 0.8, 'global_sar': 1.6}
        >>> limits.breaches(pulse)
        ['`global_sar` is 1.6 times what it may be.']

        ```
    """

    tr: float
    max_b1: float | None = None
    power: float | None = None
    max_power: float | None = None
    local_q: Any = None
    max_local_sar: float | None = None
    global_q: Any = None
    max_global_sar: float | None = None

    def __post_init__(self):
        for name in ("tr", "max_b1", "power", "max_power", "max_local_sar", "max_global_sar"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be a positive number, but got {value!r}.")
        for one, other in (("power", "max_power"), ("local_q", "max_local_sar"), ("global_q", "max_global_sar")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"`{one}` and `{other}` belong together; give both or neither.")
        for name, rank in (("local_q", 3), ("global_q", 2)):
            shape = np.shape(getattr(self, name))
            if getattr(self, name) is not None and (len(shape) != rank or shape[-1] != shape[-2]):
                raise ValueError(f"`{name}` must be of square matrices, of {rank} axes in all, but has shape {shape}.")

    @property
    def limited(self) -> tuple[str, ...]:
        """The names of what is limited."""
        known = {"b1": self.max_b1, "power": self.max_power}
        known |= {"local_sar": self.max_local_sar, "global_sar": self.max_global_sar}
        return tuple(name for name, most in known.items() if most is not None)

    def utilisation(self, pulse: ParallelPulse) -> dict[str, Float[Array, "..."]]:
        """How much of each limit a pulse uses; 1 is all of it. Differentiable."""
        shares: dict[str, Callable[[ParallelPulse], Array]] = {
            "b1": lambda pulse: jnp.abs(pulse.waveforms) / jnp.asarray(self.max_b1),
            "power": lambda pulse: (
                jnp.diagonal(self._mean_products(pulse)).real * self._scaled(self.power, self.max_power)
            ),
            "local_sar": lambda pulse: self._deposited(pulse, self.local_q, self.max_local_sar),
            "global_sar": lambda pulse: self._deposited(pulse, self.global_q, self.max_global_sar),
        }
        return {name: shares[name](pulse) for name in self.limited}

    def breaches(self, pulse: ParallelPulse) -> list[str]:
        """What of the limits a pulse does not keep to 1e-6, in words."""
        largest = {name: float(jnp.max(share)) for name, share in self.utilisation(pulse).items()}
        return [
            f"`{name}` is {share:.4g} times what it may be." for name, share in largest.items() if not share <= 1 + 1e-6
        ]

    def check(self, pulse: ParallelPulse) -> None:
        """Raise `ValueError` where a pulse does not keep the limits."""
        if found := self.breaches(pulse):
            raise ValueError(" ".join([*found, "Lower the waveforms, or design them with a larger `margin`."]))

    def terms(
        self, pulse_of: Callable[[Any], ParallelPulse], weight: float | int = 1.0, margin: float | int = 0.0
    ) -> dict[str, tuple[float, Callable[[Any], Array]]]:
        r"""For `weighted_sum`: $\sum_i \max(0, x_i / x_\mathrm{max} - 1 + \epsilon)^2$ of each limit, zero where it is kept.

        As `limit_terms` for a `Scanner`: `pulse_of` takes a design, and `margin` is $\epsilon$.
        """
        if not (isinstance(margin, int | float) and 0 <= margin < 1):
            raise ValueError(f"`margin` must be a number from 0 to below 1, but got {margin!r}.")

        def term(name: str) -> Callable[[Any], Array]:
            return lambda design: squared_excess(self.utilisation(pulse_of(design))[name], margin)

        return {name: (float(weight), term(name)) for name in self.limited}

    def _mean_products(self, pulse: ParallelPulse) -> Array:
        """$b_c^* b_d$, in the mean over the repetition and in units."""
        duration = pulse.duration
        if duration > self.tr * (1 + 1e-9):
            raise ValueError(f"`pulse` must not last longer than `tr`, {self.tr} s, but lasts {duration:.6g} s.")
        b = pulse.waveforms / UNIT
        return jnp.matmul(jnp.conj(b), b.T, precision="highest") * (pulse.dt / self.tr)

    def _deposited(self, pulse: ParallelPulse, matrices: Any, most: Any) -> Array:
        products = self._mean_products(pulse)
        matrices = jnp.asarray(np.asarray(matrices) * self._scaled(1.0, most), products.dtype)
        n = products.shape[0]
        if matrices.shape[-1] != n:
            raise ValueError(f"Q matrices must be of the {n} channels of `pulse`, but are of {matrices.shape[-1]}.")
        return jnp.einsum("...cd,cd->...", matrices, products, precision="highest").real

    def _scaled(self, factor: Any, most: Any) -> float:
        return factor * UNIT**2 / most
