"""A train of gradient echoes all of whose angles, phases and moments are free, and what it is to learn."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, units
from mrjax.protocols._arguments import repetition_phases
from mrjax.sequence import ContinuousWave, Delay, Gradient, Readout, Repeat, Scanner, Sequence, Together
from mrjax.units import deg, ms, us

GAMMA_BAR = units.GAMMA_BAR["1H"]
LOBE_RISE = 0.2 * ms
SPOILING = 2.0
"""Cycles across a pixel along x that the target winds in each repetition."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FreeEchoes:
    r"""A gradient echo for each line of an image, whose flip angles, phases and gradient moments are free: a MRzero design.

    In each repetition come a hard pulse, lobes along x and y that may have any area, a readout along x, and lobes of any area
    again, and a delay. The receiver follows the phase of the pulse. A design is a dictionary of arrays:

    | leaf | shape | unit |
    |---|---|---|
    | `flip_angle`, `phase` | `(n,)` | rad |
    | `before`, `after` | `(n, 2)` | steps of k-space, $1/L$, along x and y |
    | `delay` | `(n,)` | s, zero or more, at the end of each repetition |

    **Arguments:**

    - `fov`: $L$ in m, positive.
    - `matrix`: $n$, pixels along x and y, an even integer of at least 4.
    - `dwell_time`: Of a sample in s, a multiple of 10 us.
    - `pulse_duration`, `lobe_duration`: In s, multiples of 10 us; lobes last at least 0.4 ms.

    **Raises:** `ValueError` where a number is out of range.

    **Source:** A. Loktyushin, K. Herz, N. Dang, F. Glang, A. Deshmane, S. Weinmüller, A. Doerfler, B. Schölkopf, K. Scheffler,
    M. Zaiss, Magn Reson Med 86 (2021) 709-724, arXiv:2002.04265.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> echoes = mr.design.FreeEchoes(fov=0.2, matrix=8)
        >>> sequence = echoes.sequence(echoes.cartesian())
        >>> sequence.n_samples, mr.Scanner().breaches(sequence)
        (64, [])

        ```
    """

    fov: float = 0.2
    matrix: int = 16
    dwell_time: float = 80 * us
    pulse_duration: float = 1 * ms
    lobe_duration: float = 1 * ms

    def __post_init__(self):
        n = _checks.positive_integer(self.matrix, "matrix")
        if n % 2 or n < 4:
            raise ValueError(f"`matrix` must be an even integer of at least 4, but got {n}.")
        least = {"fov": 0.0, "dwell_time": 10 * us, "pulse_duration": 10 * us, "lobe_duration": 400 * us}
        for name, smallest in least.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0 and value >= smallest):
                raise ValueError(f"`{name}` must be a number of at least {smallest:g}, but got {value!r}.")

    def cartesian(
        self, flip_angle: float = 5 * deg, phase_increment: float = 117 * deg, delay: float = 0.0
    ) -> dict[str, Array]:
        """The design of a spoiled gradient echo, line by line: what is to be learned.

        **Arguments:**

        - `flip_angle`: In rad.
        - `phase_increment`: Of RF spoiling, in rad.
        - `delay`: After each repetition, in s, zero or more.
        """
        n = self.matrix
        lines, count = np.arange(n) - n // 2, np.arange(n, dtype=float)
        before = np.stack([np.full(n, -n / 2), lines], axis=1)
        after = np.stack([np.full(n, SPOILING * n - n / 2), -lines], axis=1)
        phase = np.asarray(repetition_phases(phase_increment, count * (count + 1) / 2))
        plain = {"flip_angle": np.full(n, float(flip_angle)), "phase": phase, "before": before, "after": after}
        plain["delay"] = np.full(n, float(delay))
        return {name: jnp.asarray(value, float) for name, value in plain.items()}

    def blank(self, key: Array, flip_angle: float = 0.5 * deg, spoiling: float = 6.0) -> dict[str, Array]:
        """A start that knows nothing: hardly any RF, no encoding but half a step of noise along y, scrambled spoilers, no delay.

        **Arguments:**

        - `key`: Of `jax.random`.
        - `flip_angle`: In rad; without any, no derivative would tell what gradients are for.
        - `spoiling`: Cycles across a pixel that a spoiler winds at most, along x and y. Few of them let magnetisation of earlier
          repetitions be seen in later readouts.
        """
        n = self.matrix
        of_lines, of_spoilers = jax.random.split(key)
        before = jnp.zeros((n, 2)).at[:, 1].set(jax.random.uniform(of_lines, (n,), minval=-0.5, maxval=0.5))
        after = jax.random.uniform(of_spoilers, (n, 2), minval=-spoiling * n, maxval=spoiling * n)
        plain = {"flip_angle": jnp.full(n, float(flip_angle)), "phase": jnp.zeros(n), "delay": jnp.zeros(n)}
        return {**plain, "before": before, "after": after}

    def sequence(self, design: Any) -> Sequence:
        """What a design plays; a scanner can play it, as far as its areas and angles are within the limits."""
        b1 = design["flip_angle"] / (2 * math.pi * GAMMA_BAR * self.pulse_duration)
        pulse = Together(
            Sequence(Delay(0.1 * ms), ContinuousWave(b1, self.pulse_duration, phase=design["phase"], use="excitation")),
            Delay(self.pulse_duration + 0.2 * ms),
        )
        read = Gradient.trapezoid(
            -1 / (GAMMA_BAR * self.fov * self.dwell_time), rise=self._ramp, flat=self._flat, axis="x"
        )
        sampled = Sequence(Delay(self._ramp), Readout(self.matrix, self.dwell_time, design["phase"]))
        events = (
            pulse,
            self._lobes(design["before"], before=True),
            Together(read, sampled),
            self._lobes(design["after"]),
            Delay(design["delay"]),
        )
        return Sequence(Repeat(*events, n_repetitions=self.matrix))

    def k_space(self, design: Any) -> Float[Array, "n n 2"]:
        """Where each sample of each repetition lies, in steps of k-space."""
        along = jnp.arange(self.matrix, dtype=float)
        shape = (self.matrix, self.matrix)
        x = design["before"][:, :1] + along[None]
        return jnp.stack([x, jnp.broadcast_to(design["before"][:, 1:], shape)], axis=-1)

    def image(self, samples: Any) -> Array:
        """The adjoint of the Cartesian encoding: the image that its reconstruction makes of samples, `(*others, n * n)`."""
        n = self.matrix
        lines = jnp.asarray(samples).reshape(*samples.shape[:-1], n, n)
        centred = jnp.fft.ifftshift(lines, axes=(-2, -1))
        image = jnp.fft.fftshift(jnp.fft.ifft2(centred, norm="ortho"), axes=(-2, -1))
        return jnp.swapaxes(image, -2, -1)  # a row of samples is a line along x

    def reach(self, scanner: Scanner) -> float:
        """How many steps of k-space a lobe can move by along either axis, within the gradient and the slew rate of a scanner."""
        largest = min(scanner.max_gradient, scanner.max_slew * LOBE_RISE) * (self.lobe_duration - LOBE_RISE)
        return largest * GAMMA_BAR * self.fov - max(map(abs, self._corrections))

    @property
    def repetition_time(self) -> float:
        """From pulse to pulse without a delay, in s."""
        return self.pulse_duration + 0.2 * ms + 2 * self.lobe_duration + 2 * self._ramp + self._flat

    @property
    def _ramp(self) -> float:
        return 0.1 * ms

    @property
    def _flat(self) -> float:
        """Of the readout, and a dead time after it, in s."""
        return math.ceil(self.matrix * self.dwell_time / (10 * us) - 1e-6) * 10 * us

    @property
    def _corrections(self) -> tuple[float, float]:
        """Steps along x from the start of the readout to its first sample, and from where the next would be to its end."""
        start = (self._ramp + self.dwell_time) / (2 * self.dwell_time)
        return start, (self._ramp + self._flat) / self.dwell_time - start - self.matrix

    def _lobes(self, steps: Array, before: bool = False) -> Together:
        """Lobes whose areas move k by so many steps, corrected along x for what the ramps of the readout wind."""
        start, end = self._corrections
        area = -jnp.asarray(steps) / (GAMMA_BAR * self.fov)
        area = area.at[:, 0].add((start if before else end) / (GAMMA_BAR * self.fov))
        timing = {"rise": LOBE_RISE, "flat": self.lobe_duration - 2 * LOBE_RISE}
        along = lambda i, axis: Gradient.trapezoid(area=area[:, i], **timing, axis=axis)
        return Together(along(0, "x"), along(1, "y"))
