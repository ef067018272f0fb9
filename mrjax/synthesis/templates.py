"""Random objects for images: shapes with tissue parameters, textures and fields."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from mrjax import _checks
from mrjax.synthesis import _shapes_at_random
from mrjax.synthesis.fields import checked_limits, plane, smooth_field, texture
from mrjax.tissue import Tissue


def random_template(
    key: Key[Array, ""],
    prior: Any,
    shape: Sequence[int] = (128, 128),
    field_of_view: float | int = 0.22,
    *,
    n_shapes: int = 40,
    texture_spread: Any = 0.1,
    off_resonance: Any = (-150.0, 150.0),
    b1: Any = (0.7, 1.3),
) -> Tissue:
    r"""A random object in a plane, with positions: what networks learn imaging from that have seen no patient.

    Ellipses, convex polygons and bent strips of random sizes lie over each other; each has T1, T2 and M0 drawn from `prior`.
    Textures $e^{s g(x, y)}$ of plane waves $g$ of variance one multiply T1 and T2 alike, and M0. Fields are `smooth_field`s.
    Where there is no shape `m0` is zero, and T1 and T2 are 1 s.

    It is a pure function of the key: under `jax.jit` it compiles once, `jax.vmap` makes many, and
    sample $i$ of a data set is that of `jax.random.fold_in(key, i)` whatever else is drawn.

    **Arguments:**

    - `key`: Of `jax.random`.
    - `prior`: Draws "t1" and "t2" (s), and "m0" if it is not to be 1, such as `Uniform`, `LogUniform` or `TissueMixture`.
    - `shape`: Spins along x and y, `(nx, ny)`. Several for each pixel of the image, or gradients alias.
    - `field_of_view`: Length of both sides in m, about the centre. Positive.
    - `n_shapes`: At least 1.
    - `texture_spread`: $s$. Not negative, scalar; parameters leave the limits of the prior by about twice that.
    - `off_resonance`, `b1`: `(low, high)` of the maps in Hz and relative to nominal; `None` for no such map.

    **Returns:** A `Tissue` of voxel shape `(nx, ny)`, `x` of shape `(nx, 1)`, `y` of `(1, ny)`.

    **Derivatives:** none that are useful: what is random is discrete.

    **Raises:** `ValueError` where an argument is outside its range, or `prior` draws no T1 or T2.

    **Source:** the kind of object, the limits of the fields and the field of view are those of the training data of Simu-Net and
    OLED; the distributions of shapes are this function's own.

    !!! example

        ```python
        >>> import jax
        >>> from mrjax.synthesis import Uniform, longer_t1, random_template
        >>> prior = Uniform({"t1": (0.3, 4.0), "t2": (0.02, 0.7), "m0": (0.1, 1.0)}, where=longer_t1)
        >>> draw = jax.jit(lambda key: random_template(key, prior, (64, 64)))
        >>> draw(jax.random.key(0)).voxel_shape
        (64, 64)
        >>> jax.vmap(draw)(jax.random.split(jax.random.key(1), 8)).t2.shape
        (8, 64, 64)

        ```
    """
    if len(shape) != 2:
        raise ValueError(f"`shape` must have two entries, (nx, ny), but got {shape!r}.")
    n_shapes = _checks.positive_integer(n_shapes, "n_shapes")
    spread = _checks.non_negative(_checks.real_array(texture_spread, "texture_spread"), "texture_spread", "relative")
    length = _checks.positive(_checks.real_array(field_of_view, "field_of_view"), "field_of_view", "m")
    u, v = plane(shape)
    for_shapes, for_values, for_times, for_density, for_field, for_b1 = jax.random.split(key, 6)
    number = _shapes_at_random.painted(for_shapes, u, v, n_shapes)
    t1, t2, m0 = _values(prior, for_values, n_shapes)
    rough = lambda key: jnp.where(number > 0, jnp.exp(spread.astype(u.dtype) * texture(key, u, v)), 1.0)
    times = rough(for_times)
    fields = {"off_resonance": (for_field, off_resonance), "b1": (for_b1, b1)}
    maps: dict[str, Any] = {
        name: smooth_field(key, shape, jnp.stack(checked_limits(limits, name)))
        for name, (key, limits) in fields.items()
        if limits is not None
    }
    half = length.astype(u.dtype) / 2
    return Tissue(
        t1[number] * times, t2[number] * times, m0[number] * rough(for_density), x=half * u, y=half * v, **maps
    )


def _values(prior: Any, key: Key[Array, ""], n_shapes: int) -> tuple[Array, Array, Array]:
    """T1, T2 and M0 by the number of the shape; the first is what surrounds them."""
    drawn = prior.sample(key, n_shapes)
    if not {"t1", "t2"} <= drawn.keys():
        raise ValueError(f'`prior` must draw "t1" and "t2", but draws {", ".join(map(repr, sorted(drawn)))}.')
    drawn = {"m0": jnp.ones(n_shapes)} | drawn
    around = {"t1": 1.0, "t2": 1.0, "m0": 0.0}
    t1, t2, m0 = (jnp.concatenate([jnp.full((1,), around[name]), drawn[name]]) for name in ("t1", "t2", "m0"))
    return t1, t2, m0
