"""Moments of gradients, and the weighting by diffusion, from a timeline; exact, since its gradients are straight lines."""

import dataclasses
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax import _checks
from mrjax.sequence.double_length import DoubleLength
from mrjax.sequence.precision import Numbers, in_best_precision, is_known
from mrjax.sequence.segments import since_excitation
from mrjax.sequence.time_axis import TimesInSteps
from mrjax.sequence.timeline import GAMMA, Timeline


def gradient_moment(
    timeline: Timeline, order: int, times: Any | None = None, *, origin: Any = 0.0, effective: bool = True
) -> Float[Numbers, "*times 3"]:
    r"""$M_n(t) = \int G(t') (t' - t_0)^n dt'$ along x, y and z, since the last excitation.

    A spin at $r + v t + \frac12 a t^2$ has gained the phase $\gamma (M_0 r + M_1 v + \frac12 M_2 a)$, with $t_0 = 0$.

    **Arguments:**

    - `timeline`: Of `sequence.timeline()`.
    - `order`: $n$, 0 or more, a Python integer.
    - `times`: $t$ in s, of any shape; those of the samples by default.
    - `origin`: $t_0$ in s from the start of the sequence. Where something is traced in single precision, one that is minutes
      before $t$ costs the digits by which $t - t_0$ exceeds the duration of the gradients.
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
    checked = _checks.real_array(origin, "origin")
    begins = DoubleLength.of(origin if is_known(origin) else checked)
    return in_best_precision(partial(_moment, order, effective), timeline, begins, timeline.in_steps(times))


def b_tensor(
    timeline: Timeline, times: Any | None = None, gyromagnetic_ratio: float = GAMMA
) -> Float[Numbers, "*times 3 3"]:
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
    return in_best_precision(_b_tensor, timeline, timeline.in_steps(times), gyromagnetic_ratio)


def b_value(
    timeline: Timeline, times: Any | None = None, gyromagnetic_ratio: float = GAMMA
) -> Float[Numbers, "*times"]:
    """The trace of the `b_tensor` in s/m²: the weighting by isotropic diffusion, `exp(-b * D)`.

    **Arguments:** As of `b_tensor`.

    **Returns:** `(*times)`.
    """
    return b_tensor(timeline, times, gyromagnetic_ratio).trace(axis1=-2, axis2=-1)


def _gauss(n: int) -> tuple[Float[Numbers, " n"], Float[Numbers, " n"]]:
    """Points between 0 and 1 and weights of Gauss and Legendre, exact for polynomials below the degree of 2 n."""
    points, weights = np.polynomial.legendre.leggauss(n)
    return jnp.asarray((points + 1) / 2), jnp.asarray(weights / 2)


@eqx.filter_jit
def _moment(
    order: int, effective: bool, timeline: Timeline, origin: DoubleLength, places: TimesInSteps
) -> Float[Numbers, "*times 3"]:
    nodes, weights = _gauss((order + 3) // 2)
    since_origin = (timeline.exact_edges + -origin).rounded

    def between(
        step: Int[Numbers, "*n"], begin: Float[Numbers, "*n"], end: Float[Numbers, "*n"]
    ) -> Float[Numbers, "*n 3"]:
        length = timeline.lasting[step]
        now = begin[..., None] + jnp.einsum("...,n->...n", end - begin, nodes)
        share = now * jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)[..., None]
        first, last = timeline.gradient[step, 0][..., None, :], timeline.gradient[step, 1][..., None, :]
        gradient = first + (last - first) * share[..., None]
        powers = (since_origin[step][..., None] + now) ** order
        return jnp.einsum("...ni,...n,n,...->...i", gradient, powers, weights, end - begin)

    segments = timeline.segments(timeline.lasting)
    segments = segments if effective else dataclasses.replace(segments, turn=jnp.ones_like(segments.turn))
    return since_excitation(between, segments, places)


@eqx.filter_jit
def _b_tensor(
    timeline: Timeline, places: TimesInSteps, gyromagnetic_ratio: float | Array
) -> Float[Numbers, "*times 3 3"]:
    segments = timeline.segments(timeline.lasting)
    accumulated = segments.accumulated(timeline.area_between(segments.step, segments.begin, segments.end))
    # q is a parabola within segments, and its square a polynomial of degree 4
    nodes, weights = _gauss(3)

    def between(
        segment: Int[Numbers, "*n"], begin: Float[Numbers, "*n"], end: Float[Numbers, "*n"]
    ) -> Float[Numbers, "*n 9"]:
        length = end - begin
        now = begin[..., None] + jnp.einsum("...,n->...n", length, nodes)
        spread = lambda x: jnp.broadcast_to(x[..., None], now.shape)
        q = accumulated[segment][..., None, :] + timeline.area_between(
            spread(segments.step[segment]), spread(begin), now
        )
        product = jnp.einsum("...ni,...nj,n,...->...ij", q, q, weights, length)
        return product.reshape(*product.shape[:-2], 9)

    # what refocusing pulses invert has a square that stays
    forgetful = dataclasses.replace(segments, turn=jnp.abs(segments.turn))
    weighting = forgetful.accumulated(between(jnp.arange(segments.step.shape[0]), segments.begin, segments.end))
    b = weighting[places.segment] + between(places.segment, segments.begin[places.segment], places.into)
    return gyromagnetic_ratio**2 * b.reshape(*b.shape[:-1], 3, 3)
