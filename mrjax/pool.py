"""Protons that exchange magnetisation with the water: solutes and macromolecules."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax._checks import Neutral
from mrjax._module import Module, is_constructed
from mrjax._quantities import BARE, MAYBE_DERIVATIVES, quantity
from mrjax.lineshapes import AbstractLineshape

UNITS = {"exchange_rate": (1.0, "1/s"), "t1": (1e3, "ms"), "t2": (1e3, "ms"), "shift_ppm": (1.0, "ppm")}
"""How numbers are shown; the fraction is relative to water."""


class Pool(Module):
    r"""A pool that exchanges with the water of a `Tissue`; its leaves broadcast to the tissue's voxels.

    Magnetisation goes from the pool to the water at the rate $k$ and back at $f k$, so that equilibrium is kept.

    **Arguments:**

    - `fraction`: $f$, size relative to that of the water (`Conventions` may say otherwise), such as `1e-3`. Not negative.
    - `exchange_rate`: $k$ from the pool to the water in 1/s. Not negative.
    - `t1`: Longitudinal relaxation time in s, positive. Often unknown, and then that of the water, or 1 s.
    - `t2`: Transverse relaxation time in s, positive; 10 microseconds for macromolecules.
    - `shift_ppm`: Chemical shift from the water in ppm of the Larmor frequency.
    - `lineshape`: None for a pool with all three components of magnetisation. One of `mrjax.lineshapes` for a semisolid
      pool of which z alone is known: off-resonant RF saturates it at a rate that the line shape gives. The two describe a
      semisolid differently, and parameters found with one do not fit the other: fractions change by up to 30 %,
      exchange rates by up to 50 % (report of the BMsim challenge).

    **Raises:** `ValueError` where a value is outside its range, complex or NaN; values that are traced are checked when
    `simulate` runs.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=30.0, t1=1.3, t2=0.1, shift_ppm=3.5)
        >>> semisolid = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> len(mr.Tissue(t1=1.05, t2=0.04, pools=(amide, semisolid)).pools)
        2

        ```
    """

    fraction: Float[Array, "..."]
    exchange_rate: Float[Array, "..."]
    t1: Float[Array, "..."]
    t2: Float[Array, "..."]
    shift_ppm: Float[Array, "..."] | float
    lineshape: AbstractLineshape | None

    def __init__(
        self,
        fraction: Any,
        exchange_rate: Any,
        t1: Any,
        t2: Any,
        shift_ppm: Any = 0.0,
        lineshape: AbstractLineshape | None = None,
    ):
        self.fraction = _checks.real_array(fraction, "fraction")
        self.exchange_rate = _checks.real_array(exchange_rate, "exchange_rate")
        self.t1 = _checks.real_array(t1, "t1")
        self.t2 = _checks.real_array(t2, "t2")
        self.shift_ppm = _checks.real_leaf(shift_ppm, "shift_ppm", Neutral(0.0))
        if not isinstance(lineshape, AbstractLineshape | None):
            raise ValueError(
                f"`lineshape` must be None or one of mrjax.lineshapes, such as SuperLorentzian(), but got {lineshape!r}."
            )
        self.lineshape = lineshape
        if all(_checks.is_concrete(leaf) for leaf in self.leaves().values()):
            self.checked("Pool")
        for name in ("fraction", "t1", "t2"):
            _plausibility.warn_if_implausible(getattr(self, name), name)

    def __repr__(self) -> str:
        in_units = is_constructed(self)
        units = UNITS if in_units else {}
        numbers = [
            f"{name} {quantity(value, *units.get(name, BARE))}"
            for name, value in self.leaves().items()
            if not isinstance(value, Neutral)
        ]
        shape = [f"lineshape {type(self.lineshape).__name__}"] if self.is_semisolid else []
        return f"Pool {'' if in_units else f'({MAYBE_DERIVATIVES}) '}{', '.join(numbers + shape)}"

    @property
    def is_semisolid(self) -> bool:
        """Whether z alone is known, and a line shape."""
        return self.lineshape is not None

    def leaves(self) -> dict[str, Any]:
        """The numbers of the pool by name."""
        return {name: getattr(self, name) for name in ("fraction", "exchange_rate", "t1", "t2", "shift_ppm")}

    def checked(self, where: str) -> "Pool":
        """This pool with every value checked, at run time where values are traced; `where` names it in messages."""
        ranges = {
            "fraction": lambda x, name: _checks.finite(_checks.non_negative(x, name, "relative to water"), name),
            "exchange_rate": lambda x, name: _checks.finite(_checks.non_negative(x, name, "1/s"), name),
            "t1": lambda x, name: _checks.positive(x, name, "s"),
            "t2": lambda x, name: _checks.positive(x, name, "s"),
            "shift_ppm": _checks.finite,
        }
        names = [name for name in ranges if not isinstance(getattr(self, name), Neutral)]
        values = [ranges[name](_checks.real_array(getattr(self, name), name), f"{name}` of `{where}") for name in names]
        return eqx.tree_at(lambda pool: [getattr(pool, name) for name in names], self, values)

    def shift(self) -> Float[Array, "..."]:
        """The chemical shift in ppm as an array."""
        return jnp.asarray(self.shift_ppm, self.t1.dtype)
