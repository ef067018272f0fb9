"""How far a map of susceptibility is from another: the measures of the QSM challenges."""

from collections.abc import Sequence as Several
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.inverse.qsm._volumes import along_axes, checked_mask, mean_within

HFEN_SIGMA, HFEN_TRUNCATION = 1.5, 5
"""Of the Laplacian of a Gaussian, in voxels and in standard deviations: 15 voxels wide and a little beyond."""
XSIM_WINDOW = 5
"""Voxels along each side of a cube."""
XSIM_LUMINANCE, XSIM_CONTRAST = 0.01**2, 0.001**2
"""In ppm squared."""

NAMES = "susceptibility", "truth"


def nrmse(susceptibility: Any, truth: Any, mask: Any) -> Float[Array, ""]:
    r"""The error of a map relative to the truth, in percent, after both lose their mean in the mask.

    $$100\, \frac{\| x - \bar x - (t - \bar t) \|}{\| t - \bar t \|}$$

    **Arguments:**

    - `susceptibility`, `truth`: $x$ and $t$ in one unit. Shape `(nx, ny, nz)`.
    - `mask`: Where they are compared: true, or not zero. Shape `(nx, ny, nz)`.

    **Returns:** A number.

    **Derivatives:** in both maps.

    **Raises:** `ValueError` for shapes that differ and an empty mask.

    **Source:** C. Langkammer et al., Magn Reson Med 79 (2018) 1661-1673.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> truth = jnp.zeros((8, 8, 8)).at[2:6, 2:6, 2:6].set(0.1)
        >>> print(f"{mr.inverse.qsm.nrmse(0.9 * truth + 0.02, truth, jnp.ones((8, 8, 8))):.1f} %")
        10.0 %

        ```
    """
    found, true, inside = _compared(susceptibility, truth, mask)
    found, true = (values - mean_within(values, inside) for values in (found, true))
    return 100 * _norm(found - true, inside) / _norm(true, inside)


def hfen(susceptibility: Any, truth: Any, mask: Any) -> Float[Array, ""]:
    r"""The high-frequency error norm in percent: of both maps after a Laplacian of a Gaussian.

    $$100\, \frac{\| L x - L t \|}{\| L t \|}$$

    $L$ has a standard deviation of 1.5 voxels and is applied to the volume, zero outside of the mask; norms are over the mask.

    **Arguments, returns, derivatives, raises:** as of `nrmse`.

    **Source:** S. Ravishankar and Y. Bresler, IEEE Trans Med Imaging 30 (2011) 1028-1041; C. Langkammer et al., Magn Reson Med
    79 (2018) 1661-1673.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> truth = jnp.zeros((8, 8, 8)).at[2:6, 2:6, 2:6].set(0.1)
        >>> print(f"{mr.inverse.qsm.hfen(0.9 * truth, truth, jnp.ones((8, 8, 8))):.1f} %")
        10.0 %

        ```
    """
    found, true, inside = _compared(susceptibility, truth, mask)
    smooth, bend = (_matrices(true.shape, _gaussian, order) for order in (0, 2))

    def filtered(values: Array) -> Array:
        bends = (along_axes(values, [bend[i] if i == axis else smooth[i] for i in range(3)]) for axis in range(3))
        return sum(bends, jnp.zeros_like(values))

    return 100 * _norm(filtered(found - true), inside) / _norm(filtered(true), inside)


def xsim(susceptibility: Any, truth: Any, mask: Any) -> Float[Array, ""]:
    r"""Structural similarity for susceptibility: 1 for equal maps.

    $$\left\langle \frac{(2 \mu_x \mu_t + c_1)(2 \sigma_{x t} + c_2)}{(\mu_x^2 + \mu_t^2 + c_1)(\sigma_x^2 + \sigma_t^2 + c_2)}
    \right\rangle, \qquad c_1 = (0.01\ \text{ppm})^2, \quad c_2 = (0.001\ \text{ppm})^2$$

    with means, variances and covariance over cubes of 5 voxels a side, cut at the edge of the volume, and the mean over the mask.
    Outside of the mask both maps count as zero.

    **Arguments, derivatives, raises:** as of `nrmse`, but in ppm, and relative to the same reference: no mean is subtracted.

    **Returns:** A number up to 1.

    **Source:** C. Milovic et al., Magn Reson Med (2025), doi 10.1002/mrm.30271, for the constants; the window is that of
    QSM-CI 0.6.2.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> truth = jnp.zeros((8, 8, 8)).at[2:6, 2:6, 2:6].set(0.1)
        >>> print(f"{mr.inverse.qsm.xsim(0.8 * truth, truth, jnp.ones((8, 8, 8))):.2f}")
        0.96

        ```
    """
    found, true, inside = _compared(susceptibility, truth, mask)
    window = _matrices(true.shape, _window, XSIM_WINDOW)
    mean = lambda values: along_axes(values, window)
    of_found, of_true = mean(found), mean(true)
    both = mean(found * true) - of_found * of_true
    variances = mean(found**2) - of_found**2 + mean(true**2) - of_true**2
    alike = (2 * of_found * of_true + XSIM_LUMINANCE) * (2 * both + XSIM_CONTRAST)
    size = (of_found**2 + of_true**2 + XSIM_LUMINANCE) * (variances + XSIM_CONTRAST)
    return mean_within(alike / size, inside)


def slope(susceptibility: Any, truth: Any, labels: Any, regions: Several[int]) -> Float[Array, ""]:
    r"""The slope of a line through the means of regions, found against true: 1 where contrast is kept.

    $$\frac{\sum_i (x_i - \bar x)(t_i - \bar t)}{\sum_i (t_i - \bar t)^2}$$

    **Arguments:**

    - `susceptibility`, `truth`: In one unit. Shape `(nx, ny, nz)`.
    - `labels`: A number for each voxel. Shape `(nx, ny, nz)`.
    - `regions`: At least two labels, such as those of deep grey matter; each must be there.

    **Returns:** A number.

    **Derivatives:** in both maps.

    **Raises:** `ValueError` for shapes that differ, and regions that are fewer than two or not there.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> labels = jnp.zeros((4, 4, 4), int).at[:, :2].set(1).at[:, 2].set(2)
        >>> truth = 0.1 * labels
        >>> print(f"{mr.inverse.qsm.slope(0.9 * truth + 0.02, truth, labels, regions=(0, 1, 2)):.2f}")
        0.90

        ```
    """
    found, true = (
        _checks.real_array(values, name) for values, name in zip((susceptibility, truth), NAMES, strict=True)
    )
    of_voxels = jnp.asarray(labels)
    _same_shape({NAMES[0]: found.shape, NAMES[1]: true.shape, "labels": of_voxels.shape})
    if len(regions) < 2:
        raise ValueError(f"`regions` must name at least two labels, but got {regions}.")
    masks = [of_voxels == label for label in regions]
    sizes = jnp.stack([mask.sum() for mask in masks])
    _checks.require(sizes, sizes > 0, f"`regions` must all be in `labels`, with voxels of {tuple(regions)}")
    of_found, of_true = (jnp.stack([mean_within(values, mask) for mask in masks]) for values in (found, true))
    off = of_true - of_true.mean()
    return (off * (of_found - of_found.mean())).sum() / (off**2).sum()


def _compared(susceptibility: Any, truth: Any, mask: Any) -> tuple[Array, Array, Array]:
    """Both maps, of one precision and zero outside of the mask."""
    found, true = (
        _checks.real_array(values, name) for values, name in zip((susceptibility, truth), NAMES, strict=True)
    )
    _same_shape({NAMES[0]: found.shape, NAMES[1]: true.shape})
    if true.ndim != 3:
        raise ValueError(f"`truth` must be a volume, (nx, ny, nz), but got shape {true.shape}.")
    inside = checked_mask(mask, true.shape)
    dtype = jnp.result_type(found, true)
    return jnp.where(inside, found, 0.0).astype(dtype), jnp.where(inside, true, 0.0).astype(dtype), inside


def _same_shape(shapes: dict[str, tuple[int, ...]]) -> None:
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
        raise ValueError(f"Maps must have one shape, but got {listed}.")


def _norm(values: Array, mask: Array) -> Array:
    return jnp.sqrt(jnp.where(mask, values**2, 0.0).sum())


def _matrices(shape: tuple[int, ...], make: Any, *options: Any) -> list[np.ndarray]:
    return [make(n, *options) for n in shape]


def _gaussian(n: int, order: int) -> np.ndarray:
    """A Gaussian's derivative along an axis that is mirrored at its ends."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.eye(n), HFEN_SIGMA, axis=0, order=order, truncate=HFEN_TRUNCATION)


def _window(n: int, width: int) -> np.ndarray:
    """The mean over neighbours, of which fewer are there at the ends."""
    places = np.arange(n)
    near = np.abs(places[:, None] - places[None]) <= width // 2
    return near / near.sum(1, keepdims=True)
