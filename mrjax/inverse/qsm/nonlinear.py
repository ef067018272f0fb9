"""Susceptibility from phases that may have wrapped, by gradient descent."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.inverse.qsm._volumes import (
    checked_field,
    checked_mask,
    checked_weights,
    from_waves,
    off_the_grid,
    on_the_grid,
    referenced,
    to_waves,
)


def ndi(
    phase: Any,
    dipole: Dipole,
    mask: Any,
    phase_per_ppm: Any,
    *,
    weights: Any = None,
    step: Any = 2.0,
    decay: Any = 1e-5,
    n_iterations: int = 200,
) -> Float[Array, "nx ny nz"]:
    r"""Nonlinear dipole inversion: gradient descent on complex differences, in as many steps as noise allows.

    $$\chi \leftarrow \chi - \tau D\, W^2 \sin(D \chi - \varphi) - \tau \alpha \chi$$

    Whole turns in the phase do not matter, and nothing but the number of steps regularises.

    **Arguments:**

    - `phase`: $\varphi$ of the local field in rad, wrapped or not. Shape `(nx, ny, nz)`.
    - `dipole`, `mask`: As of `tv`.
    - `phase_per_ppm`: Phase of a field of 1 ppm in rad, $2 \pi \gamma B_0 T_E \cdot 10^{-6}$: 16 at 3 T and 20 ms. Above 0.
    - `weights`: $W^2$, one over the variance of the phase in any unit, such as the squared magnitude; divided by their largest.
        Shape `(nx, ny, nz)`; 1 by default.
    - `step`: $\tau$, above 0; stable below 4.5.
    - `decay`: $\alpha$, zero or more.
    - `n_iterations`: At least 1. More sharpen the map and add streaks.

    **Returns:** susceptibility in ppm, shape `(nx, ny, nz)`: relative to its mean in the mask, and zero outside.

    **Derivatives:** in phase, dipole, weights and numbers, through the steps, forward and reverse.

    **Raises:** `ValueError` for arrays of other shapes than the dipole's, an empty mask, numbers out of range.

    **Source:** D. Polak et al., NMR Biomed 33 (2020) e4271.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> dipole = mr.encoding.Dipole((16, 16, 16), voxel_size=1e-3, padding=1)
        >>> ball = jnp.zeros((16, 16, 16)).at[6:10, 6:10, 6:10].set(0.1)
        >>> mask = jnp.ones((16, 16, 16), bool)
        >>> susceptibility = mr.inverse.qsm.ndi(16 * dipole(ball), dipole, mask, phase_per_ppm=16)
        >>> print(f"{susceptibility[7, 7, 7] - susceptibility[3, 3, 3]:.2f}")
        0.08

        ```
    """
    values = checked_field(phase, dipole, "phase")
    inside = checked_mask(mask, dipole.shape)
    _checks.positive_integer(n_iterations, "n_iterations")
    number = lambda value, name: _checks.real_array(value, name).astype(values.dtype)
    per_ppm = _checks.positive(number(phase_per_ppm, "phase_per_ppm"), "phase_per_ppm", "rad")
    length = _checks.positive(number(step, "step"), "step", "of the gradient")
    shrinking = _checks.non_negative(number(decay, "decay"), "decay", "of the gradient")
    each = checked_weights(weights, inside, values.dtype)
    return referenced(_descended(values, dipole, each, length, shrinking, n_iterations) / per_ppm, inside)


@eqx.filter_jit
def _descended(phase: Array, dipole: Dipole, weights: Array, step: Array, decay: Array, n_iterations: int) -> Array:
    transfer = dipole.transfer.astype(phase.dtype)
    measured, each = on_the_grid(phase, dipole), on_the_grid(weights / weights.max(), dipole)

    def nearer(waves: Array, _: None) -> tuple[Array, None]:
        away = each * jnp.sin(from_waves(transfer * waves, dipole) - measured)
        return waves - step * (transfer * to_waves(away) + decay * waves), None

    start = jnp.zeros_like(to_waves(measured))
    return off_the_grid(from_waves(jax.lax.scan(nearer, start, length=n_iterations)[0], dipole), dipole)
