"""What a signal model says of itself: what it needs, what it gives, in which units and within which limits."""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Inexact

from mrjax import _checks
from mrjax._module import Module
from mrjax._quantities import quantity


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What a model gives: one number per voxel, its unit, and where it is looked for.

    **Arguments:**

    - `name`: As the dictionaries of parameters have it, "t1" say.
    - `unit`: Of the numbers, "s" say; "" for those relative to something, and "signal" for those in the unit of the data.
    - `meaning`: In words.
    - `lower`, `upper`: The limits of a fit, as wide as the model is meant for.
    - `trials`: Values that are tried to find where a fit starts. None are needed of an amplitude.
    - `is_amplitude`: Whether the signal is linear in it, so that its best value follows from those of the others.
    """

    name: str
    unit: str
    meaning: str
    lower: float = -math.inf
    upper: float = math.inf
    trials: tuple[float, ...] = ()
    is_amplitude: bool = False

    def within(self, lower: float | None = None, upper: float | None = None) -> "Parameter":
        """With other limits, and the trials between them."""
        lower, upper = self.lower if lower is None else lower, self.upper if upper is None else upper
        trials = tuple(value for value in self.trials if lower <= value <= upper)
        return dataclasses.replace(self, lower=lower, upper=upper, trials=trials or self.trials[:0])


def amplitude(name: str = "m0", meaning: str = "equilibrium magnetisation", lower: float = 0.0) -> Parameter:
    """A `Parameter` that the signal is linear in, in the unit of the data."""
    return Parameter(name, "signal", meaning, lower=lower, is_amplitude=True)


def need(unit: str, meaning: str, *, per_voxel: bool = False, **options: Any) -> Any:
    """A field of a `SignalModel`: a setting of the sequence, or with `per_voxel` a map that is known.

    **Arguments:**

    - `unit`, `meaning`: As those of a `Parameter`.
    - `per_voxel`: Whether it may have the shape of the voxels. Such a field has a default, which holds where no map is given.
    - `options`: Those of `equinox.field`.
    """
    return eqx.field(metadata={"unit": unit, "meaning": meaning, "per_voxel": per_voxel}, **options)


class SignalModel(Module):
    """A signal as a function of what is to be found in every voxel, and what has to be known for that.

    A subclass names its fields by `need`, its `parameters`, its `equation` and its `source`, and gives the signal. Whatever
    estimates parameters takes it: `mrjax.inverse.least_squares(model, data)` starts where `trials` fit best and stays within
    the limits.

    Called with a dictionary of arrays of shape `(*voxels)`, one for each parameter, it returns the signal `(*voxels, n)`.
    """

    equation: ClassVar[str]
    """In LaTeX."""
    source: ClassVar[str]
    """Where the equation stands."""

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """What it gives."""

    @property
    @abc.abstractmethod
    def n_samples(self) -> int:
        """The length of a signal."""

    @abc.abstractmethod
    def __call__(self, parameters: Mapping[str, Array]) -> Inexact[Array, "*voxels n"]:
        """The signals of parameters."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def limits(self) -> tuple[dict[str, float], dict[str, float]]:
        """The lower and the upper limit of each parameter, as `mrjax.inverse.least_squares` takes them."""
        lower = {parameter.name: parameter.lower for parameter in self.parameters}
        return lower, {parameter.name: parameter.upper for parameter in self.parameters}

    def at(self, voxels: Any) -> "SignalModel":
        """The model of some voxels: maps that it holds are indexed, settings stay.

        **Arguments:**

        - `voxels`: What indexes the axes of the voxels, such as a slice or a mask.
        """
        return self._with_maps(lambda value, _: value[voxels] if np.ndim(value) else value)

    def without_maps(self) -> "SignalModel":
        """The model of a voxel of which nothing is known: maps have their defaults."""
        return self._with_maps(lambda value, default: default if np.ndim(value) else value)

    def _with_maps(self, change: Any) -> "SignalModel":
        fields = [field for field in dataclasses.fields(self) if field.metadata.get("per_voxel")]
        changed = {field.name: change(getattr(self, field.name), field.default) for field in fields}
        return dataclasses.replace(self, **changed) if changed else self

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {_first_line(self)}", f"  {self.equation}", "  needs"]
        for field in dataclasses.fields(self):
            if "unit" not in field.metadata:
                continue
            about, value = field.metadata, getattr(self, field.name)
            kind = "a number or a map" if about["per_voxel"] else ""
            detail = ", ".join(filter(None, (about["meaning"], kind)))
            lines.append(f"    {field.name} = {_shown(value, about['unit'])}: {detail}")
        lines.append("  gives")
        for one in self.parameters:
            unit = f" ({one.unit})" if one.unit else ""
            lines.append(f"    {one.name}{unit}, {one.lower:.6g} to {one.upper:.6g}: {one.meaning}")
        return "\n".join([*lines, f"  source: {self.source}"])


def settings(values: Any, name: str, check: Any = None) -> Array:
    """Settings of a sequence, one for each sample, as an array `(n_samples,)`.

    **Arguments:**

    - `values`: A sequence of numbers.
    - `name`: Of the argument, for what an error says.
    - `check`: Takes the array and the name and returns it, or raises.

    **Raises:** `ValueError` where there is not one axis, or `check` does.
    """
    array = _checks.real_array(values, name)
    if array.ndim != 1 or array.shape[0] == 0:
        raise ValueError(f"`{name}` must have one value for each sample, shape (n_samples,), but got {array.shape}.")
    return array if check is None else check(array, name)


def _first_line(model: SignalModel) -> str:
    return (type(model).__doc__ or "").strip().splitlines()[0].rstrip(".")


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, str | bool) or value is None:
        return str(value)
    if isinstance(value, Sequence):
        value = np.asarray(value)
    return quantity(value, 1.0, unit) if isinstance(value, int | float | np.ndarray | jax.Array) else str(value)
