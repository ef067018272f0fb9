"""Off-resonance during a readout, as a few images that are encoded without it."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from mrjax import _checks
from mrjax.encoding.coils import Coils
from mrjax.encoding.contraction import Contraction
from mrjax.encoding.grids import known
from mrjax.encoding.operator import LinearOperator

MOST_SEGMENTS = 4096


def off_resonance(
    encoding: LinearOperator,
    field: ArrayLike,
    times: ArrayLike,
    *,
    tolerance: float = 1e-5,
    frequency_range: tuple[float | int, float | int] | None = None,
) -> LinearOperator:
    r"""An encoding during which the magnetisation turns by an off-resonance.

    $$y_s = \sum_j x_j \, e^{2 \pi i f_j t_s} e^{-2 \pi i k_s \cdot r_j} \approx \sum_l b_l(t_s) \, \big(E \, (c_l \, x)\big)_s,
    \qquad c_l = e^{2 \pi i f \tau_l}$$

    The $\tau_l$ are Chebyshev nodes in time, the $b_l$ polynomials through them, after the middle frequency is taken out. Their
    number follows from the tolerance: about $\pi \, B \, T / 2$ and some more, for the range of frequencies $B$ during $T$.

    **Arguments:**

    - `encoding`: $E$, from `(*voxels)` to `(n_samples,)`, such as `Nufft` or `GridSamples(...) @ Fourier(...)`.
    - `field`: $f$ in Hz; positive turns from x towards y. Shape `(*voxels)`.
    - `times`: $t$ in s, counted from where the phase of the image is meant. Known, shape `(n_samples,)`.
    - `tolerance`: Bound of the error of $e^{2 \pi i f t}$ in any voxel and sample.
    - `frequency_range`: Lowest and highest frequency, Hz; needed where `field` is traced.

    **Returns:** The encoding with off-resonance. It takes as many transforms as there are segments.

    **Derivatives:** in field and image. Frequencies must stay within `frequency_range`, beyond which the error grows fast.

    **Raises:** `ValueError` for shapes that do not fit, a traced field without range, or more than 4096 segments.

    **Source:** the idea is that of Noll, Meyer, Pauly, Nishimura, Macovski 1991; the bound follows from the Jacobi-Anger
    expansion.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier, GridSamples, off_resonance
        >>> k = jnp.arange(-2.0, 2.0)[:, None] / 0.2
        >>> plain = GridSamples(k, (4,), 0.05) @ Fourier((4,), unitary=False)
        >>> distorted = off_resonance(plain, field=jnp.full(4, 25.0), times=jnp.arange(4) * 1e-2)
        >>> image = jnp.array([0.0, 0.0, 1.0, 0.0])
        >>> print(jnp.round(distorted(image), 3))  # a quarter of a turn in each 10 ms
        [ 1.+0.j  0.+1.j -1.+0.j -0.-1.j]

        ```
    """
    frequencies = _checks.finite(_checks.real_array(field, "field"), "field")
    if frequencies.shape != encoding.in_shape:
        raise ValueError(f"`field` must have the shape {encoding.in_shape} of the image, but got {frequencies.shape}.")
    instants = _known_times(times)
    if instants.shape != encoding.out_structure().shape[-1:]:
        n_samples = encoding.out_structure().shape[-1]
        raise ValueError(f"`times` must have shape ({n_samples},), one for each sample, but got {instants.shape}.")
    low, high = _range_of(field, frequency_range)
    start, stop = float(instants.min()), float(instants.max())
    n_segments = _segments(math.pi * (high - low) * (stop - start) / 2, tolerance)
    nodes = np.cos(math.pi * (np.arange(n_segments) + 0.5) / n_segments)
    middle, around = (low + high) / 2, frequencies - (low + high) / 2
    node_times = jnp.asarray((start + stop) / 2 + nodes * (stop - start) / 2, frequencies.dtype)
    angles = 2 * math.pi * node_times.reshape(-1, *(1,) * frequencies.ndim) * around[None]
    weights = _through_nodes(instants, start, stop, n_segments) * np.exp(2j * math.pi * middle * instants)
    turned = jnp.exp(1j * angles)
    return Contraction(jnp.asarray(weights, turned.dtype)) @ (encoding @ Coils(turned))


def _known_times(times: ArrayLike) -> np.ndarray:
    _checks.finite(_checks.real_array(times, "times"), "times")
    instants = known(times)
    if instants is None:
        raise ValueError("`times` must be known, not traced: the number of segments follows from them.")
    return instants


def _range_of(field: ArrayLike, given: tuple[float | int, float | int] | None) -> tuple[float | int, float | int]:
    if given is not None:
        low, high = given
        if not low <= high:
            raise ValueError(f"`frequency_range` must be the lowest and the highest frequency (Hz), but got {given}.")
        return float(low), float(high)
    frequencies = known(field)
    if frequencies is None:
        raise ValueError(
            "`frequency_range` must be given where `field` is traced: the number of segments follows from it."
        )
    return float(frequencies.min()), float(frequencies.max())


def _segments(phase: float, tolerance: float) -> int:
    r"""The fewest nodes with an error of at most `tolerance`, where the phase goes from -`phase` to `phase`.

    $e^{i z u} = J_0(z) + 2 \sum_n i^n J_n(z) T_n(u)$, and what is left out of the first $L$ terms comes twice, as itself and
    as its alias on the nodes.
    """
    if not tolerance > 0:
        raise ValueError(f"`tolerance` must be positive, but got {tolerance}.")
    from scipy.special import jv

    orders = np.arange(min(int(phase * 1.5) + 60, 4 * MOST_SEGMENTS))
    left = 4 * np.cumsum(np.abs(jv(orders, phase))[::-1])[::-1]
    enough = np.flatnonzero(left <= tolerance)
    if not enough.size or enough[0] > MOST_SEGMENTS:
        raise ValueError(
            f"`field` times the duration of `times` is {phase / math.pi:.4g} turns, too many for segments; pass a shorter "
            "readout, a field without outliers, or a larger `tolerance`."
        )
    return max(1, int(enough[0]))


def _through_nodes(instants: np.ndarray, start: float, stop: float, n_segments: int) -> np.ndarray:
    """The polynomial that is one at a node and zero at the others, at each instant; shape `(n_segments, n_samples)`."""
    if n_segments == 1:
        return np.ones((1, instants.size))
    place = np.clip((2 * instants - start - stop) / (stop - start), -1, 1)
    orders = np.arange(n_segments)
    at_nodes = np.cos(math.pi * np.outer(np.arange(n_segments) + 0.5, orders) / n_segments)
    at_nodes[:, 1:] *= 2
    return at_nodes @ np.cos(np.outer(orders, np.arccos(place))) / n_segments
