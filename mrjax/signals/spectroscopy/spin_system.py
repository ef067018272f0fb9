"""Spins 1/2 with chemical shifts and scalar couplings."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._module import Module

MOST_SPINS = 10
"""A density matrix of ten spins has a million elements."""


class SpinSystem(Module):
    r"""Spins 1/2 that are coupled to each other: a molecule, or a part of one.

    $$H / 2 \pi = \sum_j f_j I_{z,j} + \sum_{j < k} J_{jk} \, \mathbf I_j \cdot \mathbf I_k$$

    (angular momenta in units of $\hbar$). A spin that is not observed, such as 31P or 14N, feels no pulse and gives no signal;
    it splits the lines of the others, $J_{jk} I_{z,j} I_{z,k}$, and its shift does not matter. The spin 1 of 14N is then taken
    for 1/2, two lines for three.

    **Arguments:**

    - `shifts_ppm`: Chemical shifts in ppm. Shape `(n_spins,)`, of one to ten.
    - `couplings`: $J_{jk}$ in Hz, shape `(n_spins, n_spins)`: the triangle above the diagonal, or a symmetric matrix.
        Zero by default.
    - `scale`: How many such systems a molecule has, or its share of the molecules. Not negative.
    - `is_observed`: One bool for each spin. All by default.

    **Raises:** `ValueError` where shapes do not fit, values are not finite, the diagonal is not zero, or the two triangles
    contradict each other.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem
        >>> lactate = SpinSystem([1.3142] * 3 + [4.0974], [[0, 0, 0, 6.933]] * 3 + [[0, 0, 0, 0]])
        >>> lactate.n_spins
        4

        ```
    """

    shifts_ppm: Float[Array, " spin"]
    couplings: Float[Array, "spin spin"]
    scale: Float[Array, ""]
    is_observed: tuple[bool, ...] = eqx.field(static=True)

    def __init__(
        self,
        shifts_ppm: Any,
        couplings: Any | None = None,
        scale: Any = 1.0,
        is_observed: Sequence[bool] | None = None,
    ):
        self.shifts_ppm = _checks.finite(_checks.real_array(shifts_ppm, "shifts_ppm"), "shifts_ppm")
        if self.shifts_ppm.ndim != 1 or not 1 <= self.shifts_ppm.size <= MOST_SPINS:
            raise ValueError(
                f"`shifts_ppm` must have one value for each of 1 to {MOST_SPINS} spins, but got {self.shifts_ppm.shape}."
            )
        self.couplings = _upper(couplings, self.shifts_ppm)
        scale = _checks.real_array(scale, "scale").astype(self.shifts_ppm.dtype)
        if scale.ndim:
            raise ValueError(f"`scale` must be a number, but got shape {scale.shape}.")
        self.scale = _checks.finite(_checks.non_negative(scale, "scale", "systems of a molecule"), "scale")
        self.is_observed = (True,) * self.n_spins if is_observed is None else tuple(bool(one) for one in is_observed)
        if len(self.is_observed) != self.n_spins or not any(self.is_observed):
            raise ValueError(
                f"`is_observed` must have one bool for each of {self.n_spins} spins, one of them true, "
                f"but got {self.is_observed}."
            )

    @property
    def n_spins(self) -> int:
        return self.shifts_ppm.size


def _upper(couplings: Any | None, shifts: Float[Array, " spin"]) -> Float[Array, "spin spin"]:
    """The couplings above the diagonal, checked."""
    n = shifts.size
    if couplings is None:
        return jnp.zeros((n, n), shifts.dtype)
    matrix = _checks.finite(_checks.real_array(couplings, "couplings"), "couplings").astype(shifts.dtype)
    if matrix.shape != (n, n):
        raise ValueError(f"`couplings` must have shape ({n}, {n}), as there are {n} shifts, but got {matrix.shape}.")
    _checks.require(jnp.diag(matrix), jnp.diag(matrix) == 0, "`couplings` must be zero on the diagonal (Hz)")
    upper, lower = jnp.triu(matrix), jnp.tril(matrix).T
    agrees = (lower == 0) | (lower == upper)
    message = "`couplings` must be zero below the diagonal, or as above it (Hz)"
    lower = _checks.require(lower, agrees | np.eye(n, dtype=bool), message)
    return upper
