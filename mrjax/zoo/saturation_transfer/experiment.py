"""What a schedule of saturation transfer is for: tissues and their pool, what of them is estimated, and the noise."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mrjax.lineshapes import AbstractLineshape
from mrjax.physics import BlochMcConnell, simulate
from mrjax.pool import Pool
from mrjax.protocols.cest import fingerprinting
from mrjax.sequence import Sequence
from mrjax.synthesis import Uniform
from mrjax.tissue import Tissue

Schedule = dict[str, Any]
"""Arrays of JAX or NumPy, with an entry for each image: `b1` in T, `offset_ppm`, `saturation_time` and `recovery` in s, and
`flip_angle` in rad."""

Parameters = dict[str, Float[Array, "*voxels"]]

OF_WATER = ("t1", "t2", "b1", "off_resonance")
OF_POOL = ("fraction", "exchange_rate", "pool_t1", "pool_t2", "shift_ppm")


@dataclasses.dataclass(frozen=True)
class Shown:
    """How a parameter is shown."""

    name: str
    unit: str
    size: float
    """Of the unit, in that of the parameter."""


@dataclasses.dataclass(frozen=True, eq=False)
class PoolExperiment:
    """Water and one pool at a field, and how images of them are taken.

    Each image is one of `mrjax.protocols.cest.fingerprinting`: saturation, crusher, readout, crusher, recovery, on what the
    image before has left. Its magnitude has noise.

    **Arguments:**

    - `b0`: In T. Positive.
    - `limits`: Between what each parameter that differs from tissue to tissue is drawn, in SI units: `t1`, `t2`, `b1` and
      `off_resonance` (Hz) of the water, `fraction`, `exchange_rate`, `pool_t1`, `pool_t2` and `shift_ppm` of the pool.
    - `known`: Those that all tissues share. `b1` is 1 and `off_resonance` 0 where neither has them.
    - `estimated`: Names in `limits`.
    - `noise_std`: Standard deviation of the noise of an image, relative to the equilibrium. Positive.
    - `lineshape`: Of a semisolid pool; None for a solute.
    - `flip_duration`, `crusher_duration`: In s, of the readout pulse and of each of the two crushers of an image; zero or more.
    - `te`: From the end of the readout pulse to the sample, in s; zero or more. Scanners need some.
    - `shown`: How parameters are shown, by name; in SI units where there is no entry.

    **Raises:** `ValueError` where a parameter is missing, not known or given twice, or what is estimated is not drawn.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.zoo.saturation_transfer import l_arginine
        >>> experiment = l_arginine(noise_std=2e-3)
        >>> experiment.drawn(jax.random.key(0), 3)["fraction"].shape
        (3,)

        ```
    """

    b0: float
    limits: Mapping[str, tuple[float, float]]
    known: Mapping[str, float]
    estimated: tuple[str, ...]
    noise_std: float
    lineshape: AbstractLineshape | None = None
    flip_duration: float = 0.0
    crusher_duration: float = 0.0
    te: float = 0.0
    shown: Mapping[str, Shown] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        names = [*self.limits, *self.known]
        needed = {"t1", "t2", *OF_POOL}
        surplus = sorted({*names} - {*OF_WATER, *OF_POOL}) or sorted({n for n in names if names.count(n) > 1})
        missing = sorted(needed - {*names})
        if missing or surplus:
            wrong = f"lack {', '.join(missing)}" if missing else f"have {', '.join(surplus)} once too often"
            raise ValueError(
                f"`limits` and `known` must have each of {', '.join(sorted(needed))}, and perhaps b1 and off_resonance, in one "
                f"of them, but {wrong}."
            )
        for name in self.estimated or ("nothing",):
            if name not in self.limits:
                raise ValueError(f"`estimated` must name some of `limits` ({', '.join(self.limits)}), but got {name}.")
        for name in ("b0", "noise_std"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite, but got {getattr(self, name)!r}.")
        for name in ("flip_duration", "crusher_duration", "te"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative, but got {getattr(self, name)!r}.")

    def drawn(self, key: Key[Array, ""], n: int) -> Parameters:
        """Tissues drawn uniformly within the limits."""
        return Uniform(self.limits).sample(key, n)

    def magnitudes(self, schedule: Schedule, parameters: Parameters) -> Float[Array, "*voxels image"]:
        """The images of tissues without noise, relative to `m0`, or where none is given to the equilibrium."""
        return jnp.abs(simulate(self.sequence(schedule), self.tissue(parameters), BlochMcConnell(b0=self.b0)))

    @property
    def readout_time(self) -> float:
        """Of an image, for what is neither saturation nor recovery, in s."""
        return self.flip_duration + self.te + 2 * self.crusher_duration

    def arguments(self, schedule: Schedule) -> dict[str, Any]:
        """Of `mrjax.protocols.cest.fingerprinting`, for a schedule."""
        times = {"flip_duration": self.flip_duration, "crusher_duration": self.crusher_duration, "te": self.te}
        return {
            "b1": schedule["b1"],
            "offset_ppm": schedule["offset_ppm"],
            "saturation_time": schedule["saturation_time"],
            "tr": schedule["saturation_time"] + (self.readout_time + schedule["recovery"]),
            "flip_angle": schedule["flip_angle"],
            "b0": self.b0,
        } | {name: time for name, time in times.items() if time > 0}

    def sequence(self, schedule: Schedule) -> Sequence:
        """What is played."""
        return fingerprinting(**self.arguments(schedule))

    def tissue(self, parameters: Parameters) -> Tissue:
        """Tissues of given parameters, which are those of `limits` and perhaps `m0`."""
        values: dict[str, Any] = dict(self.known) | parameters
        pool = Pool(
            values["fraction"],
            values["exchange_rate"],
            t1=values["pool_t1"],
            t2=values["pool_t2"],
            shift_ppm=values["shift_ppm"],
            lineshape=self.lineshape,
        )
        others = {name: values[name] for name in ("b1", "off_resonance", "m0") if name in values}
        return Tissue(values["t1"], values["t2"], pools=(pool,), **others)

    def units(self, parameters: Parameters) -> Float[Array, "*voxels estimated"]:
        """What is estimated, from -1 to 1 between its limits, as networks give it."""
        values = jnp.stack([parameters[name] for name in self.estimated], axis=-1)
        low, width = self._limits_as(values)
        return 2 * (values - low) / width - 1

    def parameters(self, units: Float[Array, "*voxels estimated"]) -> Parameters:
        """The inverse of `units`."""
        low, width = self._limits_as(units)
        values = low + (units + 1) / 2 * width
        return {name: values[..., i] for i, name in enumerate(self.estimated)}

    def _limits_as(self, like: Float[Array, "*voxels estimated"]) -> tuple[Array, Array]:
        """The lower limits and the widths of what is estimated, with the axes of an array."""
        low, high = np.array([self.limits[name] for name in self.estimated]).T
        shape = (1,) * (like.ndim - 1) + (-1,)
        return jnp.asarray(low.reshape(shape), like.dtype), jnp.asarray((high - low).reshape(shape), like.dtype)

    def show(self, name: str) -> Shown:
        """How a parameter is shown."""
        return self.shown.get(name, Shown(name, "", 1.0))
