"""kT-points: short block pulses between which gradients move in k-space, against transmit fields that are not uniform."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.design.parallel_pulse import ParallelPulse
from mrjax.units import GAMMA_BAR, us


@dataclasses.dataclass(frozen=True, kw_only=True)
class KTPoints:
    r"""A pulse of a few blocks with triangular gradients between them, whose fields and places in k-space are free.

    Where flip angles are small, $m(r) \propto \sum_j e^{2 \pi i k_j \cdot r} \sum_c B_c(r)\, b_{cj}$. One block alone is a static
    shim.

    A design is a dictionary: `real` and `imaginary`, the fields of the blocks in T, `(n_channels, n_points)`, and `k` of all
    blocks but the last, which is at zero, in cycles/m along x, y and z, `(n_points - 1, 3)`. However large these are, what is
    played keeps the limits: fields beyond `max_b1` are scaled down, and steps too long for the gradients are cut.

    **Arguments:**

    - `n_points`: Blocks.
    - `block`, `blip`: How long a block and a gradient between two last, in s; multiples of `dt`, and `blip` of twice `dt`.
    - `dt`: Of a sample in s.
    - `max_b1`: Of each channel in T.
    - `max_gradient`, `max_slew`: Along each axis, in T/m and T/m/s.

    **Raises:** `ValueError` for numbers that are not positive, and durations that are no such multiples.

    **Source:** M. A. Cloos, N. Boulant, M. Luong, G. Ferrand, E. Giacomini, D. Le Bihan, A. Amadon, Magn Reson Med 67
    (2012) 72-80.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> points = mr.design.KTPoints(n_points=2)
        >>> design = {"real": jnp.full((8, 2), 1e-6), "imaginary": jnp.zeros((8, 2)), "k": jnp.array([[4.0, 0.0, 0.0]])}
        >>> pulse = points.pulse(design)
        >>> pulse.waveforms.shape, f"{float(pulse.gradient.max()) * 1e3:.2f} mT/m"
        ((8, 28), '2.35 mT/m')

        ```
    """

    n_points: int
    block: float = 100 * us
    blip: float = 80 * us
    dt: float = 10 * us
    max_b1: float = 20e-6
    max_gradient: float = 40e-3
    max_slew: float = 180.0

    def __post_init__(self):
        _checks.positive_integer(self.n_points, "n_points")
        for name in ("block", "blip", "dt", "max_b1", "max_gradient", "max_slew"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"`{name}` must be a positive number, but got {getattr(self, name)!r}.")
        for name, unit in (("block", self.dt), ("blip", 2 * self.dt)):
            times = getattr(self, name) / unit
            if round(times) < 1 or abs(times - round(times)) > 1e-6:
                raise ValueError(f"`{name}` must be a multiple of {unit:.6g} s, but got {getattr(self, name)!r}.")

    @property
    def longest_step(self) -> float:
        """Between two points along one axis in cycles/m, by gradient and slew rate."""
        peak = min(self.max_gradient, self.max_slew * self.blip / 2)
        return GAMMA_BAR["1H"] * peak * self.blip / 2

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Of the leaves of a design that matter, for `optimise`; what is played may still be less than the design says."""
        field, step = (-self.max_b1, self.max_b1), (-self.longest_step, self.longest_step)
        return {"real": field, "imaginary": field} | ({"k": step} if self.n_points > 1 else {})

    def fields(self, design: Any) -> Complex[Array, "n_channels n_points"]:
        """Of the blocks in T, none above `max_b1`."""
        real, imaginary = jnp.asarray(design["real"]), jnp.asarray(design["imaginary"])
        square = (real / self.max_b1) ** 2 + (imaginary / self.max_b1) ** 2
        return (real + 1j * imaginary) / jnp.sqrt(jnp.maximum(square, 1.0))

    def pulse(self, design: Any) -> ParallelPulse:
        """What is played."""
        k = jnp.asarray(design["k"])
        if k.shape != (self.n_points - 1, 3) or np.shape(design["real"])[1:] != (self.n_points,):
            raise ValueError(
                f"`design` must hold fields of shape (n_channels, {self.n_points}) and `k` of shape {(self.n_points - 1, 3)}, "
                f"but has {np.shape(design['real'])} and {k.shape}."
            )
        steps = k - jnp.concatenate([k[1:], jnp.zeros((1, 3), k.dtype)]) if len(k) else k
        steps = jnp.clip(steps, -self.longest_step, self.longest_step)
        n_block, n_blip = round(self.block / self.dt), round(self.blip / self.dt)
        fields = jnp.repeat(self.fields(design)[..., None], n_block, axis=2)
        waveforms = jnp.pad(fields, ((0, 0), (0, 0), (0, n_blip))).reshape(fields.shape[0], -1)[:, :-n_blip]
        return ParallelPulse(waveforms, self._gradient(steps, n_block, n_blip), self.dt)

    def _gradient(self, steps: Float[Array, "n_blips 3"], n_block: int, n_blip: int) -> Float[Array, "n_edges 3"]:
        """Triangles after all blocks but the last."""
        triangle = 1 - np.abs(np.arange(n_blip) / (n_blip / 2) - 1)
        shape = np.concatenate([np.zeros(n_block), triangle])
        peaks = steps / (GAMMA_BAR["1H"] * self.blip / 2)
        blips = (peaks[:, None] * jnp.asarray(shape, steps.dtype)[None, :, None]).reshape(-1, 3)
        return jnp.concatenate([blips, jnp.zeros((n_block + 1, 3), steps.dtype)])
