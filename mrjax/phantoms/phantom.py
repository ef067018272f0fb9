"""Phantom: tissues mixed on a grid."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.phantoms import _spins
from mrjax.tissue import NEUTRAL, Tissue

ROUNDING = 1e-5  # by which fractions in float32 may add up to more than one


class Phantom(Module):
    r"""Tissues ("compartments") that share the voxels of a grid.

    A voxel at a border holds several tissues, and its signal is the sum of theirs: it is signals that mix,
    not relaxation times. So simulate the compartments and add: `simulate(sequence,
    phantom.compartments()).sum(0)`.

    **Arguments:**

    - `names`: The name of each compartment.
    - `fractions`: The share of each voxel's volume. Shape `(n_compartments, *shape)`, 0..1, adding up to at
      most 1 over compartments; the rest is air.
    - `t1`, `t2`: Relaxation times of each compartment in s. Shape `(n_compartments,)`. Positive and finite.
    - `proton_density`: Relative to water. Shape `(n_compartments,)`. Not negative.
    - `affine`: From voxel indices to positions in mm, as NIfTI has it. 4x4. A two-dimensional grid is a
      volume of one slice. It is kept as nested tuples; `numpy.array(phantom.affine)` is the matrix.

    To change values, e.g. to other relaxation times: `equinox.tree_at(lambda p: p.t1, phantom, new_t1)`.

    **Raises:** `ValueError` where shapes or lengths disagree, or values are outside their range.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.phantoms import Phantom
        >>> grid = np.array([[1.0, 0.5, 0.0]])
        >>> fractions = np.stack([grid, 1 - grid])
        >>> phantom = Phantom(("oil", "water"), fractions, [0.3, 2.0], [0.1, 1.0], [0.9, 1.0], np.eye(4))
        >>> phantom.shape, phantom.voxel_size
        ((1, 3), (0.001, 0.001))
        >>> print(phantom.compartments().m0.sum(0))
        [[0.9  0.95 1.  ]]

        ```
    """

    names: tuple[str, ...] = eqx.field(static=True)
    fractions: Float[Array, "n_compartments *shape"]
    t1: Float[Array, " n_compartments"]
    t2: Float[Array, " n_compartments"]
    proton_density: Float[Array, " n_compartments"]
    affine: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def __init__(self, names: Any, fractions: Any, t1: Any, t2: Any, proton_density: Any, affine: Any):
        self.names = tuple(str(name) for name in names)
        self.fractions = _checked_fractions(_checks.real_array(fractions, "fractions"), len(self.names))
        self.t1 = _checks.positive(self._one_each(t1, "t1"), "t1", "s")
        self.t2 = _checks.positive(self._one_each(t2, "t2"), "t2", "s")
        density = self._one_each(proton_density, "proton_density")
        self.proton_density = _checks.non_negative(density, "proton_density", "relative to water")
        matrix = np.asarray(affine, float)
        if matrix.shape != (4, 4):
            raise ValueError(f"`affine` must be a 4x4 matrix, but got shape {matrix.shape}.")
        self.affine = tuple(tuple(row) for row in matrix.tolist())

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid: voxels along each axis."""
        return self.fractions.shape[1:]

    @property
    def voxel_size(self) -> tuple[float, ...]:
        """Distance between voxel centres along each axis of the grid, in m."""
        lengths_mm = np.linalg.norm(np.array(self.affine)[:3, :3], axis=0)
        return tuple(round(float(length), 9) * 1e-3 for length in lengths_mm[: len(self.shape)])

    @property
    def mask(self) -> Bool[Array, "*shape"]:
        """Where there is any tissue."""
        return self.fractions.sum(0) > 0

    def fraction(self, name: str) -> Float[Array, "*shape"]:
        """The volume fraction of the compartment called `name`; `ValueError` where there is none."""
        if name not in self.names:
            raise ValueError(f"`name` must be one of {', '.join(map(repr, self.names))}, but got {name!r}.")
        return self.fractions[self.names.index(name)]

    def compartments(
        self,
        b1: Any = NEUTRAL["b1"],
        off_resonance: Any = NEUTRAL["off_resonance"],
        t2_prime: Any = NEUTRAL["t2_prime"],
        diffusion: Any = NEUTRAL["diffusion"],
    ) -> Tissue:
        """Every compartment with its own relaxation times: the exact way to simulate mixed voxels.

        **Arguments:** as those of `Tissue`; each a number, a map of shape `shape` that all compartments
        share, or one map per compartment, `(n_compartments, *shape)` or broadcasting to it.

        **Returns:** A `Tissue` of voxel shape `(n_compartments, *shape)`; sum its signals over the first
        axis.

        **Raises:** `ValueError` where a map does not fit.
        """
        maps = {"b1": b1, "off_resonance": off_resonance, "t2_prime": t2_prime, "diffusion": diffusion}
        shared = {name: self._per_compartment(value, name) for name, value in maps.items()}
        m0 = self.fractions * self._column(self.proton_density)
        return Tissue(self._column(self.t1), self._column(self.t2), m0, **shared)

    def tissue(
        self,
        b1: Any = NEUTRAL["b1"],
        off_resonance: Any = NEUTRAL["off_resonance"],
        t2_prime: Any = NEUTRAL["t2_prime"],
        diffusion: Any = NEUTRAL["diffusion"],
    ) -> Tissue:
        """One T1 and one T2 per voxel, for display, training labels and quick simulation.

        T1 and T2 are the geometric means of the compartments' values, weighted by their protons. Where voxels
        are mixed this is an approximation; `compartments` is not. Outside the object `m0` is zero and T1 and
        T2 are 1 s, so that nothing divides by zero.

        **Arguments:** as those of `Tissue`; each a number or a map of shape `shape`.

        **Returns:** A `Tissue` of voxel shape `shape`.

        **Raises:** `ValueError` where a map does not fit.
        """
        maps = {"b1": b1, "off_resonance": off_resonance, "t2_prime": t2_prime, "diffusion": diffusion}
        protons = self.fractions * self._column(self.proton_density)
        m0 = protons.sum(0)
        weights = protons / jnp.where(m0 > 0, m0, 1)[None]
        t1, t2 = (jnp.exp((weights * jnp.log(self._column(t))).sum(0)) for t in (self.t1, self.t2))
        return Tissue(t1, t2, m0, **{name: self._map(value, name) for name, value in maps.items()})

    def spins(
        self,
        sub_spins: Any = 1,
        b1: Any = NEUTRAL["b1"],
        off_resonance: Any = NEUTRAL["off_resonance"],
        t2_prime: Any = NEUTRAL["t2_prime"],
        diffusion: Any = NEUTRAL["diffusion"],
    ) -> Tissue:
        r"""Every compartment as spins that know where they are: what an image is made of.

        Spin $s$ of $n$ in voxel $i$ along an axis lies at the index $i + (s + 1/2)/n - 1/2$, and at the position that
        `affine` gives to it, in m. Several spins in a voxel dephase as the gradients and the field across it say; one does
        not dephase at all.

        **Arguments:**

        - `sub_spins`: Spins along each axis of a voxel: an integer, or one per axis of the grid.
        - `b1`, `off_resonance`: As of `compartments`; linear between the centres of voxels. Beyond the outermost centres
          `off_resonance` goes straight on, and `b1` is constant.
        - `t2_prime`, `diffusion`: As of `compartments`; the same for all spins of a voxel.

        **Returns:** A `Tissue` of voxel shape `(n_compartments, *shape)` with each axis of the grid `sub_spins` times as
        long; `m0` is that of the compartment over the number of spins in a voxel, so that sums stay. `x`, `y` and `z` keep
        length one along the axes that they do not change along. The slice of a two-dimensional grid has one `z`.

        **Raises:** `ValueError` where a map does not fit, or `sub_spins` are not positive integers.

        **Derivatives:** in the maps and the values of the compartments; positions are known numbers.

        !!! example

            ```python
            >>> import mrjax as mr
            >>> phantom = mr.phantoms.brain(shape=(32, 32))
            >>> spins = phantom.spins(sub_spins=2)
            >>> spins.voxel_shape, spins.x.shape, spins.y.shape
            ((3, 64, 64), (1, 64, 1), (1, 1, 64))

            ```
        """
        along = _spins.per_axis(sub_spins, len(self.shape))
        fit = lambda value, name: _spins.checked_map(value, name, self.shape, len(self.names))
        at_spins = lambda value, place: value if np.ndim(value) == 0 else place(value)
        straight = lambda value: _spins.interpolated(value, along, beyond=True)
        level = lambda value: _spins.interpolated(value, along, beyond=False)
        same = lambda value: _spins.repeated(value, self.shape, along)
        maps = {
            "b1": at_spins(fit(b1, "b1"), level),
            "off_resonance": at_spins(fit(off_resonance, "off_resonance"), straight),
            "t2_prime": at_spins(fit(t2_prime, "t2_prime"), same),
            "diffusion": at_spins(fit(diffusion, "diffusion"), same),
        }
        m0 = same(self.fractions * self._column(self.proton_density)) / math.prod(along)
        x, y, z = (
            jnp.asarray(value, self.fractions.dtype)[None]
            for value in _spins.positions(np.array(self.affine), self.shape, along)
        )
        return Tissue(self._column(self.t1), self._column(self.t2), m0, x=x, y=y, z=z, **maps)

    def _column(self, values: Float[Array, " n_compartments"]) -> Float[Array, "n_compartments ..."]:
        return values.reshape(-1, *(1 for _ in self.shape))

    def _per_compartment(self, value: Any, name: str) -> Any:
        rank = len(self.shape)
        if isinstance(value, int | float) or np.ndim(value) in (0, rank + 1):
            return value
        if np.shape(value) == self.shape:
            return _checks.real_array(value, name)[None]
        full = (len(self.names), *self.shape)
        raise ValueError(
            f"`{name}` must be a number or have shape {self.shape} or {full}, but got shape {np.shape(value)}."
        )

    def _map(self, value: Any, name: str) -> Any:
        if np.shape(value) not in ((), self.shape):
            raise ValueError(f"`{name}` must be a number or have shape {self.shape}, but got shape {np.shape(value)}.")
        return value

    def _one_each(self, values: Any, name: str) -> Array:
        array = _checks.finite(_checks.real_array(values, name), name)
        if array.shape != (len(self.names),):
            raise ValueError(
                f"`{name}` must have one value for each of the {len(self.names)} names, but got shape {array.shape}."
            )
        return array


def _checked_fractions(fractions: Array, n_compartments: int) -> Array:
    if fractions.ndim < 2 or fractions.shape[0] != n_compartments:
        raise ValueError(
            f"`fractions` must have shape (n_compartments, *shape) with one compartment for each of the "
            f"{n_compartments} names, but got shape {fractions.shape}."
        )
    holds = (fractions >= 0) & (fractions <= 1) & (fractions.sum(0) <= 1 + ROUNDING)[None]
    message = "`fractions` must be within 0..1 and add up to at most 1 in each voxel"
    return _checks.require(fractions, holds, message)
