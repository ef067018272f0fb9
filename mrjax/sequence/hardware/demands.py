"""What a sequence demands of hardware and person, in the units of its limits: the numbers of checks and of designs."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax._names import did_you_mean
from mrjax._quantities import MICROTESLA, MILLITESLA_PER_METRE, Unit
from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.flattening import flattened
from mrjax.sequence.hardware import resonances, rf_power
from mrjax.sequence.hardware.limits import Limits
from mrjax.sequence.hardware.slew_rates import slew_rates
from mrjax.sequence.precision import Numbers, in_best_precision
from mrjax.sequence.timeline import Timeline

SLEW_RATE, SECONDS, WATT_PER_KG = ((1.0, name) for name in ("T/m/s", "s", "W/kg"))
OF_THRESHOLD, OF_ALLOWED = ((1.0, name) for name in ("of the threshold", "times what they allow"))


@dataclasses.dataclass(frozen=True)
class FlattenedSequence:
    """A sequence, flattened, and when gradients are sampled where that is needed."""

    timeline: Timeline
    duration: float | None
    """In s, as far as it is known from elsewhere."""

    def gradients(self, raster: float, first: float = 0.0) -> Float[Numbers, "n 3"]:
        """In T/m once in each raster, `first` of it after its start, until the end of the sequence."""
        n = max(1, math.ceil(self._lasting / raster - 1e-6))
        return self.timeline.at((np.arange(n + 1) + first) * raster)[1]

    @property
    def _lasting(self) -> float:
        if self.duration is not None:
            return float(self.duration)
        if isinstance(self.timeline.duration, np.ndarray):
            return float(np.sum(self.timeline.lasting))
        raise ValueError(
            "`duration` must be given where times of the sequence are traced: the longest that it lasts, in s, so that the "
            "number of samples for nerves and resonances is known."
        )


@dataclasses.dataclass(frozen=True)
class Demand:
    """A kind of limit, and what of a sequence is compared with it."""

    limit: str
    """The field of `Limits`."""
    what: str
    """As a message has it."""
    unit: Unit
    value: Callable[[Limits, FlattenedSequence], Numbers]
    """Zero or more; the first axis is that of steps or samples where it has a moment."""
    needs: str | None = None
    """Another field, without which there is no such limit."""
    has_moment: bool = True

    def is_limited(self, limits: Limits) -> bool:
        """Whether there is such a limit."""
        return bool(np.isfinite(getattr(limits, self.limit))) and (
            self.needs is None or bool(getattr(limits, self.needs))
        )

    def share(self, limits: Limits, played: FlattenedSequence) -> Numbers:
        """What is played over what is allowed; nothing exceeds a limit of zero by being zero."""
        return self.value(limits, played) / max(getattr(limits, self.limit), 1e-30)


def limited(limits: Limits) -> tuple[str, ...]:
    """The kinds that have a limit."""
    return tuple(name for name, one in DEMANDS.items() if one.is_limited(limits))


def require_limited(limits: Limits, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """`kinds`, if all of them have a limit; `ValueError` otherwise."""
    known = limited(limits)
    for kind in kinds:
        if kind not in known:
            raise ValueError(
                f"`kinds` names {kind!r}, which this scanner does not limit; it limits {', '.join(known)}."
                f"{did_you_mean(kind, known)}"
            )
    return tuple(kinds)


def utilisation(
    limits: Limits, sequence: AbstractContainer, kinds: tuple[str, ...] | None, duration: float | None
) -> dict[str, Numbers]:
    """By kind of limit what is played over what is allowed."""
    played = FlattenedSequence(flattened(as_sequence(sequence), None), duration)
    chosen = limited(limits) if kinds is None else require_limited(limits, kinds)
    return {name: DEMANDS[name].share(limits, played) for name in chosen}


@jax.jit
def magnitude(vector: Array) -> Array:
    """Of the last axis, with derivative zero at zero."""
    # relative to the largest, for the square of a field in T is near the smallest of numbers in float32
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(vector), initial=0.0))
    unit = jnp.where(largest > 0, largest, 1.0)
    square = jnp.sum((vector / unit) ** 2, axis=-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)) * unit, 0.0)


def _slew(limits: Limits, played: FlattenedSequence) -> Numbers:
    return slew_rates(played.timeline, limits.gradient_raster)


def _nerves(limits: Limits, played: FlattenedSequence) -> Numbers:
    model, raster = limits.stimulation, limits.gradient_raster
    assert model is not None, "as there is such a limit"
    # corners lie on multiples of the raster or in the middles between
    step, first = (raster, 0.5) if model.is_sampled else (raster / 2, 0.0)

    @jax.jit
    def stimulated(gradients: Array) -> Array:
        return model(jnp.diff(gradients, axis=0, prepend=jnp.zeros((1, 3), gradients.dtype)) / step, step)

    return in_best_precision(stimulated, played.gradients(step, first))


def _resonances(limits: Limits, played: FlattenedSequence) -> Numbers:
    bands, raster, window = limits.resonances, limits.gradient_raster, limits.resonance_window
    driven = jax.jit(lambda gradients: resonances.driven(bands, gradients, raster, window))
    return in_best_precision(driven, played.gradients(raster))


def _b1(limits: Limits, played: FlattenedSequence) -> Numbers:
    return in_best_precision(lambda b1: magnitude(jnp.stack([b1.real, b1.imag], axis=-1)), played.timeline.b1)


def _b1_rms(window: str) -> Callable[[Limits, FlattenedSequence], Numbers]:
    return lambda limits, played: rf_power.of_timeline(played.timeline, np.asarray(getattr(limits, window)))


def _sar(limits: Limits, played: FlattenedSequence) -> Numbers:
    return limits.sar_per_squared_b1 * (_b1_rms("sar_window")(limits, played) ** 2)


DEMANDS: dict[str, Demand] = {
    "gradient": Demand(
        "max_gradient",
        "a gradient of",
        MILLITESLA_PER_METRE,
        lambda _, played: in_best_precision(jnp.abs, played.timeline.gradient),
    ),
    "slew": Demand(
        "max_slew",
        "a slew rate of",
        SLEW_RATE,
        lambda limits, played: in_best_precision(jnp.abs, _slew(limits, played)),
    ),
    "gradient_magnitude": Demand(
        "max_gradient_magnitude",
        "a gradient of all axes of",
        MILLITESLA_PER_METRE,
        lambda _, played: in_best_precision(magnitude, played.timeline.gradient),
    ),
    "slew_magnitude": Demand(
        "max_slew_magnitude",
        "a slew rate of all axes of",
        SLEW_RATE,
        lambda limits, played: in_best_precision(magnitude, _slew(limits, played)),
    ),
    "b1": Demand("max_b1", "a field of", MICROTESLA, _b1),
    "b1_rms": Demand("max_b1_rms", "B1+rms of", MICROTESLA, _b1_rms("b1_rms_window"), has_moment=False),
    "sar": Demand("max_sar", "SAR of", WATT_PER_KG, _sar, needs="sar_per_squared_b1", has_moment=False),
    "stimulation": Demand("max_stimulation", "nerve stimulation of", OF_THRESHOLD, _nerves, needs="stimulation"),
    "resonance": Demand(
        "max_resonance",
        "gradients in bands of resonance of",
        OF_ALLOWED,
        _resonances,
        needs="resonances",
        has_moment=False,
    ),
    "duration": Demand(
        "max_duration",
        "a duration of",
        SECONDS,
        lambda _, played: in_best_precision(jnp.sum, played.timeline.lasting)[None],
        has_moment=False,
    ),
}
"""By the names that `Scanner.utilisation` has."""
