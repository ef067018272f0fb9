"""What `mrjax design` has to know of an experiment: its settings, what is unknown of a tissue, and the signal."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax import units
from mrjax.cli import quantities
from mrjax.design import Constraint

Values = Mapping[str, Any]
"""Of settings by name, in SI units."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """How a number is read on the command line and shown."""

    read: Callable[[str], Any]
    unit: str
    """In which it is shown."""
    si: str
    """In which it is kept."""
    size: float
    """Of the unit that is shown, in SI."""


TIME = Quantity(quantities.time, "ms", "s", units.ms)
ANGLE = Quantity(quantities.angle, "deg", "rad", units.deg)
B_VALUE = Quantity(quantities.b_value, "s/mm2", "s/m^2", 1e6)
COUNT = Quantity(int, "", "", 1.0)


@dataclasses.dataclass(frozen=True)
class DesignSetting:
    """A setting of an experiment, an option of the command."""

    name: str
    """As the models have it."""
    quantity: Quantity
    meaning: str
    default: tuple[float | int, ...]
    """In SI units."""
    per_sample: bool = False
    """Whether each image, echo or repetition has its own: such ones can be designed."""
    bounds: Callable[[Values], tuple[float, float]] | None = None
    """Between which they are designed by default, from the other settings; None to leave them as they are."""

    @property
    def option(self) -> str:
        """As it is written on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def shown(self, values: Any) -> str:
        """Numbers in words."""
        numbers = np.ravel(values) / self.quantity.size
        text = ", ".join(f"{number:.4g}" for number in (numbers if numbers.size <= 8 else numbers[:3]))
        return f"{text}{', ...' if numbers.size > 8 else ''} {self.quantity.unit}".rstrip()


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A kind of measurement that can be designed."""

    name: str
    help: str
    settings: tuple[DesignSetting, ...]
    tissue: tuple[str, ...]
    """What must be known of a tissue."""
    unknown: Mapping[str, float]
    """What a fit has to find beside the tissue, with its value."""
    wanted: tuple[str, ...]
    """What is to be precise by default."""
    model_of: Callable[[Values, Values], Callable[[Any], Any]]
    """The signal, from the settings and from all that is known of the tissues."""
    known: tuple[str, ...] = ()
    """What of the tissue a fit need not find."""
    constraints: Callable[[Values, Any], Sequence[Constraint]] = lambda fixed, power: ()
    """From the settings that stay, and the angle whose power pulses may have."""
    samples: str | None = None
    """The option that says how many there are, where settings do not."""
    default_samples: int = 0
    imaging: Callable[[Values, float, int], Any] | None = None
    """A sequence that a scanner can play, from all settings, field of view and matrix."""

    def parser_options(self, parser: Any) -> None:
        """Add an option for each setting."""
        for one in self.settings:
            several = one.per_sample or len(one.default) > 1
            default = "half sines" if one.per_sample and not one.default else one.shown(one.default)
            kind = quantities.listed(one.quantity.read)
            more = {"nargs": "+", "action": quantities.Listed, "metavar": "X"} if several else {"nargs": 1}
            parser.add_argument(
                one.option,
                type=kind if several else one.quantity.read,
                help=f"{one.meaning}; {default} by default",
                **more,
            )

    def values(self, options: Any) -> dict[str, Any]:
        """All settings in SI units: numbers, and arrays of those that each sample has its own of."""
        found = {one.name: getattr(options, one.name) or list(one.default) for one in self.settings}
        n = getattr(options, self.samples) if self.samples else None
        if n is not None and n < 2:
            raise ValueError(f"--{self.samples} must be at least 2, but got {n}.")
        return {one.name: self._checked(one, found[one.name], n) for one in self.settings}

    def _checked(self, setting: DesignSetting, values: list, n: int | None) -> Any:
        if not setting.per_sample:
            if len(values) != max(len(setting.default), 1):
                raise ValueError(f"{setting.option} takes {len(setting.default)} values, but got {len(values)}.")
            return values[0] if len(values) == 1 else tuple(values)
        if not values:
            values = half_sines(n or 0)
        if n is None:
            return np.array(values, float)
        if len(values) not in (1, n):
            raise ValueError(f"{setting.option} takes one value or --{self.samples} ({n}), but got {len(values)}.")
        return np.broadcast_to(np.array(values, float), (n,)).copy()


def half_sines(n: int) -> list[float]:
    """Flip angles from 10 to 60 degrees and back, every 300 repetitions, in rad."""
    return ((10 + 50 * np.abs(np.sin(math.pi * np.arange(n) / 300))) * units.deg).tolist()
