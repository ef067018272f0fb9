"""Field gradients that last."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax import _checks
from mrjax._shapes import of_one_rank
from mrjax.sequence.events import AbstractEvent, checked_now, replace_checked

Axis = Literal["x", "y", "z"]
AXES: tuple[str, ...] = get_args(Axis)


class Gradient(AbstractEvent):
    r"""A gradient of the field along z, $G(t)$, straight between the points that are given.

    A spin at $r$ precesses by $2\pi\Delta f + \gamma G(t) r$, so $k = -\frac{\gamma}{2\pi} \int G\,dt$
    (see `Timeline.trajectory`). `Gradient.trapezoid` and `Gradient.sampled` make the usual shapes; `Together` plays several
    at once.

    **Arguments:**

    - `waveform`: $G$ in T/m at each point. Shape `(n,)` with n of at least 2, or `(n_repetitions, n)` inside a `Repeat`.
    - `times`: Of the points in s from the start of the event, zero or more, not falling. As `waveform`. Two equal times are
      a jump; before the first point there is no gradient, and the event ends with the last.
    - `axis`: `"x"`, `"y"` or `"z"`.

    **Raises:** `ValueError` where the numbers of points differ, times fall, or the axis is another.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> spoiler = mr.Gradient([0, 20 * mT, 20 * mT, 0], [0, 100 * us, 1.1 * ms, 1.2 * ms], axis="z")
        >>> print(f"{spoiler.area:.2e} T s/m in {spoiler.duration:.1e} s")
        2.20e-05 T s/m in 1.2e-03 s

        ```
    """

    own_axes: ClassVar[Mapping[str, int]] = MappingProxyType({"waveform": 1, "times": 1})

    waveform: Float[Array, "*repetitions n"]
    times: Float[Array, "*repetitions n"]
    axis: Axis = eqx.field(static=True)

    def __init__(self, waveform: Any, times: Any, axis: Axis):
        self.waveform = _checks.real_array(waveform, "waveform")
        self.times = _checks.real_array(times, "times")
        self.axis = axis
        if axis not in AXES:
            raise ValueError(f'`axis` must be "x", "y" or "z", but got {axis!r}.')
        n = [np.shape(points)[-1:] for points in (self.waveform, self.times)]
        if n[0] != n[1] or n[0] in ((), (0,), (1,)):
            raise ValueError(
                "`waveform` and `times` must have the same number of points on their last axis, at least 2, but got shapes "
                f"{self.waveform.shape} and {self.times.shape}."
            )
        checked_now(self)

    @classmethod
    def trapezoid(
        cls,
        amplitude: Any = None,
        *,
        rise: Any,
        flat: Any,
        fall: Any = None,
        area: Any = None,
        axis: Axis,
    ) -> "Gradient":
        """A trapezoid, by its amplitude or by its area.

        **Arguments:**

        - `amplitude`: In T/m; scalar, or one entry per repetition.
        - `rise`, `flat`, `fall`: Durations of its parts in s; `fall` is as long as `rise` by default. As `amplitude`.
        - `area`: In T s/m, in place of `amplitude`.
        - `axis`: `"x"`, `"y"` or `"z"`.

        **Raises:** `ValueError` where both or neither of `amplitude` and `area` are given.
        """
        if (amplitude is None) == (area is None):
            raise ValueError("Give either `amplitude` (T/m) or `area` (T s/m).")
        rise, flat = _checks.real_array(rise, "rise"), _checks.real_array(flat, "flat")
        fall = rise if fall is None else _checks.real_array(fall, "fall")
        if amplitude is None:
            amplitude = _checks.real_array(area, "area") / (flat + (rise + fall) / 2)
        amplitude = _checks.real_array(amplitude, "amplitude")
        nothing = jnp.zeros_like(amplitude)
        corners = jnp.broadcast_arrays(jnp.zeros_like(rise), rise, rise + flat, rise + flat + fall)
        return cls(jnp.stack([nothing, amplitude, amplitude, nothing], axis=-1), jnp.stack(corners, axis=-1), axis)

    @classmethod
    def sampled(cls, samples: Any, dt: Any, axis: Axis, *, first: Any = 0.0, last: Any = 0.0) -> "Gradient":
        """A gradient by samples at the middles of equal intervals, straight between them.

        **Arguments:**

        - `samples`: In T/m, `(n,)` or `(n_repetitions, n)`.
        - `dt`: Of one interval, in s.
        - `axis`: `"x"`, `"y"` or `"z"`.
        - `first`, `last`: At the start of the first interval and the end of the last, in T/m.
        """
        samples = _checks.real_array(samples, "samples")
        if samples.ndim < 1:
            raise ValueError("`samples` must have at least one axis, that of the samples, but got a scalar.")
        edge = lambda value, name: jnp.broadcast_to(
            _checks.real_array(value, name)[..., None], (*samples.shape[:-1], 1)
        ).astype(samples.dtype)
        n = samples.shape[-1]
        places = np.concatenate([[0.0], np.arange(n) + 0.5, [n]])
        dt = _checks.real_array(dt, "dt")
        times = dt[..., None] * jnp.broadcast_to(jnp.asarray(places, samples.dtype), (*dt.shape, n + 2))
        return cls(jnp.concatenate([edge(first, "first"), samples, edge(last, "last")], axis=-1), times, axis)

    @property
    def duration(self) -> Float[Array, "..."]:
        """In s, until the last point."""
        return jnp.asarray(self.times)[..., -1]

    @property
    def area(self) -> Float[Array, "..."]:
        """The integral over time in T s/m."""
        waveform, times = of_one_rank(self.waveform, self.times)
        return jnp.sum((waveform[..., 1:] + waveform[..., :-1]) / 2 * jnp.diff(times, axis=-1), axis=-1)

    def area_until(self, time: Float[Array, " time"]) -> Float[Array, " time"]:
        """The integral from the start to each of these times in s, for a gradient without repetitions."""
        steps = jnp.diff(self.times)
        areas = jnp.cumsum((self.waveform[1:] + self.waveform[:-1]) / 2 * steps)
        piece = self._piece(time)
        into = self._into(piece, time)
        before = jnp.where(piece > 0, areas[piece - 1], 0.0)
        return before + (self.waveform[piece] + self._slopes()[piece] * into / 2) * into

    def moment_until(self, time: Float[Array, " time"]) -> Float[Array, " time"]:
        r"""$\int G t'\,dt'$ from the start to each of these times in s, for a gradient without repetitions."""
        steps, slopes = jnp.diff(self.times), self._slopes()
        of_piece = lambda first, value, slope, into: (
            (first * (value + slope * into / 2) + (value / 2 + slope * into / 3) * into) * into
        )
        moments = jnp.cumsum(of_piece(self.times[:-1], self.waveform[:-1], slopes, steps))
        piece = self._piece(time)
        into = self._into(piece, time)
        before = jnp.where(piece > 0, moments[piece - 1], 0.0)
        return before + of_piece(self.times[piece], self.waveform[piece], slopes[piece], into)

    def line_at(self, time: Float[Array, " time"]) -> tuple[Float[Array, " time"], Float[Array, " time"]]:
        """Value and slope at each of these times, for a gradient without repetitions; zero outside its points."""
        piece = self._piece(time)
        inside = (time >= self.times[0]) & (time <= self.times[-1])
        slope = self._slopes()[piece]
        value = self.waveform[piece] + slope * (time - self.times[piece])
        return jnp.where(inside, value, 0.0), jnp.where(inside, slope, 0.0)

    def checked(self, where: str) -> "Gradient":
        return replace_checked(self, where, waveform=_checks.finite, times=_rising)

    def _piece(self, time: Float[Array, " time"]) -> Int[Array, " time"]:
        """Between which points each time lies: the number of the first."""
        return jnp.clip(jnp.searchsorted(self.times, time, side="right") - 1, 0, self.times.shape[-1] - 2)

    def _into(self, piece: Int[Array, " time"], time: Float[Array, " time"]) -> Float[Array, " time"]:
        """How much of its piece has passed at each time; at a corner with the derivative of what follows."""
        within = jnp.where(time > self.times[-1], jnp.diff(self.times)[piece], time - self.times[piece])
        return jnp.where(time < self.times[0], 0.0, within)

    def _slopes(self) -> Float[Array, " piece"]:
        steps = jnp.diff(self.times)
        return jnp.where(steps > 0, jnp.diff(self.waveform) / jnp.where(steps > 0, steps, 1.0), 0.0)


def _rising(times: Array, name: str) -> Array:
    times = _checks.finite(_checks.non_negative(times, name, "s"), name)
    return _checks.require(times, jnp.all(jnp.diff(times, axis=-1) >= 0), f"`{name}` must not fall from point to point")
