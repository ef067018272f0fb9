"""What a pulse is to do to which spins, and how far a design of it is from that."""

import dataclasses
import math
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, units
from mrjax.design.objectives import relative_error
from mrjax.design.pulse_response import PulseResponse, pulse_response
from mrjax.sequence import Delay, Gradient, Scanner, Sequence, ShapedPulse, Together
from mrjax.units import ms

Kind = Literal["excitation", "refocusing", "inversion"]
REPHASING = 1 * ms
"""How long the lobe lasts that rephases an excited slice."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PulseTask:
    r"""A pulse to be designed: what it is to do to spins at some places, frequencies and transmit fields.

    | `kind` | compared | where $t = 1$ | where $t = 0$ |
    |---|---|---|---|
    | `"excitation"` | $2 \alpha^* \beta$ after the lobe that rephases | $-i \sin \theta$ | 0 |
    | `"refocusing"` | $\beta^2$ | $-\sin^2 \frac\theta2$ | 0 |
    | `"inversion"` | $\vert\alpha\vert^2 - \vert\beta\vert^2$ | $\cos \theta$ | 1 |

    A design is a dictionary: `real` and `imaginary`, the samples of the field in T, `(n_samples,)`, and for excitations
    `rephasing`, the area of the lobe in T s/m, `(1,)`. However large its samples are, the field never exceeds `max_b1`: those
    beyond are scaled down.

    **Arguments:**

    - `kind`: As in the table.
    - `flip_angle`: $\theta$ in rad, above zero and at most $\pi$.
    - `n_samples`, `dt`: Of the pulse; `dt` in s.
    - `wanted`: $t$ of every spin, from 0 to 1, `(*spins)`; at least one is not zero.
    - `position`, `off_resonance`, `b1`: Of every spin in m, Hz and relative to nominal; they broadcast to `(*spins)`.
    - `weights`: Of every spin, zero or more; likewise.
    - `gradient`: Played with the pulse along z, in T/m at `gradient_times` in s from the start of the event; none by default.
    - `pulse_start`: Of the pulse in s from the start of the event, on the RF raster.
    - `max_b1`: In T, positive.

    **Raises:** `ValueError` where shapes do not fit and numbers are out of range.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms, uT
        >>> task = mr.design.PulseTask(  # an inversion that forgives a transmit field that is 30 percent off
        ...     kind="inversion", flip_angle=180 * deg, n_samples=50, dt=0.08 * ms, wanted=jnp.ones(7),
        ...     b1=jnp.linspace(0.7, 1.3, 7), max_b1=15 * uT,
        ... )
        >>> hard = {"real": jnp.full(50, 2.936e-6), "imaginary": jnp.zeros(50)}
        >>> print(f"{float(task.error(hard)):.3f}")
        0.015

        ```
    """

    kind: Kind
    flip_angle: float
    n_samples: int
    dt: float
    wanted: Any
    position: Any = 0.0
    off_resonance: Any = 0.0
    b1: Any = 1.0
    weights: Any = 1.0
    gradient: Any = None
    gradient_times: Any = None
    pulse_start: float = 0.1 * ms
    max_b1: float = 20e-6

    def __post_init__(self):
        if self.kind not in get_args(Kind):
            raise ValueError(f"`kind` must be one of {', '.join(get_args(Kind))}, but got {self.kind!r}.")
        if not 0 < self.flip_angle <= math.pi * (1 + 1e-6):
            raise ValueError(f"`flip_angle` must be above 0 and at most pi (rad), but got {self.flip_angle!r}.")
        _checks.positive_integer(self.n_samples, "n_samples")
        for name in ("dt", "max_b1"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"`{name}` must be a positive number, but got {getattr(self, name)!r}.")
        wanted = np.asarray(self.wanted, float)
        if not (np.all((wanted >= 0) & (wanted <= 1)) and np.any(wanted > 0)):
            raise ValueError("`wanted` must be from 0 to 1, and above 0 for at least one spin.")
        if (self.gradient is None) != (self.gradient_times is None):
            raise ValueError("`gradient` and `gradient_times` belong together; give both or neither.")
        for name in ("position", "off_resonance", "b1", "weights"):
            try:
                np.broadcast_to(np.asarray(getattr(self, name)), wanted.shape)
            except ValueError:
                shape = np.shape(getattr(self, name))
                raise ValueError(
                    f"`{name}` must broadcast to the shape of `wanted`, {wanted.shape}, but has {shape}."
                ) from None

    def samples(self, design: Any) -> Array:
        """The field in T, `(n_samples,)`, complex."""
        real, imaginary = jnp.asarray(design["real"]), jnp.asarray(design["imaginary"])
        unit = self.max_b1  # the square of a field in T is near the smallest of numbers in float32
        square = (real / unit) ** 2 + (imaginary / unit) ** 2
        return (real + 1j * imaginary) / jnp.sqrt(jnp.maximum(square, 1.0))

    def sequence(self, design: Any) -> Sequence:
        """What is played: the pulse with its gradient, and the lobe that rephases."""
        pulse = ShapedPulse(self.samples(design), self.dt, use=self.kind)
        ringing = Scanner().rf_ringdown
        tracks: list[Any] = [Sequence(Delay(self.pulse_start), pulse, Delay(ringing))]
        end = self.pulse_start + self.n_samples * self.dt + ringing
        if self.gradient is not None:
            times = np.asarray(self.gradient_times, float)
            end = max(end, float(times[-1]))
            tracks.append(Gradient(jnp.asarray(self.gradient), times, "z"))
        whole = Together(*tracks, Delay(math.ceil(end / 1e-5 - 1e-6) * 1e-5))
        if self.kind != "excitation" or self.gradient is None:
            return Sequence(whole)
        ramp = 0.2 * ms
        area = jnp.asarray(design["rephasing"])[0]
        return Sequence(whole, Gradient.trapezoid(area=area, rise=ramp, flat=REPHASING - 2 * ramp, axis="z"))

    def response(self, design: Any) -> PulseResponse:
        """What a design does to every spin."""
        spins: dict[str, Any] = {name: self._each(name) for name in ("position", "off_resonance", "b1")}
        return pulse_response(self.sequence(design), **spins)

    def compared(self, response: PulseResponse) -> tuple[Array, Array]:
        """What is compared, and what it is to be."""
        wanted, angle = self._each("wanted"), self.flip_angle
        match self.kind:
            case "excitation":
                return response.excited, -1j * math.sin(angle) * wanted
            case "refocusing":
                return response.refocused, -(math.sin(angle / 2) ** 2) * wanted.astype(response.beta.dtype)
            case _:
                return response.inverted, 1 + (math.cos(angle) - 1) * wanted

    def error(self, design: Any) -> Float[Array, ""]:
        """The mean squared error over all spins by their weights, relative to that of no pulse at all."""
        values, target = self.compared(self.response(design))
        idle = 1.0 if self.kind == "inversion" else 0.0
        return relative_error(values - idle, target - idle, self._each("weights"))

    def energy(self, design: Any) -> Float[Array, ""]:
        """The mean of the squared field relative to `max_b1`: 1 for a block pulse of that field."""
        samples = self.samples(design) / self.max_b1
        return jnp.mean(samples.real**2 + samples.imag**2)

    def nominal_block(self) -> float:
        """The field in T of a block pulse of this angle and duration."""
        return self.flip_angle / (2 * math.pi * units.GAMMA_BAR["1H"] * self.n_samples * self.dt)

    def _each(self, name: str) -> Array:
        return jnp.broadcast_to(jnp.asarray(getattr(self, name), float), np.shape(self.wanted))
