"""Matching signals to a dictionary of simulated ones."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from mrjax import _checks
from mrjax.inverse.jacobian import Model

SIGNALS_AT_ONCE = 512
"""Signals matched in one matrix product by default: enough to keep the cores busy, few enough for any dictionary."""


class Match(eqx.Module):
    """The best atom of every voxel."""

    parameters: dict[str, Float[Array, "*voxels"]]
    m0: Inexact[Array, "*voxels"]
    """Scale of the atom that fits best, complex for complex signals."""
    correlation: Float[Array, "*voxels"]
    """|<atom, signal>| / (|atom| |signal|), 1 for a perfect match; zero where the signal is."""
    index: Int[Array, "*voxels"]


class Dictionary(eqx.Module):
    r"""Simulated signals over a grid of parameters, to match measured signals by their inner product.

    $$\hat\imath = \arg\max_i \frac{|\langle d_i, s \rangle|}{\|d_i\|}, \qquad
      \hat M_0 = \frac{\langle d_{\hat\imath}, s \rangle}{\|d_{\hat\imath}\|^2}$$

    The rule is the same for real signals, whose scale may be negative, as for complex ones, whose scale has any phase.
    The result is as fine as the grid; `least_squares` refines it. Made with `Dictionary.build`.

    **Source:** D. Ma et al., Nature 495 (2013) 187-192.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.inverse import Dictionary
        >>> te = jnp.array([0.01, 0.03, 0.06])
        >>> dictionary = Dictionary.build(lambda p: jnp.exp(-te / p["t2"][..., None]), {"t2": jnp.array([0.02, 0.05, 0.1])})
        >>> match = dictionary.match(3 * jnp.exp(-te / 0.052)[None])
        >>> round(float(match.parameters["t2"][0]), 3)
        0.05

        ```
    """

    parameters: dict[str, Float[Array, " n_atoms"]]
    signals: Inexact[Array, "n_atoms n"]

    @classmethod
    def build(
        cls,
        model: Model,
        grid: Mapping[str, Any],
        where: Callable[[dict[str, np.ndarray]], Any] | None = None,
    ) -> "Dictionary":
        """Simulate every combination of the grid values.

        **Arguments:**

        - `model`: Takes a dict of parameters of shape `(n_atoms,)` and returns signals `(n_atoms, n)`, real or complex.
        - `grid`: For each parameter its values, one-dimensional.
        - `where`: Takes the dict of all combinations and says which to keep, such as `lambda p: p["t2"] <= p["t1"]`.

        **Returns:** A `Dictionary`.

        **Raises:** `ValueError` where a grid is empty or not one-dimensional, nothing is kept, or shapes do not fit.
        """
        values = {name: _checks.real_array(value, name) for name, value in grid.items()}
        for name, value in values.items():
            if value.ndim != 1 or value.size == 0:
                raise ValueError(
                    f"Grid values of `{name}` must be one-dimensional and not empty, but got shape {value.shape}."
                )
        if not values:
            raise ValueError("`grid` must name at least one parameter, but is empty.")
        mesh = np.meshgrid(*(np.asarray(value) for value in values.values()), indexing="ij")
        atoms = {name: axis.reshape(-1) for name, axis in zip(values, mesh, strict=True)}
        if where is not None:
            keep = np.broadcast_to(np.asarray(where(atoms), bool), next(iter(atoms.values())).shape)
            atoms = {name: value[keep] for name, value in atoms.items()}
            if not keep.any():
                raise ValueError("`where` must keep at least one combination of the grid, but keeps none.")
        parameters = {name: jnp.asarray(value) for name, value in atoms.items()}
        signals = jnp.asarray(model(parameters))
        n_atoms = math.prod(next(iter(parameters.values())).shape)
        if signals.ndim != 2 or signals.shape[0] != n_atoms:
            raise ValueError(
                f"`model` must return signals of shape (n_atoms, n) with {n_atoms} atoms, but got {signals.shape}."
            )
        return cls(parameters, signals)

    @property
    def n_atoms(self) -> int:
        """How many signals the dictionary holds."""
        return self.signals.shape[0]

    def match(
        self, signals: Any, known: Mapping[str, Any] | None = None, *, batch_size: int = SIGNALS_AT_ONCE
    ) -> Match:
        """The atom that correlates best with each signal.

        **Arguments:**

        - `signals`: Measured signals, `(*voxels, n)`, real or complex.
        - `known`: Maps of parameters measured otherwise, B1 say, of shape `(*voxels)`: only the atoms whose grid value is
          nearest compete.
        - `batch_size`: Signals matched in one matrix product.

        **Returns:** A `Match`. A signal that is zero or not finite matches the first atom with correlation 0 or nan.

        **Raises:** `ValueError` where the number of samples differs from that of the atoms, or a known name is not in
        the dictionary.
        """
        signals = _checks.number_array(signals, "signals")
        if signals.ndim < 1 or signals.shape[-1] != self.signals.shape[-1]:
            raise ValueError(
                f"`signals` must have {self.signals.shape[-1]} samples on the last axis, as the atoms, but got {signals.shape}."
            )
        if jnp.iscomplexobj(self.signals) and not jnp.iscomplexobj(signals):
            raise ValueError(
                "`signals` is real but the atoms are complex; pass complex signals, or build from magnitudes."
            )
        _checks.positive_integer(batch_size, "batch_size")
        voxels = signals.shape[:-1]
        known = {name: _checks.real_array(value, name) for name, value in (known or {}).items()}
        for name, value in known.items():
            if name not in self.parameters:
                raise ValueError(f"`known` names `{name}`, but the dictionary has {', '.join(self.parameters)}.")
            if value.shape not in ((), voxels):
                raise ValueError(f"`known['{name}']` must have the voxel shape {voxels}, but got {value.shape}.")
        flat = signals.reshape(-1, signals.shape[-1])
        known = {name: jnp.broadcast_to(value, voxels).reshape(-1) for name, value in known.items()}
        index, scale, correlation = _best(self, flat, known, batch_size)
        return Match(
            {name: value[index].reshape(voxels) for name, value in self.parameters.items()},
            scale.reshape(voxels),
            correlation.reshape(voxels),
            index.reshape(voxels),
        )


@eqx.filter_jit
def _best(
    dictionary: Dictionary, signals: Array, known: dict[str, Array], batch_size: int
) -> tuple[Array, Array, Array]:
    atoms = dictionary.signals
    norm = jnp.sqrt(jnp.sum(jnp.abs(atoms) ** 2, axis=-1))
    per_norm = 1 / jnp.where(norm > 0, norm, 1.0)

    def one(voxel: tuple[Array, dict[str, Array]]) -> tuple[Array, Array, Array]:
        signal, known = voxel
        # the signal is conjugated and the product divided, not the atoms, of which there would then be two copies
        product = jnp.conj(jnp.conj(signal) @ atoms.T) * per_norm
        size = jnp.abs(product)
        for name, value in known.items():
            distance = jnp.abs(dictionary.parameters[name] - value)
            size = jnp.where(distance <= jnp.min(distance) * (1 + 1e-5), size, -1.0)
        index = jnp.argmax(size)
        length = jnp.sqrt(jnp.sum(jnp.abs(signal) ** 2))
        correlation = jnp.where(length == 0, 0.0, size[index] / jnp.where(length == 0, 1.0, length))
        return index, product[index] * per_norm[index], correlation

    return jax.lax.map(one, (signals, known), batch_size=batch_size)
