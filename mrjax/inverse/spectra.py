"""How much water decays with which T2, without a number of compartments that is assumed."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.inverse import _penalties
from mrjax.jax_rules.double_precision import in_float64_on_cpu
from mrjax.signals.relaxation import echo_train

AT_ONCE = 256
"""Voxels whose decays are in memory, where each has its own."""


class T2Spectrum(Module):
    """Amplitudes over a grid of T2.

    **Arguments:**

    - `t2`: The grid in s, `(m,)`.
    - `density`: Amplitude at each T2, in the unit of the data. `(*voxels, m)`.
    - `weight`: Of the penalty. `(*voxels)`.
    - `misfit`: Sum of the squared residuals. `(*voxels)`.
    """

    t2: Float[Array, " m"]
    density: Float[Array, "*voxels m"]
    weight: Float[Array, "*voxels"]
    misfit: Float[Array, "*voxels"]

    def fraction(self, lower: float = 0.0, upper: float = math.inf) -> Float[Array, "*voxels"]:
        """Of all water that between two T2 in s, both included: that of myelin is `fraction(upper=0.04)`. nan without signal."""
        return jnp.sum(self._within(lower, upper), axis=-1) / self._or_nan(jnp.sum(self.density, axis=-1))

    def geometric_mean_t2(self, lower: float = 0.0, upper: float = math.inf) -> Float[Array, "*voxels"]:
        r"""$\exp(\sum_j s_j \ln T_{2,j} / \sum_j s_j)$ in s over a range of T2 in s; nan where there is no signal."""
        within = self._within(lower, upper)
        return jnp.exp(within @ jnp.log(self.t2) / self._or_nan(jnp.sum(within, axis=-1)))

    def _within(self, lower: float, upper: float) -> Array:
        within = (self.t2 >= lower) & (self.t2 <= upper)
        return self.density * within.reshape((1,) * (self.density.ndim - 1) + (-1,))

    def _or_nan(self, total: Array) -> Array:
        return jnp.where(total > 0, total, jnp.nan)


def t2_spectrum(
    data: Any,
    te: Any,
    t2: Any = None,
    *,
    regularisation: str | float = "chi_square",
    chi_square_factor: float = 1.02,
    refocusing_angle: Any = None,
    t1: Any = 1.0,
    b1: Any = 1.0,
) -> T2Spectrum:
    r"""Non-negative amplitudes over a grid of T2 that explain echoes, with a penalty on their squares.

    $$\hat s = \arg\min_{s \ge 0} \Bigl\| \sum_j s_j K(t, T_{2,j}) - d \Bigr\|^2 + \lambda^2 \| s \|^2$$

    K is $e^{-t/T_2}$, or `mrjax.signals.relaxation.echo_train` where a refocusing angle is given.

    **Arguments:**

    - `data`: Echoes, real, `(*voxels, n)`.
    - `te`: Echo times in s, `(n,)`; with a refocusing angle 1, 2, ..., n times the first.
    - `t2`: The grid in s, `(m,)`, ascending; by default 40 from 10 ms to 2 s, equally spaced in their logarithm.
    - `regularisation`: $\lambda$, zero or more; or "chi_square": so large that the sum of squared residuals is
      `chi_square_factor` times that without penalty; or "l_curve": where the misfit over the size of the spectrum, both in
      logarithms, bends most, among 25 weights from 0.001 to 3.
    - `chi_square_factor`: Above 1; 1.02 is customary.
    - `refocusing_angle`: Nominal angle of all refocusing pulses in rad; None for exponential decays.
    - `t1`: Assumed T1 in s, a number or `(*voxels)`. It matters little, and only with a refocusing angle.
    - `b1`: Transmit field relative to nominal, a number or `(*voxels)`, such as that of a fit of
      `mrjax.signals.models.StimulatedEchoes`. Only with a refocusing angle.

    **Returns:** A `T2Spectrum`. The minimum for the weight is that of `non_negative_least_squares`; "chi_square" finds the weight
    so that the factor is met to 1e-3 of its distance from 1, in all but noiseless data. CPUs compute in float64.

    Not differentiable where the weight is searched for; `non_negative_least_squares` is, with a given weight.

    **Raises:** `ValueError` where shapes do not fit, times are not positive, echoes are not equally spaced with a refocusing
    angle, or a regularisation is not known.

    **Source:** K. P. Whittall, A. L. MacKay, J Magn Reson 84 (1989) 134-152; P. C. Hansen, SIAM Rev 34 (1992) 561-580 (L-curve).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> te = 0.01 * jnp.arange(1, 33)
        >>> echoes = 0.2 * jnp.exp(-te / 0.02) + 0.8 * jnp.exp(-te / 0.08)
        >>> spectrum = mr.inverse.t2_spectrum(echoes[None], te, regularisation=0.01)
        >>> print(f"{spectrum.fraction(upper=0.04)[0]:.2f} {1e3 * spectrum.geometric_mean_t2(lower=0.04)[0]:.0f} ms")
        0.17 78 ms

        ```
    """
    data, te = _checks.real_array(data, "data"), _checks.positive(_checks.real_array(te, "te"), "te", "s")
    t2 = _checks.real_array(np.geomspace(0.01, 2.0, 40) if t2 is None else t2, "t2")
    t2 = _checks.positive(t2, "t2", "s")
    if te.ndim != 1 or t2.ndim != 1 or data.ndim < 1 or data.shape[-1] != te.size:
        raise ValueError(
            f"`data` (*voxels, n), `te` (n,) and `t2` (m,) must fit, but got {data.shape}, {te.shape} and {t2.shape}."
        )
    rule = _rule(regularisation, chi_square_factor)
    angle = None if refocusing_angle is None else _checks.finite_angle(refocusing_angle, "refocusing_angle")
    if angle is not None:
        ideal = te[0] * jnp.arange(1, te.size + 1, dtype=te.dtype)
        _checks.require(te, jnp.abs(te - ideal) < 1e-3 * te[0], "`te` must be 1, 2, ... times the first with pulses")
    maps = _maps({"t1": t1, "b1": b1}, data.shape[:-1])
    arrays = jax.tree.map(lambda leaf: leaf.astype(data.dtype), (data.reshape(-1, te.size), te, t2, angle, maps))
    flat, te, t2, angle, maps = arrays
    found = _of_voxels(flat, te, t2, angle, maps, rule)
    density, weight, misfit = (leaf.reshape(*data.shape[:-1], *leaf.shape[1:]) for leaf in found)
    return T2Spectrum(t2, density, weight, misfit)


def _rule(regularisation: Any, factor: float) -> tuple[str, float]:
    if isinstance(regularisation, str):
        if regularisation not in ("chi_square", "l_curve"):
            raise ValueError(
                f"`regularisation` must be a number, 'chi_square' or 'l_curve', but got {regularisation!r}."
            )
        if not factor > 1:
            raise ValueError(f"`chi_square_factor` must be above 1, but got {factor!r}.")
        return regularisation, float(factor)
    if not float(regularisation) >= 0:
        raise ValueError(f"`regularisation` must not be negative, but got {regularisation!r}.")
    return "weight", float(regularisation)


def _maps(values: dict[str, Any], voxels: tuple[int, ...]) -> dict[str, Array]:
    arrays = {name: _checks.positive(_checks.real_array(value, name), name, "") for name, value in values.items()}
    for name, array in arrays.items():
        if array.shape not in ((), voxels):
            raise ValueError(
                f"`{name}` must be a number or have the shape of the voxels {voxels}, but got {array.shape}."
            )
    if all(array.ndim == 0 for array in arrays.values()):
        return arrays
    return {name: jnp.broadcast_to(array, voxels).reshape(-1) for name, array in arrays.items()}


@eqx.filter_jit
def _of_voxels(data: Array, te: Array, t2: Array, angle: Array | None, maps: dict[str, Array], rule: tuple[str, float]):
    """Of each voxel the spectrum, the weight and the misfit."""
    chosen = lambda kernel, data: in_float64_on_cpu(_penalties.RULES[rule[0]](rule[1]), kernel, data)
    if angle is None:
        return chosen(jnp.exp(-te[:, None] / t2[None]), data)
    trains = lambda t1, b1: jnp.swapaxes(
        echo_train(te.size, te[0], t1[..., None], t2.reshape((1,) * t1.ndim + (-1,)), angle, b1=b1[..., None]), -1, -2
    )
    if maps["b1"].ndim == 0:
        return chosen(trains(maps["t1"], maps["b1"]), data)
    n = data.shape[0]
    size = min(AT_ONCE, n)
    parts = lambda x: jnp.pad(x, [(0, -n % size)] + [(0, 0)] * (x.ndim - 1), mode="edge").reshape(
        -1, size, *x.shape[1:]
    )
    of_parts = jax.lax.map(
        lambda part: chosen(trains(part[1], part[2]), part[0]), (parts(data), parts(maps["t1"]), parts(maps["b1"]))
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:n], of_parts)
