"""What free echoes learn from: small objects whose signals are to be those of a target."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax.design.free_echoes import FreeEchoes
from mrjax.design.objectives import relative_error
from mrjax.physics import PDG, acquire
from mrjax.physics.engine import AbstractEngine
from mrjax.tissue import Tissue

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2


@dataclasses.dataclass(frozen=True, eq=False)
class SmallObjects:
    """Squares of two by two pixels of random tissue, each measured by itself; `small_objects` makes them."""

    spins: Tissue
    """Of all objects, `(n_spins,)`."""
    belongs: Complex[Array, "n_objects n_spins"]
    """One where a spin is of an object, and zero elsewhere: coils that see one object each."""


def small_objects(
    echoes: FreeEchoes,
    seed: int,
    n_objects: int,
    reach: float | int,
    size: float | int = 1.0,
    longest_t2: float | int = np.inf,
    spins: int = 55,
) -> SmallObjects:
    r"""Random objects to learn an image encoding from.

    Each is a square of two by two pixels, with a density of 0.5 to 1.5, T2 of 0.3 to 1.3 s and T1 up to 1 s above it in each
    pixel. The signal of an object of extent $d$ at $r$ changes with $k$ as $e^{-2 \pi i k r}$ and within $1/d$: from objects that
    are small and near the middle a search sees far in k-space, from others it sees sharply. Where transverse magnetisation is
    forgotten within a repetition, nothing but encoding is to be learned; where it lasts, spoiling is, too. Learn from the former
    of each first.

    **Arguments:**

    - `echoes`: Whose field of view and matrix.
    - `seed`: Of the random numbers.
    - `n_objects`: At least one.
    - `reach`: Greatest distance of an object from the middle along x and y, in pixels, zero or more.
    - `size`: Of pixels and distances relative to those of the image, positive.
    - `longest_t2`: To which T2 is cut, in s, positive.
    - `spins`: In each pixel, a number of Fibonacci such as 55 or 233, on a lattice: fewer whole turns than that along x or y
      add up to nothing, as in a real pixel; along both at once, fewer than about its square root do. Spoilers wind many.

    **Returns:** `SmallObjects`.

    **Raises:** `ValueError` where a number is out of range.

    **Source:** A. Loktyushin et al., Magn Reson Med 86 (2021) 709-724 (squares of random tissue); to begin with small
    and short-lived ones is ours.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> objects = mr.design.small_objects(mr.design.FreeEchoes(matrix=8), seed=0, n_objects=3, reach=2.0)
        >>> objects.belongs.shape  # 55 spins in each of 4 pixels
        (3, 660)

        ```
    """
    n_objects = _checks.positive_integer(n_objects, "n_objects")
    if not (0 <= reach < np.inf and 0 < size < np.inf and longest_t2 > 0):
        raise ValueError(
            f"`reach` must be zero or more, `size` and `longest_t2` positive, but got {reach!r}, {size!r} and {longest_t2!r}."
        )
    rng, pixel = np.random.default_rng(seed), size * echoes.fov / echoes.matrix
    per_pixel = _checks.positive_integer(spins, "spins")
    corner = rng.uniform(-reach, reach, (n_objects, 1, 1, 2)) - 0.5
    pixels = np.array([[i, j] for i in (0, 1) for j in (0, 1)])[None, :, None]
    number, step = np.arange(per_pixel) + 0.5, round(per_pixel / GOLDEN_RATIO)
    inside = np.stack([number, number * step % per_pixel], axis=1)[None, None] / per_pixel - 0.5
    place = ((corner + pixels + inside) * pixel).reshape(-1, 2)
    density, t2, longer = (rng.uniform(low, low + 1.0, (n_objects, 4)) for low in (0.5, 0.3, 0.0))
    each = lambda value: np.repeat(value.ravel(), per_pixel)
    m0 = each(density) / per_pixel
    tissue = Tissue(t1=each(t2 + longer), t2=each(np.minimum(t2, longest_t2)), m0=m0, x=place[:, 0], y=place[:, 1])
    owner = np.repeat(np.arange(n_objects), 4 * per_pixel)
    return SmallObjects(tissue, jnp.asarray(owner[None] == np.arange(n_objects)[:, None], complex))


@dataclasses.dataclass(frozen=True, eq=False)
class EchoError:
    """How far the signals of a design are from those of a target, as an objective; `of` makes it."""

    echoes: FreeEchoes
    objects: SmallObjects
    wanted: Complex[Array, "n_objects n_samples"]
    target_power: Array
    power_weight: float
    outside_weight: float
    delay_weight: float
    engine: AbstractEngine | None

    @classmethod
    def of(
        cls,
        echoes: FreeEchoes,
        objects: SmallObjects,
        target: Any,
        *,
        power_weight: float = 0.0,
        outside_weight: float = 1.0,
        delay_weight: float = 0.0,
        engine: AbstractEngine | None = None,
    ) -> "EchoError":
        r"""How far a design is from a target, with what it costs.

        $$\frac{\sum |s - s_t|^2}{\sum |s_t|^2} + w_p \frac{\sum \theta^2}{\sum \theta_t^2} + w_o \, o + w_d \frac{\bar d}{T_R}$$

        The adjoint of a Cartesian encoding is unitary: the error of k-space is that of the images. $o$ is the mean square of how
        far samples lie outside of the square of k-space that the target samples, in units of its width; $\bar d$ is the mean
        delay, $T_R$ a repetition without it.

        **Arguments:**

        - `echoes`, `objects`: What is played on what.
        - `target`: A design, such as `echoes.cartesian()`.
        - `power_weight`, `outside_weight`, `delay_weight`: $w_p$, $w_o$ and $w_d$, zero or more.
        - `engine`: How spins answer, `Isochromats()` by default. Where `before`, `after` and `delay` stay those of the target,
          `PDG(voxel_size=...)` makes one spin of a whole pixel (`small_objects(..., spins=1)`); its graph is that of the target.

        **Returns:** a function of a design, which returns its value and the terms.
        """
        if isinstance(engine, PDG) and engine.graph is None:
            engine = engine.with_graph(echoes.sequence(target), objects.spins)
        wanted = _signals(echoes, objects, target, engine)
        power = jnp.sum(jnp.asarray(target["flip_angle"]) ** 2)
        return cls(echoes, objects, wanted, power, power_weight, outside_weight, delay_weight, engine)

    def __call__(self, design: Any) -> tuple[Array, dict[str, Array]]:
        half = self.echoes.matrix / 2
        beyond = jnp.maximum(jnp.abs(self.echoes.k_space(design) + 0.5) - half, 0.0)
        terms = {
            "error": relative_error(_signals(self.echoes, self.objects, design, self.engine), self.wanted),
            "power": jnp.sum(design["flip_angle"] ** 2) / self.target_power,
            "outside": jnp.mean(beyond**2) / self.echoes.matrix,
            "delay": jnp.mean(design["delay"]) / self.echoes.repetition_time,
        }
        weights = {"power": self.power_weight, "outside": self.outside_weight, "delay": self.delay_weight}
        return sum((weight * terms[name] for name, weight in weights.items()), terms["error"]), terms


def _signals(
    echoes: FreeEchoes, objects: SmallObjects, design: Any, engine: AbstractEngine | None
) -> Complex[Array, "n_objects n_samples"]:
    return acquire(echoes.sequence(design), objects.spins, coils=objects.belongs, tolerance=0, engine=engine)
