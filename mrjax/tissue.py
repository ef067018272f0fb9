"""What the scanner plays on: tissue parameters, one value per voxel."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks, _plausibility
from mrjax._checks import Neutral
from mrjax._module import Module, is_constructed
from mrjax._quantities import BARE, MAYBE_DERIVATIVES, quantity
from mrjax.pool import Pool

# Values at which an effect is absent.
NEUTRAL = {
    "m0": Neutral(1.0),
    "t2_prime": Neutral("inf"),
    "off_resonance": Neutral(0.0),
    "b1": Neutral(1.0),
    "diffusion": Neutral(0.0),
    "x": Neutral(0.0),
    "y": Neutral(0.0),
    "z": Neutral(0.0),
    "velocity_x": Neutral(0.0),
    "velocity_y": Neutral(0.0),
    "velocity_z": Neutral(0.0),
}

VELOCITY = ("velocity_x", "velocity_y", "velocity_z")

EFFECTS = ("b1", "b1_phase", "off_resonance", "t2_prime", "diffusion", "pools", "velocity")
"""What an engine computes besides relaxation, or refuses; `b1_phase` where `b1` is complex. `m0` multiplies the signal of
every engine, and positions matter to an engine that plays a `Gradient`."""

UNITS: dict[str, tuple[float, str]] = {
    "t1": (1e3, "ms"),
    "t2": (1e3, "ms"),
    "t2_prime": (1e3, "ms"),
    "off_resonance": (1.0, "Hz"),
    "diffusion": (1.0, "m^2/s"),
    **dict.fromkeys(("x", "y", "z"), (1e3, "mm")),
    **dict.fromkeys(VELOCITY, (1.0, "m/s")),
}
"""How numbers are shown; those relative to something have no unit."""


class Tissue(Module):
    r"""Tissue parameters; the leaves broadcast to one voxel shape of any rank.

    **Arguments:**

    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)` or broadcasting to it. Positive; `inf` switches it off.
    - `t2`: Transverse relaxation time in s. As `t1`.
    - `m0`: Equilibrium magnetisation, any unit, real or complex (the phase is then that of the receiver). A voxel where it is
      known to be zero is empty: its other values may be anything, NaN or zero as well.
    - `t2_prime`: Reversible dephasing time in s, $1/T_2^* = 1/T_2 + 1/T_2'$, of Lorentzian off-resonances. `inf` for none.
    - `off_resonance`: In Hz. Positive turns the transverse magnetisation by `exp(+2j * pi * off_resonance * t)`.
    - `b1`: Transmit field relative to nominal. Real, zero or more: it multiplies every flip angle. Complex, as of one channel or
      the sum of several that transmit alike: its magnitude multiplies every flip angle, and its phase is added to that of every
      RF pulse.
    - `diffusion`: Isotropic diffusion coefficient in m²/s, e.g. `1e-9`. It acts where a gradient has wound the
      magnetisation, so the engine must know the voxel size.
    - `pools`: `Pool`s that exchange with the water whose parameters stand above, a tuple of any number.
    - `x`, `y`, `z`: Where the middle of the voxel is, in m. It matters where a `Gradient` is played.
    - `velocity_x`, `velocity_y`, `velocity_z`: In m/s, constant; the voxel is at `x`, `y`, `z` when the sequence begins.

    All but `t1`, `t2` and `pools` have defaults at which the effect is absent. A default, or the same Python number, is left
    out of the computation and is no leaf of the PyTree; pass an array (`jnp.zeros(())`) to include the effect, for instance
    to differentiate at that point. `dataclasses.replace(tissue, b1=...)` gives a tissue with one leaf changed.

    **Raises:** `ValueError` where shapes do not broadcast, a value is complex where a real one is due, NaN, or outside
    its range. Values that are traced are checked when `simulate` runs.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax import Tissue
        >>> tissue = Tissue(t1=jnp.array([0.8, 1.4]), t2=jnp.array([0.07, 0.1]), b1=0.9)
        >>> tissue.voxel_shape
        (2,)
        >>> tissue
        Tissue of (2,) voxels
          t1 800 ... 1400 ms (2,)
          t2 70 ... 100 ms (2,)
          b1 0.9

        ```
    """

    t1: Float[Array, "..."]
    t2: Float[Array, "..."]
    m0: Inexact[Array, "..."] | float
    t2_prime: Float[Array, "..."] | float
    off_resonance: Float[Array, "..."] | float
    b1: Inexact[Array, "..."] | float
    diffusion: Float[Array, "..."] | float
    pools: tuple[Pool, ...]
    x: Float[Array, "..."] | float
    y: Float[Array, "..."] | float
    z: Float[Array, "..."] | float
    velocity_x: Float[Array, "..."] | float
    velocity_y: Float[Array, "..."] | float
    velocity_z: Float[Array, "..."] | float

    def __init__(
        self,
        t1: Any,
        t2: Any,
        m0: Any = NEUTRAL["m0"],
        t2_prime: Any = NEUTRAL["t2_prime"],
        off_resonance: Any = NEUTRAL["off_resonance"],
        b1: Any = NEUTRAL["b1"],
        diffusion: Any = NEUTRAL["diffusion"],
        pools: tuple[Pool, ...] = (),
        *,
        x: Any = NEUTRAL["x"],
        y: Any = NEUTRAL["y"],
        z: Any = NEUTRAL["z"],
        velocity_x: Any = NEUTRAL["velocity_x"],
        velocity_y: Any = NEUTRAL["velocity_y"],
        velocity_z: Any = NEUTRAL["velocity_z"],
    ):
        self.t1 = _checks.real_array(t1, "t1")
        self.t2 = _checks.real_array(t2, "t2")
        self.m0 = _number_leaf(m0, "m0")
        self.t2_prime = _checks.real_leaf(t2_prime, "t2_prime", NEUTRAL["t2_prime"])
        self.off_resonance = _checks.real_leaf(off_resonance, "off_resonance", NEUTRAL["off_resonance"])
        self.b1 = _number_leaf(b1, "b1")
        self.diffusion = _checks.real_leaf(diffusion, "diffusion", NEUTRAL["diffusion"])
        self.pools = _pools(pools)
        self.x, self.y, self.z = (_checks.real_leaf(v, n, NEUTRAL[n]) for v, n in ((x, "x"), (y, "y"), (z, "z")))
        self.velocity_x = _checks.real_leaf(velocity_x, "velocity_x", NEUTRAL["velocity_x"])
        self.velocity_y = _checks.real_leaf(velocity_y, "velocity_y", NEUTRAL["velocity_y"])
        self.velocity_z = _checks.real_leaf(velocity_z, "velocity_z", NEUTRAL["velocity_z"])
        _ = self.voxel_shape
        if all(_checks.is_concrete(leaf) for leaf in self._leaves().values()):
            self.checked()
        for name in ("t1", "t2", *(name for name in NEUTRAL if name in _plausibility.QUANTITIES)):
            _plausibility.warn_if_implausible(getattr(self, name), name)
        _plausibility.warn_if_t2_exceeds_twice_t1(self.t1, self.t2)

    @property
    def voxel_shape(self) -> tuple[int, ...]:
        """The shape that all leaves broadcast to; `()` for one voxel."""
        try:
            return np.broadcast_shapes(*map(np.shape, jax.tree.leaves(self)))
        except ValueError:
            return _checks.broadcast_shape(self._leaves())  # which says what does not fit

    def __repr__(self) -> str:
        in_units = is_constructed(self) and all(map(is_constructed, self.pools))
        shown = lambda name: quantity(getattr(self, name), *(UNITS.get(name, BARE) if in_units else BARE))
        heading = f"Tissue of {self.voxel_shape} voxels" if in_units else f"Tissue ({MAYBE_DERIVATIVES})"
        lines = [f"{name} {shown(name)}" for name in ("t1", "t2", *NEUTRAL) if name in ("t1", "t2") or self.has(name)]
        return "\n  ".join([heading, *lines, *map(repr, self.pools)])

    def has(self, effect: str) -> bool:
        """Whether `effect` (the name of a leaf with a default) takes part in the computation."""
        return not isinstance(getattr(self, effect), Neutral)

    @property
    def effects(self) -> tuple[str, ...]:
        """Those of `EFFECTS` that take part in the computation."""
        present = {name: self.has(name) for name in ("b1", "off_resonance", "t2_prime", "diffusion")}
        present |= {"b1_phase": np.iscomplexobj(self.b1), "pools": bool(self.pools), "velocity": self.moves}
        return tuple(name for name in EFFECTS if present[name])

    @property
    def moves(self) -> bool:
        """Whether a velocity takes part in the computation."""
        return any(self.has(name) for name in VELOCITY)

    def checked(self) -> "Tissue":
        """This tissue with every value checked, at run time where values are traced.

        Where `m0` is known to be zero other values need not be valid; those of another voxel are in their place then.
        """
        try:
            return self._checked()
        except ValueError:
            air = self.air
            if air is None or np.all(air):
                raise
            return self._filled(air)._checked()

    @property
    def air(self) -> np.ndarray | None:
        """Which voxels are known to hold nothing, `m0` being zero; None where there are none, or `m0` is not known here."""
        known = isinstance(self.m0, jax.Array | np.ndarray) and _checks.is_concrete(self.m0)
        if not known or (isinstance(self.m0, jax.Array) and not self.m0.is_fully_addressable):
            return None
        empty = np.asarray(self.m0) == 0
        return np.broadcast_to(empty, self.voxel_shape) if np.any(empty) else None

    def _filled(self, air: np.ndarray) -> "Tissue":
        """The tissue with the values of the first voxel that holds something in those that hold nothing."""
        first = np.unravel_index(np.argmin(air), air.shape)

        def fill(leaf: Any) -> Any:
            if not _checks.is_concrete(leaf) or np.size(leaf) == 1:
                return leaf
            values = np.broadcast_to(np.asarray(leaf), air.shape)
            return jax.device_put(np.where(air, values[first], values))

        filled = jax.tree.map(fill, self)
        return eqx.tree_at(lambda tissue: tissue.m0, filled, self.m0)

    def _checked(self) -> "Tissue":
        ranges = {
            "t1": lambda x: _checks.positive(x, "t1", "s"),
            "t2": lambda x: _checks.positive(x, "t2", "s"),
            "m0": lambda x: _checks.finite(x, "m0"),
            "t2_prime": lambda x: _checks.positive(x, "t2_prime", "s"),
            "off_resonance": lambda x: _checks.finite(x, "off_resonance"),
            "b1": _transmit_field,
            "diffusion": lambda x: _checks.finite(_checks.non_negative(x, "diffusion", "m^2/s"), "diffusion"),
        }
        ranges |= {name: lambda x, name=name: _checks.finite(x, name) for name in ("x", "y", "z", *VELOCITY)}
        names = [name for name in ranges if name in ("t1", "t2") or self.has(name)]
        # numbers that `equinox.tree_at` put in place of an array or a default become arrays here
        values = [ranges[name](_checks.number_array(getattr(self, name), name)) for name in names]
        pools = tuple(pool.checked(f"pools[{i}]") for i, pool in enumerate(self.pools))
        checked = eqx.tree_at(lambda tissue: [getattr(tissue, name) for name in names], self, values)
        return eqx.tree_at(lambda tissue: tissue.pools, checked, pools) if pools else checked

    def flattened(self) -> "Tissue":
        """The same tissue with one voxel axis: every leaf has shape `(n_voxels,)`, or `(1,)` where it is a scalar."""
        shape = self.voxel_shape

        def flatten(leaf: Array) -> Array:
            return leaf.reshape(1) if leaf.size == 1 else jnp.broadcast_to(leaf, shape).reshape(-1)

        return jax.tree.map(flatten, self)

    def _leaves(self) -> dict[str, Any]:
        of_pools = {
            f"{name} of pools[{i}]": leaf for i, pool in enumerate(self.pools) for name, leaf in pool.leaves().items()
        }
        return {name: getattr(self, name) for name in ("t1", "t2", *NEUTRAL)} | of_pools


def _number_leaf(value: Any, name: str) -> Any:
    """A leaf that may be complex."""
    return (
        _checks.number_array(value, name) if jnp.iscomplexobj(value) else _checks.real_leaf(value, name, NEUTRAL[name])
    )


def _transmit_field(value: Array) -> Array:
    """Checked: a real one has no phase, so that zero is the least."""
    value = value if jnp.iscomplexobj(value) else _checks.non_negative(value, "b1", "relative to nominal")
    return _checks.finite(value, "b1")


def _pools(pools: Any) -> tuple[Pool, ...]:
    if isinstance(pools, Pool):
        raise ValueError("`pools` must be a tuple of `Pool`s, but got a single one; write `pools=(pool,)`.")
    try:
        pools = tuple(pools)
    except TypeError:
        raise ValueError(f"`pools` must be a tuple of `Pool`s, but got {pools!r}.") from None
    for position, pool in enumerate(pools):
        if not isinstance(pool, Pool):
            raise ValueError(f"`pools` must hold `Pool`s, but entry {position} is a {type(pool).__name__}.")
    return pools
