"""What a scanner can play."""

from dataclasses import dataclass
from typing import TypeVar

from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.hardware.breaches import limit_breaches
from mrjax.sequence.hardware.demands import limited, utilisation
from mrjax.sequence.hardware.limits import Limits
from mrjax.sequence.precision import Numbers

MOST_LISTED = 20

Container = TypeVar("Container", bound=AbstractContainer)


@dataclass(frozen=True, kw_only=True)
class Scanner(Limits):
    r"""Limits of the hardware, against which sequences are checked.

    The defaults are those of a whole-body scanner, of no vendor in particular. A limit of `inf` is never exceeded, a raster of
    0 holds every time, and a dead time of 0 is always kept.

    Gradients are limited along each axis, as amplifiers are: where a sequence may be played at any angle, divide both limits
    by $\sqrt3$. A gradient that jumps, within an event or from one to the next, must not jump by more than
    `max_slew * gradient_raster`. Scanners play event by event (each outside a `Together` is a block of a Pulseq file), so the
    dead times are to be kept within each.

    **Arguments:**

    - `max_gradient`: In T/m, along each axis.
    - `max_slew`: In T/m/s, along each axis.
    - `max_b1`: In T, of RF pulses.
    - `rf_raster`: In s. Samples of pulses last multiples of it; pulses and readouts begin at such.
    - `gradient_raster`: In s. The corners of gradients lie on multiples of it; or the first and the last do and the others in
      the middles between, as those of `Gradient.sampled`.
    - `adc_raster`: In s. Dwell times are multiples of it.
    - `block_raster`: In s. Durations of events are multiples of it.
    - `rf_dead_time`, `rf_ringdown`: In s, from the start of an event to a pulse, and from a pulse to the end of the event.
    - `adc_dead_time`: In s, before and after a readout. Between pulses and readouts of one event the times of both add up.
    - `max_gradient_magnitude`, `max_slew_magnitude`: In T/m and T/m/s, of all axes together, for sequences that are played at
      any angle. None by default.
    - `max_b1_rms`: In T, in every window of `b1_rms_window` in s; see `mrjax.hardware.b1_plus_rms`. None by default.
    - `max_sar`: In W/kg, in every window of `sar_window` in s, where `sar_per_squared_b1` in W/kg/T² says what the coil makes
      of $B_{1+\mathrm{rms}}^2$ in this body. None by default.
    - `stimulation`: A model of nerves, such as `mrjax.hardware.SafeStimulation(...)`; `max_stimulation` is relative to its
      threshold. Gradients are sampled on the `gradient_raster`.
    - `resonances`: Of the gradient coils, `mrjax.hardware.Resonance(...)`; in windows of `resonance_window` in s.
      `max_resonance` is relative to what each allows.
    - `max_duration`: Of the sequence, in s. None by default.

    **Raises:** `ValueError` for limits that are negative, or no numbers.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> scanner = mr.Scanner(max_gradient=40 * mT, max_slew=150.0)
        >>> lobe = mr.Gradient.trapezoid(45 * mT, rise=400 * us, flat=1 * ms, axis="z")
        >>> print(*scanner.breaches(mr.Sequence(mr.Delay(1 * ms), lobe)))
        event 1 (Gradient), axis z: 45 mT/m at 0.4 ms of the event exceeds max_gradient 40 mT/m

        ```
    """

    def breaches(self, sequence: AbstractContainer) -> list[str]:
        """What the scanner cannot play, in the order of the sequence: the worst of each kind of each event.

        Repeats are checked in every repetition, without being written out. The arithmetic is in double precision; limits are
        taken with the rounding of numbers in single precision. Pulses, samples and windings that take no time cannot be played.

        **Arguments:**

        - `sequence`: With known numbers.

        **Returns:** A sentence for each.

        **Raises:** `ValueError` where values are traced.
        """
        return limit_breaches(self, sequence)

    @property
    def limited(self) -> tuple[str, ...]:
        """The names of `utilisation`: what this scanner limits."""
        return limited(self)

    def utilisation(
        self, sequence: AbstractContainer, kinds: tuple[str, ...] | None = None, duration: float | None = None
    ) -> dict[str, Numbers]:
        """What share of each limit a sequence uses, moment by moment: 1 is at the limit.

        These are the numbers that `breaches` judges by, and `mrjax.design.limit_terms` makes terms of a design of them.
        Repeats are written out.

        **Arguments:**

        - `sequence`: Its values may be traced.
        - `kinds`: Which; all that are limited by default.
        - `duration`: The longest that it lasts in s, a plain number, for nerves and resonances where times are traced.

        **Returns:** by name: `gradient` `(n_steps, 2, 3)`, `slew` `(n_steps + 1, 3)`, the `_magnitude` of both, `b1`
        `(n_steps,)`, `b1_rms` and `sar` `(n_windows,)`, `stimulation` `(n_samples,)`, `resonance`
        `(n_windows, n_frequencies)` and `duration` `(1,)`.

        **Derivatives:** in amplitudes, and in times but for nerves and resonances, which are of samples at fixed times;
        forward and reverse.

        **Raises:** `ValueError` where `duration` is needed, and for a kind that is not limited.
        """
        return utilisation(self, sequence, kinds, duration)

    def check(self, sequence: Container) -> Container:
        """`sequence`, if the scanner can play it.

        **Arguments:**

        - `sequence`: With known numbers.

        **Raises:** `ValueError` with the `breaches`, the first 20 of them.
        """
        found = self.breaches(sequence)
        if found:
            listed = found[:MOST_LISTED] + [f"and {len(found) - MOST_LISTED} more"] * (len(found) > MOST_LISTED)
            raise ValueError("\n  ".join(["`sequence` must be within the limits of the scanner, but", *listed]))
        return sequence
