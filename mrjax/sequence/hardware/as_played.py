"""A sequence as amplifiers, coils and eddy currents play it."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax import _checks
from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.containers import Sequence, as_sequence
from mrjax.sequence.events import Delay, Dephase
from mrjax.sequence.gradients import AXES, Gradient
from mrjax.sequence.hardware.gradient_response import AbstractGradientResponse, AskedGradients
from mrjax.sequence.hardware.played_points import Corners, EventPoints, lasts, points_of
from mrjax.sequence.hardware.uniform_field import UniformField
from mrjax.sequence.precision import Numbers, in_best_precision, is_known
from mrjax.sequence.timeline import GAMMA
from mrjax.sequence.together import Together
from mrjax.sequence.tracks import AbstractScannerEvent
from mrjax.sequence.unrolled import one_by_one

NOTHING = 1e-12
"""Relative to the strongest gradient: what is weaker in a whole event is left out."""


def as_played(
    sequence: AbstractContainer,
    response: AbstractGradientResponse,
    *,
    raster: float = 10e-6,
    gyromagnetic_ratio: float = GAMMA,
) -> Sequence:
    r"""The sequence that spins see when the scanner is asked for another one.

    Gradients become what the response makes of them, through all events, rests included: what decays reaches into the next ones.
    A uniform field that comes with them turns spins by $\phi(t) = \gamma \int B_0\,dt$. It is taken into account by seeing spins
    from the frame that turns with them: RF and receiver are turned back by $\phi$.

    **Arguments:**

    - `sequence`: Any. Its durations must be known; amplitudes may be traced. Within `jit` all that is made there is traced:
      make the sequence before, and put amplitudes into it by `equinox.tree_at`.
    - `response`: `EddyCurrents(...)`, `MeasuredResponse(...)`, `GradientDelay(...)`, or another `AbstractGradientResponse`. Its
      numbers may be traced.
    - `raster`: In s, the distance of the points between which gradients are straight, after each corner; where they settle,
      points lie farther apart.
    - `gyromagnetic_ratio`: In rad/s/T, for the uniform field; protons by default.

    **Returns:** A `Sequence` with as many events as are played, repeats written out, which every engine that plays gradients can
    play. What is left when it ends is not in it: add a `Delay` to see it. A wait without end forgets all.

    Between points gradients are straight: with a raster $h$ they are off by $h^2 \ddot G / 8$. Differentiable in amplitudes of
    gradients and in the numbers of the response. Under a uniform field that changes, a `ContinuousWave` is given the mean of its
    frequency, and magnetisation after the sequence is seen from the frame that has turned.

    **Raises:** `ValueError` where durations are traced, and for a `Dephase` that lasts, of which no gradient is known.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> readout = mr.Together(mr.Gradient.trapezoid(-9 * mT, rise=0.2 * ms, flat=1 * ms, axis="x"), mr.Readout(14, 100 * us))
        >>> late = mr.hardware.as_played(mr.Sequence(readout), mr.hardware.GradientDelay([10 * us, 0, 0]))
        >>> k = lambda sequence: sequence.timeline().trajectory()[7, 0]
        >>> print(f"{k(late) - k(mr.Sequence(readout)):.2f} cycles/m")
        -3.83 cycles/m

        ```
    """
    if not isinstance(response, AbstractGradientResponse):
        raise ValueError(f"`response` must be one such as EddyCurrents(...), but got {type(response).__name__}.")
    if not raster > 0:
        raise ValueError(f"`raster` must be positive (s), but got {raster!r}.")
    known = jax.tree.map(
        lambda leaf: np.asarray(leaf) if _checks.is_concrete(leaf) else leaf, walk.fitting(as_sequence(sequence))
    )
    played = [_lasting(event) for event in one_by_one(known)]
    return Sequence(*(event for part in _parts(played) for event in _part(part, response, raster, gyromagnetic_ratio)))


def _lasting(event: AbstractEvent) -> AbstractEvent:
    name = type(event).__name__
    with jax.ensure_compile_time_eval():
        known = is_known(event.duration) and all(is_known(one.times) for one in _gradients(event))
    if not known:
        raise ValueError(
            f"`sequence` must have durations that are known here, but those of a {name} are traced; leave `jit` first, or trace "
            "amplitudes alone."
        )
    if isinstance(event, Dephase) and lasts(event) > 0:
        raise ValueError(
            "`sequence` holds a Dephase that lasts, which no gradient plays; play a `Gradient` in its place."
        )
    return event


def _gradients(event: AbstractEvent) -> Iterator[Gradient]:
    if isinstance(event, AbstractScannerEvent):
        yield from event.played(Gradient)


def _parts(events: list[AbstractEvent]) -> Iterator[list[AbstractEvent]]:
    """The events until each wait without end, with it, after which nothing is left of what was before."""
    ends = [i + 1 for i, event in enumerate(events) if np.isinf(lasts(event))]
    for first, last in zip([0, *ends], [*ends, len(events)], strict=True):
        yield events[first:last]


def _part(
    events: list[AbstractEvent], response: AbstractGradientResponse, raster: float, gyromagnetic_ratio: float
) -> Iterator[AbstractEvent]:
    durations = np.array([lasts(event) for event in events])
    starts = np.concatenate([[0.0], np.cumsum(durations)])[:-1]
    lasting = {
        i: event
        for i, event in enumerate(events)
        if isinstance(event, AbstractScannerEvent) and 0 < durations[i] < np.inf
    }
    if not any(any(_gradients(event)) for event in events):
        yield from events
        return
    corners = Corners.of([(starts[i], event) for i, event in lasting.items()], response.delays)
    spacing = response.spacing(raster).since_corner(max(durations[list(lasting)]))
    points = {i: points_of(event, starts[i], corners, spacing) for i, event in lasting.items()}
    gradients, turning = _heard(list(points.values()), response, gyromagnetic_ratio)
    strongest = np.abs(gradients).max() if is_known(gradients) else None
    first = 0
    for i, event in enumerate(events):
        seen = event if turning is None else turning.seen(event, starts[i])
        if i not in points:
            yield seen
            continue
        last = first + len(points[i].times)
        assert isinstance(seen, AbstractScannerEvent), "as the event is"
        yield _played(seen, points[i].times, gradients[first:last], strongest)
        first = last


def _heard(
    points: list[EventPoints], response: AbstractGradientResponse, gyromagnetic_ratio: float
) -> tuple[Float[Numbers, "n 3"], UniformField | None]:
    """The gradients that are played at all points of a sequence, and the uniform field."""
    times = np.concatenate([one.start + one.times for one in points])
    values = [one.values for one in points]
    asked = (np if is_known(values) else jnp).concatenate(values)
    compute = lambda response, values: response.added(AskedGradients(times, values))
    added, field = in_best_precision(compute, response, asked)
    return asked + added, None if field is None else UniformField.of(times, field, gyromagnetic_ratio)


def _played(
    event: AbstractScannerEvent, times: np.ndarray, gradients: Float[Numbers, "n 3"], strongest: float | None
) -> AbstractEvent:
    """An event with other gradients."""
    present = range(3)
    if strongest is not None:
        present = [i for i in present if np.abs(gradients[:, i]).max() > NOTHING * strongest]
    others = [track for track in event.tracks if not all(isinstance(one, Gradient | Delay) for one in track)]
    tracks: list[AbstractContainer | AbstractEvent] = [
        Sequence(*(Delay(one.duration) if isinstance(one, Gradient) else one for one in track)) for track in others
    ]
    tracks += [Gradient(gradients[:, i], times, AXES[i]) for i in present]  # pyright: ignore[reportArgumentType]
    if not present:
        tracks.append(Delay(times[-1]))
    return Together(*tracks)
