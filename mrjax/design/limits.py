"""What a scanner and a person can bear, as terms and constraints of a design: the numbers that `Scanner.check` judges by."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.design.constrained import Constraint
from mrjax.design.terms import squared_excess
from mrjax.sequence import Scanner
from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.flattening import flattened
from mrjax.sequence.hardware.demands import require_limited
from mrjax.sequence.hardware.slew_rates import slew_rates

SequenceOf = Callable[[Any], AbstractContainer]
"""Takes a design and returns the sequence that plays it."""


def limit_terms(
    scanner: Scanner,
    weight: float | int = 1.0,
    *,
    sequence_of: SequenceOf = lambda design: design,
    kinds: tuple[str, ...] | None = None,
    margin: float | int = 0.0,
    duration: float | None = None,
) -> dict[str, tuple[float, Callable[[Any], Array]]]:
    r"""Terms for `weighted_sum`, one for each limit of a scanner, that are zero where it is kept.

    $$f = \sum_i \max\left(0, \frac{|x_i|}{x_\mathrm{max}} - (1 - \epsilon)\right)^2$$

    **Arguments:**

    - `scanner`: Its limits, also of RF power, nerves and resonances; see `Scanner.utilisation`.
    - `weight`: Of each term, a plain positive number.
    - `sequence_of`: Takes a design and returns its sequence; by default the design is one.
    - `kinds`: Names of `Scanner.utilisation`; all that the scanner limits by default.
    - `margin`: $\epsilon$, by which the search keeps off the limits, zero or more and below 1: a term alone gives way a little.
    - `duration`: The longest that the sequence lasts in s, for nerves and resonances where its times are traced.

    **Returns:** by name a weight and a function of the design, as `weighted_sum` takes them.

    **Derivatives:** everywhere, and zero within the limits.

    **Raises:** `ValueError` for names that the scanner does not limit, and numbers out of range.

    **Source:** T. Weiss, O. Senouf, S. Vedula, O. Michailovich, M. Zibulevsky, A. Bronstein, arXiv:1909.05773
    (PILOT), here with squares.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, us
        >>> scanner = mr.Scanner(max_gradient=30 * mT, max_slew=100.0)
        >>> lobe = mr.Sequence(mr.Gradient.trapezoid(33 * mT, rise=400 * us, flat=400 * us, axis="x"))
        >>> _, terms = mr.design.weighted_sum(mr.design.limit_terms(scanner, kinds=("gradient", "slew")))(lobe)
        >>> {name: round(float(value), 3) for name, value in terms.items()}
        {'gradient': 0.04, 'slew': 0.0}

        ```
    """
    if not (isinstance(margin, int | float) and 0 <= margin < 1):
        raise ValueError(f"`margin` must be a number from 0 to below 1, but got {margin!r}.")
    if not (isinstance(weight, int | float) and weight > 0):
        raise ValueError(f"`weight` must be a positive number, but got {weight!r}.")

    def excess(kind: str) -> Callable[[Any], Array]:
        share = lambda design: scanner.utilisation(sequence_of(design), (kind,), duration)[kind]
        return lambda design: squared_excess(share(design), margin)

    return {kind: (float(weight), excess(kind)) for kind in _kinds(scanner, kinds)}


def limit_constraints(
    scanner: Scanner,
    *,
    sequence_of: SequenceOf = lambda design: design,
    kinds: tuple[str, ...] | None = None,
    duration: float | None = None,
) -> list[Constraint]:
    r"""The limits of a scanner as constraints for `Constrained`, one inequality for each moment, $|x_i| / x_\mathrm{max} \le 1$.

    **Arguments:** as of `limit_terms`.

    **Returns:** a `Constraint` for each kind of limit.

    **Raises:** `ValueError` for names that the scanner does not limit.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> len(mr.design.limit_constraints(mr.Scanner(), kinds=("b1",)))
        1

        ```
    """

    def share(kind: str) -> Callable[[Any], Array]:
        return lambda design: jnp.asarray(scanner.utilisation(sequence_of(design), (kind,), duration)[kind])

    return [Constraint(share(kind), upper=1.0) for kind in _kinds(scanner, kinds)]


def relative_power(sequence: AbstractContainer, reference: AbstractContainer) -> Float[Array, ""]:
    r"""The mean power of RF relative to that of another sequence, as SAR is proportional to it.

    $$\frac{T_0}{T} \frac{\int |B_1|^2 dt}{\int |B_{1,0}|^2 dt}$$

    **Arguments:**

    - `sequence`: With pulses that last, and without waits that have no end.
    - `reference`: Likewise; it must play RF.

    **Returns:** a number. `Pulse`s that take no time have no power: `energy` counts their flip angles.

    **Derivatives:** in amplitudes and durations.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import ms, uT
        >>> wave = lambda b1: mr.Sequence(mr.ContinuousWave(b1, duration=1 * ms), mr.Delay(9 * ms))
        >>> print(f"{float(mr.design.relative_power(wave(5 * uT), wave(10 * uT))):.3f}")
        0.250

        ```
    """
    energies = []
    for one in (sequence, reference):
        timeline = flattened(as_sequence(one), None)
        b1 = jnp.asarray(timeline.b1) * 1e6  # squares of T are near the smallest numbers in float32
        duration = jnp.asarray(timeline.lasting)
        energies.append(jnp.sum((b1.real**2 + b1.imag**2) * duration) / jnp.sum(duration))
    return energies[0] / energies[1]


def acoustic_energy(sequence: AbstractContainer, raster: float = 10e-6) -> Float[Array, ""]:
    r"""How loud gradients are to first order: the mean square of their slew rates, $\frac{1}{T} \int |\dot G|^2 dt$.

    The sound of a coil grows with the frequency of the forces on it, which the slew rate weights as its derivative does: of
    waveforms of one area, smooth ones have least of it. Which frequencies a coil answers to, `Resonance` says.

    **Arguments:**

    - `sequence`: Any, without waits that have no end.
    - `raster`: In s, within which a jump is played.

    **Returns:** in (T/m/s)².

    **Derivatives:** in amplitudes and durations.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms
        >>> lobe = mr.Sequence(mr.Gradient([0, 10 * mT, 0], [0, 1 * ms, 2 * ms], axis="z"))
        >>> round(float(mr.design.acoustic_energy(lobe)), 3)
        100.0

        ```
    """
    timeline = flattened(as_sequence(sequence), None)
    duration = jnp.asarray(timeline.lasting)
    slew = jnp.asarray(slew_rates(timeline, raster))[:-1]
    return jnp.sum(jnp.sum(slew**2, axis=1) * duration) / jnp.sum(duration)


def _kinds(scanner: Scanner, kinds: tuple[str, ...] | None) -> tuple[str, ...]:
    return scanner.limited if kinds is None else require_limited(scanner, kinds)
