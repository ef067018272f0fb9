"""Moments of gradients, and the weighting by diffusion, from a timeline; exact, since its gradients are straight lines."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax import _checks
from mrjax.sequence.timeline import GAMMA, Timeline


@eqx.filter_jit
def gradient_moment(
    timeline: Timeline, order: int, times: Any | None = None, *, origin: Any = 0.0, effective: bool = True
) -> Float[Array, "*times 3"]:
    r"""$M_n(t) = \int G(t') (t' - t_0)^n dt'$ along x, y and z, since the last excitation.

    A spin at $r + v t + \frac12 a t^2$ has gained the phase $\gamma (M_0 r + M_1 v + \frac12 M_2 a)$, with $t_0 = 0$.

    **Arguments:**

    - `timeline`: Of `sequence.timeline()`.
    - `order`: $n$, 0 or more, a Python integer.
    - `times`: $t$ in s, of any shape; those of the samples by default.
    - `origin`: $t_0$ in s from the start of the sequence.
    - `effective`: Whether excitations begin the integral anew, and refocusing pulses invert what is in it (as for
      `Timeline.trajectory`); else it runs from the start of the sequence, whatever pulses are played.

    **Returns:** In T s^(n+1)/m, `(*times, 3)`.

    **Raises:** `ValueError` for another order.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.sequence.moments import gradient_moment
        >>> lobe = lambda amplitude: mr.Gradient.trapezoid(amplitude, rise=1e-4, flat=9e-4, axis="z")
        >>> compensated = mr.Sequence(lobe(10e-3), lobe(-20e-3), lobe(10e-3)).timeline()
        >>> bool(abs(gradient_moment(compensated, 1, compensated.edges[-1])[2]) < 1e-11)
        True

        ```
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"`order` must be a Python integer, zero or more, but got {order!r}.")
    times = timeline.sample_times if times is None else _checks.real_array(times, "times")
    origin = _checks.real_array(origin, "origin")
    until = lambda moments: _moment_until(timeline, moments, order, origin)
    flat = times.ravel()
    moment = timeline.as_wound(until, flat) if effective else until(flat)
    return moment.reshape(*times.shape, 3)


@eqx.filter_jit
def b_tensor(
    timeline: Timeline, times: Any | None = None, gyromagnetic_ratio: float = GAMMA
) -> Float[Array, "*times 3 3"]:
    r"""$b(t) = \int q q^T dt'$ with $q(t') = \gamma \int G\,dt''$, since the last excitation, inverted by refocusing.

    Free diffusion leaves $\exp(-\sum_{ij} b_{ij} D_{ij})$ of the signal. All gradients count, those of the imaging too, and their
    cross terms with those for diffusion.

    **Arguments:**

    - `timeline`: Of `sequence.timeline()`.
    - `times`: $t$ in s, of any shape; those of the samples by default.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    **Returns:** In s/m², `(*times, 3, 3)`, symmetric. Stimulated echoes and other pathways through several pulses are not seen:
    what a pulse does to $q$ is in `Timeline.rf_turns`.

    **Source:** E. O. Stejskal, J. E. Tanner, J. Chem. Phys. 42 (1965) 288-292; P. J. Basser, J. Mattiello, D. LeBihan, J. Magn.
    Reson. B 103 (1994) 247-254.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.sequence.moments import b_tensor
        >>> lobe = mr.Gradient([40e-3, 40e-3], [0.0, 20e-3], axis="x")
        >>> echo = mr.Sequence(mr.Pulse(1.5708), lobe, mr.Delay(5e-3), mr.Pulse(3.1416), mr.Delay(5e-3), lobe, mr.Sample())
        >>> b = b_tensor(echo.timeline())[0]
        >>> print(f"{b[0, 0] / 1e6:.0f} s/mm2")  # gamma^2 G^2 delta^2 (Delta - delta / 3)
        1069 s/mm2

        ```
    """
    times = timeline.sample_times if times is None else _checks.real_array(times, "times")
    knots = jnp.sort(jnp.concatenate([timeline.edges, timeline.rf_centers, times.ravel()]))
    # q is a parabola between knots, and its square a polynomial of degree 4
    places, weights = _gauss(3)
    length = jnp.diff(knots)
    nodes = knots[:-1, None] + length[:, None] * places[None, :]
    q = timeline.as_wound(timeline.area_until, nodes.ravel()).reshape(*nodes.shape, 3)
    contributions = jnp.einsum("kni,knj,n,k->kij", q, q, weights, length)
    excited = _excitations_until(timeline, knots)
    anew = jnp.concatenate([jnp.diff(excited) > 0, jnp.zeros(1, bool)])

    def past(b: Array, now: tuple) -> tuple[Array, Array]:
        b = jnp.where(now[1], 0.0, b + now[0])
        return b, b

    nothing = jnp.zeros((3, 3), contributions.dtype)
    _, after = jax.lax.scan(past, nothing, (contributions, anew[:-1]))
    at_knots = gyromagnetic_ratio**2 * jnp.concatenate([nothing[None], after])
    at = jnp.searchsorted(knots, times.ravel(), side="right") - 1
    return at_knots[at].reshape(*times.shape, 3, 3)


def b_value(timeline: Timeline, times: Any | None = None, gyromagnetic_ratio: float = GAMMA) -> Float[Array, "*times"]:
    """The trace of the `b_tensor` in s/m²: the weighting by isotropic diffusion, `exp(-b * D)`.

    **Arguments:** As of `b_tensor`.

    **Returns:** `(*times)`.
    """
    return jnp.trace(b_tensor(timeline, times, gyromagnetic_ratio), axis1=-2, axis2=-1)


def _gauss(n: int) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Places between 0 and 1 and weights of Gauss and Legendre, exact for polynomials below the degree of 2 n."""
    places, weights = np.polynomial.legendre.leggauss(n)
    return jnp.asarray((places + 1) / 2), jnp.asarray(weights / 2)


def _moment_until(
    timeline: Timeline, times: Float[Array, " time"], order: int, origin: Array
) -> Float[Array, "time 3"]:
    """From the start of the sequence, whatever pulses are played."""
    places, weights = _gauss((order + 3) // 2)

    def within(step: Int[Array, " n"], into: Float[Array, " n"]) -> Float[Array, "n 3"]:
        """Over the first `into` seconds of steps."""
        now = into[:, None] * places[None, :]
        length = timeline.lasting[step]
        share = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)[:, None] * now
        start, end = timeline.gradient[step, 0][:, None, :], timeline.gradient[step, 1][:, None, :]
        gradient = start + (end - start) * share[..., None]
        since = (timeline.edges[step][:, None] + now - origin) ** order
        return jnp.einsum("kni,kn,n,k->ki", gradient, since, weights, into)

    steps = jnp.arange(timeline.n_steps)
    whole = jnp.cumsum(within(steps, timeline.lasting), axis=0)
    whole = jnp.concatenate([jnp.zeros_like(whole[:1]), whole])
    step = jnp.clip(jnp.searchsorted(timeline.edges, times, side="right") - 1, 0, timeline.n_steps - 1)
    into = jnp.clip(times - timeline.edges[step], 0.0, timeline.lasting[step])
    return whole[step] + within(step, into)


def _excitations_until(timeline: Timeline, times: Float[Array, " time"]) -> Int[Array, " time"]:
    excites = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(timeline.rf_turns == 0)])
    return excites[jnp.searchsorted(timeline.rf_centers, times, side="right")]
