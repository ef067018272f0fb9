"""The unknowns of a reconstruction: the parameters of a signal model as real numbers of order one."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax._module import Module
from mrjax.signals.models import Parameter, SignalModel


class Unknowns(Module):
    r"""Between maps of parameters and the real array that a search works on, the unknowns on its last axis.

    A parameter that cannot be negative is looked for by its logarithm, any other in units of the width of its trials.
    Amplitudes are in units of the brightest voxels. Those of a model of real signals are complex, since images have a phase,
    and each is two unknowns.
    """

    model: SignalModel
    amplitude_scale: Float[Array, ""]
    n_parts: int = eqx.field(static=True)
    """Of an amplitude: two, or one for a model of complex signals, which has the phase."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters: first those in which the signal is not linear."""
        return tuple(one.name for one in (*self.nonlinear, *self.linear))

    @property
    def nonlinear(self) -> tuple[Parameter, ...]:
        """Parameters with one unknown each."""
        return tuple(one for one in self.model.parameters if not one.is_amplitude)

    @property
    def linear(self) -> tuple[Parameter, ...]:
        """Amplitudes, with `n_parts` unknowns each."""
        return tuple(one for one in self.model.parameters if one.is_amplitude)

    @property
    def n_unknowns(self) -> int:
        """Of each voxel."""
        return len(self.nonlinear) + self.n_parts * len(self.linear)

    def maps(self, unknowns: Float[Array, "*voxels p"]) -> dict[str, Inexact[Array, "*voxels"]]:
        """The parameters that unknowns stand for."""
        found = {one.name: _parameter(one, unknowns[..., i]) for i, one in enumerate(self.nonlinear)}
        rest = unknowns[..., len(self.nonlinear) :]
        for i, one in enumerate(self.linear):
            parts = rest[..., self.n_parts * i : self.n_parts * (i + 1)]
            found[one.name] = self.amplitude_scale * (
                parts[..., 0] + 1j * parts[..., 1] if self.n_parts == 2 else parts[..., 0]
            )
        return found

    def unknowns(self, maps: Mapping[str, Array]) -> Float[Array, "*voxels p"]:
        """The inverse of `maps`."""
        columns = [_unknown(one, jnp.clip(maps[one.name], one.lower, one.upper).real) for one in self.nonlinear]
        for one in self.linear:
            scaled = maps[one.name] / self.amplitude_scale
            columns += [scaled.real, scaled.imag][: self.n_parts]
        return jnp.stack(columns, axis=-1)

    def within(self, unknowns: Float[Array, "*voxels p"]) -> Float[Array, "*voxels p"]:
        """The nearest unknowns within the limits of the model."""
        limits = [
            [_unknown(one, jnp.asarray(at, unknowns.dtype)) for at in (one.lower, one.upper)] for one in self.nonlinear
        ]
        free = [[jnp.asarray(-jnp.inf, unknowns.dtype), jnp.asarray(jnp.inf, unknowns.dtype)]] * (
            self.n_parts * len(self.linear)
        )
        lower, upper = jnp.stack([jnp.stack(pair) for pair in [*limits, *free]], axis=-1)
        ones = (1,) * (unknowns.ndim - 1)
        return jnp.clip(unknowns, lower.reshape(*ones, -1), upper.reshape(*ones, -1))

    def signals(self, unknowns: Float[Array, "*voxels p"]) -> Inexact[Array, "*voxels n"]:
        """The contrasts that unknowns stand for."""
        return self.model(self.maps(unknowns))

    def deviations(
        self, unknowns: Float[Array, "*voxels p"], deviation: Float[Array, "*voxels p"]
    ) -> dict[str, Float[Array, "*voxels"]]:
        """Standard deviations of the parameters, to first order, from those of the unknowns; of a part of an amplitude."""
        maps, found = self.maps(unknowns), {}
        for i, one in enumerate(self.nonlinear):
            found[one.name] = deviation[..., i] * (maps[one.name] if _is_positive(one) else _width(one))
        rest = deviation[..., len(self.nonlinear) :] ** 2
        for i, one in enumerate(self.linear):
            square = jnp.mean(rest[..., self.n_parts * i : self.n_parts * (i + 1)], axis=-1)
            found[one.name] = self.amplitude_scale * jnp.sqrt(square)
        return found


def _is_positive(one: Parameter) -> bool:
    return one.lower > 0


def _middle(one: Parameter) -> float:
    trials = one.trials or (one.lower, one.upper)
    return math.sqrt(trials[0] * trials[-1]) if _is_positive(one) else (trials[0] + trials[-1]) / 2


def _width(one: Parameter) -> float:
    trials = one.trials or (one.lower, one.upper)
    return max(trials[-1] - trials[0], 1e-12) / 2


def _parameter(one: Parameter, unknown: Array) -> Array:
    return _middle(one) * jnp.exp(unknown) if _is_positive(one) else _middle(one) + _width(one) * unknown


def _unknown(one: Parameter, parameter: Array) -> Array:
    return jnp.log(parameter / _middle(one)) if _is_positive(one) else (parameter - _middle(one)) / _width(one)
