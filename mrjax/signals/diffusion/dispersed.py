"""Diffusion in neurites whose directions spread about one: sticks, what surrounds them, and free water."""

import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.signals._arguments import Numbers
from mrjax.signals.diffusion.weighting import gradient_table

N_NODES = 48
MOST_CONCENTRATED = 1000.0


def dispersed_sticks(weighting: Numbers, cosine: Numbers, concentration: Numbers) -> Float[Array, "..."]:
    r"""Diffusion along sticks alone, whose directions have a Watson distribution.

    $$A = \frac{\int_{S^2} e^{\kappa (\mu \cdot n)^2 - b d \, (g \cdot n)^2} dn}{\int_{S^2} e^{\kappa (\mu \cdot n)^2} dn}
        = \frac{\int_0^1 e^{\lambda_1 x^2} \, e^{-a} I_0(a) \, dx}{\int_0^1 e^{\kappa x^2} dx}, \quad
        a = -\frac{\lambda_2}{2} (1 - x^2)$$

    with the eigenvalues $\lambda_{1,2}$ of $\kappa \mu \mu^T - b d \, g g^T$, of which the third is zero.

    **Arguments:**

    - `weighting`: $b d$, without unit. Zero or more.
    - `cosine`: $g \cdot \mu$ of unit vectors.
    - `concentration`: $\kappa$, from 0, all directions alike, to 1000, almost one direction.

    All broadcast.

    **Returns:** A, from 0 to 1.

    **Error:** of the quadrature with 48 nodes, below 1e-7 for $\kappa$ to 1000 and $b d$ to 30 (below 1e-12 for $\kappa$ to
    100); in float32 1e-5. Differentiable everywhere.

    **Raises:** `ValueError` where values are out of range.

    **Source:** H. Zhang et al., NeuroImage 61 (2012) 1000-1016 (the integral; the form with one dimension less is ours).

    !!! example

        ```python
        >>> from mrjax.signals.diffusion import dispersed_sticks
        >>> print(f"{dispersed_sticks(1.7, cosine=0.0, concentration=4.0):.4f}")  # across the sticks
        0.8126

        ```
    """
    weighting = _checks.non_negative(_checks.real_array(weighting, "weighting"), "weighting", "b times d, without unit")
    kappa = _checks.real_array(concentration, "concentration")
    within = (kappa >= 0) & (kappa <= MOST_CONCENTRATED)
    kappa = _checks.require(kappa, within, f"`concentration` must be from 0 to {MOST_CONCENTRATED:g}")
    arrays = (weighting, _checks.real_array(cosine, "cosine"), kappa)
    rank = max(array.ndim for array in arrays)
    return _sticks(*(with_rank(array, rank) for array in arrays))


def _sticks(weighting: Array, cosine: Array, kappa: Array) -> Float[Array, "..."]:
    x, measure = _nodes()
    half = (kappa - weighting) / 2
    # where the eigenvalues meet their difference has no derivative; the integral, even in it, has one
    apart = 10 * jnp.finfo(jnp.result_type(half, cosine)).eps
    root = jnp.sqrt(half**2 + kappa * weighting * (1 - cosine**2) + apart)
    first, second = half + root, half - root
    # both integrands over their values at x = 1, so that nothing overflows
    across = jnp.asarray(1 - x**2, first.dtype).reshape((1,) * first.ndim + (-1,))
    weights = jnp.asarray(measure, first.dtype)
    top = jnp.exp(-first[..., None] * across) * i0e(-second[..., None] / 2 * across)
    return jnp.exp(first - kappa) * (top @ weights) / (jnp.exp(-kappa[..., None] * across) @ weights)


def mean_square_cosine(concentration: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\tau_1 = \langle (\mu \cdot n)^2 \rangle$ of a Watson distribution: from 1/3, all directions alike, to 1.

    **Arguments:**

    - `concentration`: $\kappa$, from 0 to 1000.
    """
    x, measure = _nodes()
    across = jnp.asarray(1 - x**2, concentration.dtype).reshape((1,) * concentration.ndim + (-1,))
    weights = jnp.asarray(measure, concentration.dtype)
    density = jnp.exp(-concentration[..., None] * across)
    return 1 - (density * across) @ weights / (density @ weights)


@functools.cache
def _nodes() -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Points from 0 to 1 and their weights, dense at 1 where concentrated distributions lie: x = 1 - w^3."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    w = (nodes + 1) / 2
    return 1 - w**3, weights / 2 * 3 * w**2


def dispersed_neurites(
    bvals: Numbers,
    bvecs: Numbers,
    direction: Numbers,
    neurite_density: Numbers,
    dispersion: Numbers,
    free_water: Numbers = 0.0,
    s0: Numbers = 1.0,
    diffusion: float = 1.7e-9,
    free_diffusion: float = 3e-9,
) -> Float[Array, "*voxels n_samples"]:
    r"""Sticks with a Watson distribution, the hindered water around them, and free water (NODDI).

    $$S = S_0 \left( (1 - f_w) \left( v A(b d, g \cdot \mu, \kappa) + (1 - v) e^{-b g^T D g} \right) + f_w e^{-b d_w} \right)$$

    $$D = d_\perp + (d_\parallel - d_\perp) \mu \mu^T, \quad d_\parallel = d \, (1 - v (1 - \tau_1)), \quad
      d_\perp = d \left(1 - v \frac{1 + \tau_1}{2}\right), \quad \kappa = 1 / \tan(\pi \, \mathrm{ODI} / 2)$$

    The water around has the diffusion of the sticks along each of them, and $1 - v$ of that across (tortuosity), averaged
    over their directions.

    **Arguments:**

    - `bvals`: b-values in **s/m^2**, shape `(n_samples,)`. Zero or more, finite.
    - `bvecs`: Unit vectors $g$, shape `(n_samples, 3)`.
    - `direction`: Unit vectors $\mu$, shape `(*voxels, 3)`.
    - `neurite_density`: $v$, of the water that is not free. Shape `(*voxels)`. Meant from 0 to 1.
    - `dispersion`: ODI. Shape `(*voxels)`. From 0.001, a concentration of 637, to 1, all directions alike.
    - `free_water`: $f_w$. Shape `(*voxels)`. Meant from 0 to 1.
    - `s0`: Signal without diffusion weighting, in any unit. Shape `(*voxels)`.
    - `diffusion`, `free_diffusion`: $d$ and $d_w$ in m^2/s, numbers.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `s0`.

    **Error:** as `dispersed_sticks`. Differentiable everywhere.

    **Raises:** `ValueError` where shapes do not fit or values are out of range. Warns as `diffusion_tensor`.

    **Source:** H. Zhang et al., NeuroImage 61 (2012) 1000-1016.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import dispersed_neurites
        >>> bvals, bvecs = np.array([0.0, 2e9, 2e9]), np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
        >>> signal = dispersed_neurites(bvals, bvecs, np.array([1.0, 0, 0]), neurite_density=0.6, dispersion=0.1)
        >>> bool(signal[1] < signal[2])
        True

        ```
    """
    bvals, directions = gradient_table(bvals, bvecs)
    axis = _checks.real_array(direction, "direction")
    if axis.ndim < 1 or axis.shape[-1] != 3:
        raise ValueError(f"`direction` must have shape (*voxels, 3), but got {axis.shape}.")
    odi = _checks.real_array(dispersion, "dispersion")
    odi = _checks.require(odi, (odi >= 1e-3) & (odi <= 1), "`dispersion` must be from 0.001 to 1")
    named = {"neurite_density": neurite_density, "free_water": free_water, "s0": s0}
    arrays = {name: _checks.finite(_checks.real_array(value, name), name) for name, value in named.items()}
    shaped: dict[str, Any] = {**arrays, "dispersion": odi, "direction": axis[..., 0]}
    rank = len(_checks.broadcast_shape(shaped)) + 1
    v, water, s0, odi = (with_rank(array[..., None], rank) for array in (*arrays.values(), odi))
    cosine = with_rank(jnp.einsum("...i,ni->...n", axis, directions), rank)
    b = with_rank(bvals, rank)
    kappa = jnp.maximum(1 / jnp.tan(math.pi / 2 * odi), 0.0)
    tau = mean_square_cosine(kappa)
    along, across = diffusion * (1 - v * (1 - tau)), diffusion * (1 - v * (1 + tau) / 2)
    around = jnp.exp(-b * (across + (along - across) * cosine**2))
    tissue = v * _sticks(b * diffusion, cosine, kappa) + (1 - v) * around
    return s0 * ((1 - water) * tissue + water * jnp.exp(-b * free_diffusion))
