"""Trains of spin echoes with imperfect refocusing, in closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from mrjax import _checks
from mrjax.signals._arguments import Numbers, align
from mrjax.signals.relaxation import _exponentials


def echo_train(
    n_echoes: int,
    echo_spacing: Numbers,
    t1: Numbers,
    t2: Numbers,
    refocusing_angle: Numbers = math.pi,
    m0: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Echoes of a CPMG train whose refocusing pulses all have one angle: with the stimulated echoes.

    Echo $n$ is the coefficient of $z^n$ in the generating function

    $$F(z) = \frac{M_0 \sin\alpha_e}{2} \left( 1 + \sqrt{\frac{P(z)}{Q(z)}} \right), \quad
      P = (1 + z E_2) (1 - z (E_1 + E_2) \cos\alpha + z^2 E_1 E_2), \quad
      Q = (1 - z E_2) (1 - z (E_1 - E_2) \cos\alpha - z^2 E_1 E_2)$$

    with $E_{1,2} = e^{-\tau / T_{1,2}}$. The root $G$ obeys $2 P Q \, G' = (P' Q - P Q') \, G$, which makes each echo a
    combination of the six before it.

    **Arguments:**

    - `n_echoes`: How many. At least 1.
    - `echo_spacing`: $\tau$, in s. A number, positive.
    - `t1`, `t2`: Relaxation times in s. Shape `(*voxels)`. Positive; `inf` for none.
    - `refocusing_angle`: $\alpha$, nominal, in rad. A number.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies $\alpha$, and the excitation $\alpha_e$ of 90°. Shape `(*voxels)`.
        Zero or more.

    **Returns:** The echoes, shape `(*voxels, n_echoes)`, in the unit of `m0`; complex if `m0` is. Exact, as
    `mrjax.simulate(mrjax.protocols.cpmg(...), engine=mrjax.EPG())`: for instantaneous pulses and one angle in a voxel.
    Rounding grows with the echoes: 2e-11 of `m0` after 200 in float64, and 1e-5 after 64 in float32.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range, or settings that are not numbers.

    **Source:** N. N. Lukzen, A. A. Savelov, J Magn Reson 185 (2007) 71-76 (the generating function).

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import echo_train
        >>> print(np.asarray(echo_train(4, echo_spacing=0.01, t1=1.0, t2=0.1, refocusing_angle=2.6)).round(4))
        [0.8401 0.8248 0.6954 0.6737]

        ```
    """
    n_echoes = _checks.positive_integer(n_echoes, "n_echoes")
    settings = {"echo_spacing": echo_spacing, "refocusing_angle": refocusing_angle}
    for name, value in settings.items():
        if np.shape(value) not in ((), (1,)):
            raise ValueError(f"`{name}` must be a number, the same for all echoes, but got shape {np.shape(value)}.")
    spacing, angle, t1, t2, m0, b1 = (
        array[..., 0] for array in align(samples=settings, voxels={"t1": t1, "t2": t2, "m0": m0, "b1": b1})
    )
    e1, e2, cosine = _exponentials.decay(spacing, t1), _exponentials.decay(spacing, t2), jnp.cos(b1 * angle)
    p = _product((1.0, e2), (1.0, -(e1 + e2) * cosine, e1 * e2))
    q = _product((1.0, -e2), (1.0, -(e1 - e2) * cosine, -e1 * e2))
    root = _series_of_root(p, q, n_echoes)
    return (m0 * jnp.sin(b1 * (math.pi / 2)) / 2)[..., None] * root


def _series_of_root(p: list, q: list, n: int) -> Array:
    """The coefficients 1 to n of the power series of sqrt(p / q) on the last axis; both polynomials begin with 1."""
    slope = lambda polynomial: [k * value for k, value in enumerate(polynomial)][1:]
    left = [2 * value for value in _product(p, q)]
    right = [a - b for a, b in zip(_product(slope(p), q), _product(p, slope(q)), strict=True)]

    def following(last: tuple[Array, ...], k: Array) -> tuple[tuple[Array, ...], Array]:
        terms = [(right[j] - left[j + 1] * (k - j)) * last[j] for j in range(len(last))]
        value = sum(terms[1:], start=terms[0]) / (2 * (k + 1))
        return (value, *last[:-1]), value

    form = jnp.broadcast_arrays(*right)[0]
    first = (jnp.ones_like(form), *(jnp.zeros_like(form) for _ in right[1:]))
    _, series = jax.lax.scan(following, first, jnp.arange(n, dtype=form.dtype))
    return jnp.moveaxis(series, 0, -1)


def _product(first: list | tuple, second: list | tuple) -> list:
    """Of two polynomials, as their coefficients by rising powers."""
    powers = [[] for _ in range(len(first) + len(second) - 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            powers[i + j].append(a * b)
    return [sum(terms[1:], start=terms[0]) for terms in powers]
