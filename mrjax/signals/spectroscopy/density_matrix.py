r"""The density matrix of coupled spins 1/2: Hamiltonian, pulses, evolution, coherence orders, detection.

A matrix of n spins has $2^n$ rows, in the product basis: the first spin changes slowest, and up comes before down.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from mrjax.signals.spectroscopy.spin_system import SpinSystem
from mrjax.units import GAMMA_BAR

LARGEST_NORM, POLYNOMIAL_DEGREE, MOST_SQUARINGS = 0.5, 12, 24
"""Of the exponent divided; the polynomial then ends below 1e-13."""

Matrix = Complex[Array, "state state"]

full_precision = functools.partial(jax.default_matmul_precision, "highest")
"""A context in which products of float32 matrices are not rounded to fewer digits, as they are on GPUs by default."""


def _up(system: SpinSystem) -> np.ndarray:
    """Which spins are up in each state, `(state, spin)`."""
    places = np.arange(system.n_spins)[::-1]
    return (np.arange(2**system.n_spins)[:, None] >> places) % 2 == 0


def _order_of_states(system: SpinSystem) -> np.ndarray:
    """The sum of the z components of observed spins in each state."""
    return (_up(system) - 0.5)[:, list(system.is_observed)].sum(axis=1)


def _raising(system: SpinSystem) -> np.ndarray:
    """The sum of the raising operators of observed spins: each leads from a state to that with a spin turned up."""
    up, total = _up(system), np.zeros((2**system.n_spins,) * 2)
    for spin in np.flatnonzero(system.is_observed):
        down = np.flatnonzero(~up[:, spin])
        total[down - 2 ** (system.n_spins - 1 - spin), down] += 1
    return total


def _exchanges(system: SpinSystem) -> tuple[Int[np.ndarray, " n"], ...]:
    """Every two states that differ by an exchange of two unlike observed spins, and these two spins."""
    up, weights, found = _up(system), 2 ** np.arange(system.n_spins)[::-1], []
    for one in np.flatnonzero(system.is_observed):
        for other in np.flatnonzero(system.is_observed):
            rows = np.flatnonzero(up[:, one] & ~up[:, other])
            found += [(row, row + weights[one] - weights[other], one, other) for row in rows]
    return tuple(np.array(found, int).reshape(-1, 4).T)


@jax.jit
def hamiltonian(
    system: SpinSystem, b0: Float[Array, ""], reference_ppm: Float[Array, ""]
) -> Float[Array, "state state"]:
    r"""$H / 2 \pi$ in Hz, in the frame that turns with the reference: real and symmetric, coupled as strongly as it is.

    **Arguments:**

    - `system`: With `n` spins.
    - `b0`: Field in T.
    - `reference_ppm`: Chemical shift that rests.

    **Returns:** Shape `(2**n, 2**n)`.

    **Derivatives:** everywhere.

    **Source:** R. R. Ernst, G. Bodenhausen, A. Wokaun, Principles of Nuclear Magnetic Resonance in One and Two Dimensions
    (Oxford 1987).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.spectroscopy import SpinSystem, hamiltonian
        >>> print(hamiltonian(SpinSystem([4.65, 4.65], [[0, 8.0], [0, 0]]), jnp.array(3.0), jnp.array(4.65)))
        [[ 2.  0.  0.  0.]
         [ 0. -2.  4.  0.]
         [ 0.  4. -2.  0.]
         [ 0.  0.  0.  2.]]

        ```
    """
    dtype = system.shifts_ppm.dtype
    larmor_per_ppm = (GAMMA_BAR["1H"] * 1e-6 * b0).astype(dtype)
    frequencies = larmor_per_ppm * (system.shifts_ppm - reference_ppm.astype(dtype)) * np.array(system.is_observed)
    z = jnp.asarray(_up(system) - 0.5, dtype)
    couplings = system.couplings + system.couplings.T
    with full_precision():
        levels = z @ frequencies + jnp.sum((z @ couplings) * z, axis=1) / 2
    rows, columns, one, other = _exchanges(system)
    return jnp.diag(levels).at[rows, columns].add(couplings[one, other] / 2)


def equilibrium(system: SpinSystem) -> Matrix:
    r"""$\sum_j I_{z,j}$ of the spins that are observed: what of the density matrix is not the unit matrix, in its scale.

    **Arguments:**

    - `system`: Its shifts give the precision.
    """
    dtype = jnp.result_type(system.shifts_ppm.dtype, jnp.complex64)
    return jnp.asarray(np.diag(_order_of_states(system)), dtype)


def propagator(energies: Float[Array, "state state"], time: Float[Array, ""]) -> Matrix:
    r"""$e^{-i H t}$, by a polynomial in $H t / 2^s$ and $s$ squarings, of what differs from the unit matrix.

    **Arguments:**

    - `energies`: $H / 2 \pi$ in Hz.
    - `time`: In s. Where $2 \pi \|H\| t$ exceeds 8e6, the result is nan.
    """
    exponent = -2j * math.pi * energies * time.astype(energies.dtype)
    norm = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(exponent), axis=1)))
    squarings = jnp.maximum(jnp.ceil(jnp.log2(norm / LARGEST_NORM)), 0.0)
    scaled = jnp.where(squarings > MOST_SQUARINGS, jnp.nan, exponent / 2.0**squarings)
    grow = lambda less_one, power: (scaled / power + scaled @ less_one / power, None)
    less_one, _ = jax.lax.scan(grow, jnp.zeros_like(scaled), jnp.arange(POLYNOMIAL_DEGREE, 0.0, -1.0, norm.dtype))
    double = lambda less_one, i: (jnp.where(i < squarings, 2 * less_one + less_one @ less_one, less_one), None)
    less_one, _ = jax.lax.scan(double, less_one, jnp.arange(0.0, MOST_SQUARINGS, dtype=norm.dtype))
    return less_one + jnp.eye(len(scaled), dtype=scaled.dtype)


@jax.jit
def evolved(density: Matrix, energies: Float[Array, "state state"], time: Float[Array, ""]) -> Matrix:
    r"""After free precession, $e^{-i H t} \rho \, e^{i H t}$.

    **Arguments:**

    - `density`: $\rho$.
    - `energies`: $H / 2 \pi$ in Hz, as `hamiltonian` gives it.
    - `time`: In s.

    **Error:** of rounding alone, about $2 \pi \|H\| t$ times the precision of the numbers. Differentiable everywhere, where
    levels are equal too.
    """
    with full_precision():
        turn = propagator(energies, time)
        return turn @ density @ turn.conj().T


@jax.jit
def rotated(
    density: Matrix, system: SpinSystem, angles: Float[Array, " spin"], phase: Float[Array, ""] | float = 0.0
) -> Matrix:
    r"""After an ideal pulse: a right-handed rotation of each observed spin about the axis (cos p, sin p, 0).

    **Arguments:**

    - `density`: $\rho$.
    - `system`: Whose spins they are.
    - `angles`: Of each spin, in rad.
    - `phase`: p in rad.
    """
    turn = jnp.ones((1, 1), density.dtype)
    for spin in range(system.n_spins):
        half = angles[spin] / 2 * system.is_observed[spin]
        across = -1j * jnp.sin(half)
        one = jnp.array([[jnp.cos(half), across * jnp.exp(-1j * phase)], [across * jnp.exp(1j * phase), jnp.cos(half)]])
        turn = jnp.kron(turn, one.astype(density.dtype))
    with full_precision():
        return turn @ density @ turn.conj().T


def of_order(density: Matrix, system: SpinSystem, order: int) -> Matrix:
    """What of the density matrix has a coherence order: all that gradients leave that select it.

    **Arguments:**

    - `density`: Of which all else becomes zero.
    - `system`: Whose observed spins are counted.
    - `order`: 0 for populations and zero-quantum coherence; the receiver sees order -1.
    """
    z = _order_of_states(system)
    return jnp.where(np.round(z[:, None] - z[None, :]) == order, density, 0.0)


@functools.partial(jax.jit, static_argnames="n_points")
def free_induction_decay(
    density: Matrix,
    system: SpinSystem,
    energies: Float[Array, "state state"],
    dwell_time: Float[Array, ""],
    n_points: int,
) -> Complex[Array, " n"]:
    r"""$M_x + i M_y$ of the observed spins at equally spaced times from zero, where one spin has at most 1.

    $$S_n = 2^{2 - N} \, \mathrm{Tr} \, (e^{-i H n \Delta t} \rho \, e^{i H n \Delta t} \sum_j I_{+,j})$$

    The time of a point is split into long and short steps: the density matrix takes the long ones, the operator the short ones.
    So $2 \sqrt n$ products of matrices do for n points.

    **Arguments:**

    - `density`: $\rho$ at the time zero.
    - `system`: Of N spins; its `scale` multiplies the signal.
    - `energies`: $H / 2 \pi$ in Hz.
    - `dwell_time`: $\Delta t$ in s.
    - `n_points`: n.

    **Returns:** Shape `(n_points,)`. Exact but for rounding, differentiable everywhere.

    !!! example

        A pulse about +x, and 10 ms without signal:

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals import spectroscopy
        >>> one = spectroscopy.SpinSystem([4.65])
        >>> energies = spectroscopy.hamiltonian(one, jnp.array(3.0), jnp.array(4.65))
        >>> density = spectroscopy.rotated(spectroscopy.equilibrium(one), one, jnp.array([jnp.pi / 2]))
        >>> density = spectroscopy.evolved(spectroscopy.of_order(density, one, -1), energies, jnp.array(0.01))
        >>> print(spectroscopy.free_induction_decay(density, one, energies, jnp.array(1e-3), n_points=1).round(3))
        [0.-1.j]

        ```
    """
    n_short = math.ceil(math.sqrt(n_points))
    raising = jnp.asarray(_raising(system), density.dtype)
    step = lambda turn: lambda carry, _: (turn @ carry @ turn.conj().T, carry)
    with full_precision():
        short = propagator(energies, dwell_time)
        long = jnp.linalg.matrix_power(short, n_short)
        _, operators = jax.lax.scan(step(short.conj().T), raising, length=n_short)
        _, densities = jax.lax.scan(step(long), density, length=math.ceil(n_points / n_short))
        signal = jnp.einsum("qab,rba->qr", densities, operators).reshape(-1)[:n_points]
    return 2.0 ** (2 - system.n_spins) * system.scale * signal
