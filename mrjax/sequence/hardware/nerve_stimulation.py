"""How much gradients that change stimulate peripheral nerves."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._module import Module


class AbstractStimulation(Module):
    """A model of nerves: what fraction of the threshold slew rates along x, y and z reach, moment by moment."""

    is_sampled: eqx.AbstractVar[bool]
    """Whether gradients are taken in the middles of rasters alone, as programs of vendors do."""

    @abstractmethod
    def along_axes(self, slew: Float[Array, "n 3"], raster: Any) -> Float[Array, "n 3"]:
        """The stimulation by each axis at the end of every interval, relative to the threshold, with its sign or without.

        **Arguments:**

        - `slew`: Constant in each interval, in T/m/s.
        - `raster`: The length of the intervals, in s.
        """

    def __call__(self, slew: Any, raster: Any) -> Float[Array, " n"]:
        r"""The stimulation by all axes, $\sqrt{R_x^2 + R_y^2 + R_z^2}$, relative to the threshold.

        **Arguments:**

        - `slew`: Constant in each interval, in T/m/s, `(n, 3)`.
        - `raster`: The length of the intervals, in s.

        **Returns:** at the end of every interval; 1 is the threshold.

        **Derivatives:** in the slew rates, forward and reverse; zero where nothing is stimulated.

        **Raises:** `ValueError` where `slew` has another shape, or `raster` is not positive.
        """
        slew = _checks.real_array(slew, "slew")
        if slew.ndim != 2 or slew.shape[1] != 3:
            raise ValueError(f"`slew` must have shape (n, 3), along x, y and z (T/m/s), but got {slew.shape}.")
        raster = _checks.positive(_checks.real_array(raster, "raster"), "raster", "s")
        square = jnp.sum(self.along_axes(slew, raster) ** 2, axis=1)
        return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


class SafeStimulation(AbstractStimulation):
    r"""The SAFE model: three low-pass filters of the slew rate along each axis.

    $$R = \frac{g}{S_\mathrm{lim}} \left( a_1 |f_{\tau_1} * S| + a_2 \, f_{\tau_2} * |S| + a_3 |f_{\tau_3} * S| \right),
    \qquad f_\tau(t) = e^{-t / \tau} / \tau$$

    **Arguments:**

    - `limit`: $S_\mathrm{lim}$ in T/m/s, positive; one number, or one for each of x, y and z. All further arguments likewise.
    - `time_constants`: $\tau_1$, $\tau_2$, $\tau_3$ in s, positive; `(3,)`, or `(3, 3)` with a row for each axis.
    - `weights`: $a_1$, $a_2$, $a_3$, from 0 to 1, as a rule with a sum of 1; as `time_constants`.
    - `scale`: $g$, of the coil.
    - `is_sampled`: Filters as published programs have them, $y_n = y_{n-1} + \frac{h}{\tau + h} (S_n - y_{n-1})$ with the raster
      $h$; a `Scanner` then samples gradients in the middles of rasters. By default exact for a slew rate that is constant in
      each interval.

    The numbers are those of a scanner, which its vendor knows. With `is_sampled` the result depends on the raster: a filter
    of 30 us is off by a sixth at 10 us.

    **Raises:** `ValueError` where numbers are out of range or have another shape.

    **Source:** F. X. Hebrank, M. Gebhardt, Proc. ISMRM 8 (2000) 2007.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> nerves = mr.hardware.SafeStimulation(30.0, [0.2e-3, 0.03e-3, 3e-3], [0.4, 0.1, 0.5])
        >>> slew = jnp.zeros((50, 3)).at[:, 0].set(100.0)  # T/m/s for half a millisecond
        >>> print(f"{float(nerves(slew, 10e-6).max()):.2f}")
        1.81

        ```
    """

    limit: Float[Array, " 3"]
    time_constants: Float[Array, "3 3"]
    weights: Float[Array, "3 3"]
    scale: Float[Array, " 3"]
    is_sampled: bool = eqx.field(static=True)

    def __init__(self, limit: Any, time_constants: Any, weights: Any, scale: Any = 1.0, is_sampled: bool = False):
        self.limit = _checks.positive(_of_axes(limit, "limit", (3,)), "limit", "T/m/s")
        constants = _of_axes(time_constants, "time_constants", (3, 3))
        self.time_constants = _checks.positive(constants, "time_constants", "s")
        self.weights = _checks.non_negative(_of_axes(weights, "weights", (3, 3)), "weights", "a plain number")
        self.scale = _checks.positive(_of_axes(scale, "scale", (3,)), "scale", "a plain number")
        self.is_sampled = bool(is_sampled)

    def along_axes(self, slew: Float[Array, "n 3"], raster: Any) -> Float[Array, "n 3"]:
        relative = slew * (self.scale / self.limit).astype(slew.dtype)[None]
        ratio = jnp.asarray(raster, slew.dtype) / self.time_constants.astype(slew.dtype)
        share = ratio / (1 + ratio) if self.is_sampled else -jnp.expm1(-ratio)
        inputs = jnp.stack([relative, jnp.abs(relative), relative], axis=-1)

        def step(state: Array, now: Array) -> tuple[Array, Array]:
            state = state + share * (now - state)
            return state, state

        _, filtered = jax.lax.scan(step, jnp.zeros((3, 3), slew.dtype), inputs)
        return jnp.sum(self.weights.astype(slew.dtype)[None] * jnp.abs(filtered), axis=-1)


class ChronaxieStimulation(AbstractStimulation):
    r"""The law of strength and duration, with the memory of a nerve.

    $$R(t) = \frac{\alpha}{r} \int_0^t S(\theta) \frac{c}{(c + t - \theta)^2} \, d\theta$$

    A slew rate that is constant for a time $T$ reaches the threshold where $S = \frac{r}{\alpha} (1 + c / T)$.

    **Arguments:**

    - `rheobase`: $r$ in T/s, positive; one number, or one for each of x, y and z. All further arguments likewise.
    - `effective_length`: $\alpha$ of the coil in m, positive: the slew rate of the rheobase is $r / \alpha$.
    - `chronaxie`: $c$ in s, positive.

    Exact for a slew rate that is constant in each interval, to the rounding of FFTs.

    **Raises:** `ValueError` where numbers are out of range or have another shape.

    **Source:** R. F. Schulte, R. Noeske, Magn Reson Med 74 (2015) 518-522; IEC 60601-2-33.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> nerves = mr.hardware.ChronaxieStimulation(rheobase=20.0, effective_length=0.333, chronaxie=360e-6)
        >>> threshold = 20.0 / 0.333 * (1 + 360e-6 / 400e-6)  # of a slew rate that is constant for 0.4 ms
        >>> slew = jnp.zeros((40, 3)).at[:, 1].set(threshold)
        >>> print(f"{float(nerves(slew, 10e-6).max()):.4f}")
        1.0000

        ```
    """

    rheobase: Float[Array, " 3"]
    effective_length: Float[Array, " 3"]
    chronaxie: Float[Array, " 3"]
    is_sampled: bool = eqx.field(static=True)

    def __init__(self, rheobase: Any, effective_length: Any, chronaxie: Any):
        self.rheobase = _checks.positive(_of_axes(rheobase, "rheobase", (3,)), "rheobase", "T/s")
        length = _of_axes(effective_length, "effective_length", (3,))
        self.effective_length = _checks.positive(length, "effective_length", "m")
        self.chronaxie = _checks.positive(_of_axes(chronaxie, "chronaxie", (3,)), "chronaxie", "s")
        self.is_sampled = False

    def along_axes(self, slew: Float[Array, "n 3"], raster: Any) -> Float[Array, "n 3"]:
        n = slew.shape[0]
        times = (jnp.arange(n, dtype=slew.dtype) * jnp.asarray(raster, slew.dtype))[:, None]
        c, h = self.chronaxie.astype(slew.dtype)[None], jnp.asarray(raster, slew.dtype)
        # the integral of c / (c + t)^2 over an interval, without the difference of two numbers that are nearly equal
        kernel = c * h / ((c + times) * (c + times + h))
        size = 2 * n
        product = jnp.fft.rfft(kernel, size, axis=0) * jnp.fft.rfft(slew, size, axis=0)
        remembered = jnp.fft.irfft(product, size, axis=0)[:n]
        return remembered * (self.effective_length / self.rheobase).astype(slew.dtype)[None]


def _of_axes(value: Any, name: str, shape: tuple[int, ...]) -> Array:
    """A number for each axis, or a row."""
    value = _checks.finite(_checks.real_array(value, name), name)
    if value.shape not in {(), shape[1:], shape}:
        rows = "one number or one for each of x, y and z" if len(shape) == 1 else "of shape (3,), or (3, 3)"
        raise ValueError(f"`{name}` must be {rows}, but got shape {value.shape}.")
    return jnp.broadcast_to(value, shape)
