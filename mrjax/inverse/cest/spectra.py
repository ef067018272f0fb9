"""Z-spectra: normalised, corrected for off-resonance, and their asymmetry."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mrjax import _checks
from mrjax.inverse.cest._resampling import Interpolation, checked_spectra, resampled, shifted

SAME_PPM = 1e-5
"""Up to which two offsets are one, in ppm: they are written with six digits."""


def z_spectrum(
    signal: Any, offset_ppm: Any, m0_scans: Any | None = None, *, m0_beyond_ppm: float = 100.0
) -> tuple[Float[Array, "*voxels n"], Float[Array, " n"]]:
    r"""Saturated images over the unsaturated one, without the latter.

    $$Z(\Delta) = \frac{S(\Delta)}{S_0}, \qquad S_0 \text{ the mean of the M0 scans}$$

    **Arguments:**

    - `signal`: Magnitudes, any unit. Shape `(*voxels, n_offsets)`.
    - `offset_ppm`: Of the saturation. Shape `(n_offsets,)`, known numbers.
    - `m0_scans`: Which of them are M0 scans: indices, or a mask of shape `(n_offsets,)`. By default those beyond
      `m0_beyond_ppm`.
    - `m0_beyond_ppm`: In ppm, on either side.

    **Returns:** Z, and its offsets, in the order given. Where `S_0` is zero, in the background, Z is nan or infinite.

    **Raises:** `ValueError` where lengths differ, or none or all of the scans are M0 scans.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> z, offset_ppm = mr.inverse.cest.z_spectrum(np.array([50.0, 20.0, 40.0]), np.array([-300.0, 0.0, 3.5]))
        >>> print(np.asarray(z).round(2), offset_ppm)
        [0.4 0.8] [0.  3.5]

        ```
    """
    spectra, offset = checked_spectra(signal, offset_ppm, "signal")
    if m0_scans is None:
        is_m0 = np.abs(np.asarray(offset)) > m0_beyond_ppm
    else:
        _checks.refuse_masked(m0_scans, "m0_scans")
        is_m0 = np.zeros(offset.size, bool)
        try:
            is_m0[np.asarray(m0_scans)] = True
        except IndexError:
            raise ValueError(
                f"`m0_scans` must be indices below {offset.size} or a mask of that length, but got {m0_scans!r}."
            ) from None
    if is_m0.all() or not is_m0.any():
        raise ValueError(
            f"Some, not all, of the scans must be M0 scans, but {is_m0.sum()} of {offset.size} are; "
            "say which with `m0_scans`."
        )
    m0 = jnp.mean(spectra[..., is_m0], axis=-1, keepdims=True)
    return spectra[..., ~is_m0] / m0, offset[~is_m0]


def correct_b0(
    z: Any, offset_ppm: Any, shift_ppm: Any, at_ppm: Any | None = None, *, method: Interpolation = "cubic"
) -> Float[Array, "*voxels n"]:
    r"""Spectra over the offset from each voxel's own water, $Z(\delta + \delta_w)$.

    **Arguments:**

    - `z`: Shape `(*voxels, n_offsets)`.
    - `offset_ppm`: Where measured. Shape `(n_offsets,)`.
    - `shift_ppm`: $\delta_w$, where the water is. Broadcasts to `(*voxels)`.
    - `at_ppm`: Wanted offsets from the water. A number or shape `(m,)`; `offset_ppm` by default.
    - `method`: `"cubic"` is exact for parabolas through three neighbours, with an error of third order in the spacing;
      `"linear"` of second order.

    **Returns:** Shape `(*voxels, m)`; nan where nothing was measured.

    **Derivatives:** in spectra and shift, everywhere for `"cubic"`, between the offsets for `"linear"`.

    **Raises:** `ValueError` where lengths differ or an offset occurs twice.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset_ppm = np.linspace(-2, 2, 9)
        >>> dip = 1 - 1 / (1 + (offset_ppm - 0.2) ** 2)
        >>> print(np.asarray(mr.inverse.cest.correct_b0(dip, offset_ppm, 0.2, at_ppm=[-1.0, 0.0, 1.0])).round(2))
        [0.49 0.02 0.5 ]

        ```
    """
    spectra, offset = checked_spectra(z, offset_ppm)
    at = shifted(offset_ppm if at_ppm is None else at_ppm, shift_ppm, spectra)
    return resampled(spectra, offset, at, method)


def mtr_asymmetry(
    z: Any,
    offset_ppm: Any,
    at_ppm: Any | None = None,
    shift_ppm: Any = 0.0,
    *,
    method: Interpolation = "cubic",
) -> Float[Array, "*voxels m"]:
    r"""Asymmetry of the magnetisation transfer ratio, $\mathrm{MTR}_\mathrm{asym}(\delta) = Z(-\delta) - Z(\delta)$.

    **Arguments:** as `correct_b0`, and

    - `at_ppm`: $\delta$, offsets from the water. A number or shape `(m,)`. By default the positive ones of `offset_ppm`,
      which must be known numbers, ascending.
    - `shift_ppm`: Where the water is; 0 for spectra that are corrected.

    Where no shift is given and all of these offsets were measured on both sides, nothing is interpolated, and offsets that
    were measured several times are averaged; two offsets are enough.

    **Returns:** A fraction, shape `(*voxels, m)`; nan where either side was not measured.

    **Derivatives:** as `correct_b0`.

    **Raises:** as `correct_b0`.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset_ppm = np.array([-4.0, -3.5, -3.0, 3.0, 3.5, 4.0])
        >>> z = np.array([0.80, 0.78, 0.75, 0.74, 0.73, 0.79])
        >>> print(np.asarray(mr.inverse.cest.mtr_asymmetry(z, offset_ppm)).round(3))
        [0.01 0.05 0.01]

        ```
    """
    spectra, offset = checked_spectra(z, offset_ppm)
    if at_ppm is None:
        if not _checks.is_concrete(offset):
            raise ValueError("`at_ppm` must be given where `offset_ppm` is traced: its positive entries are not known.")
        known = np.asarray(offset)
        at_ppm = np.sort(known[known > 0])
    at = _checks.real_array(at_ppm, "at_ppm")
    known = all(map(_checks.is_concrete, (offset, at, shift_ppm)))
    if known and at.ndim <= 1 and np.ndim(shift_ppm) == 0 and not np.any(shift_ppm):
        pairs = [_measured(np.asarray(offset), np.ravel(side)) for side in (-at, at)]
        if all(counts.all() for _, counts in pairs):
            sides = [_mean_of(spectra, *which) for which in pairs]
            return sides[0] - sides[1]
    sides = [resampled(spectra, offset, shifted(side, shift_ppm, spectra), method) for side in (-at, at)]
    return sides[0] - sides[1]


def has_opposite(offset_ppm: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which offsets were measured on the other side of the water as well; False for NaN."""
    return np.asarray(_are_same(offset_ppm, -offset_ppm).any(axis=-1))


def _are_same(offset: Float[np.ndarray, " n"], at: Float[np.ndarray, " m"]) -> Bool[np.ndarray, "m n"]:
    return np.asarray(np.abs(offset - at[:, None]) <= SAME_PPM * np.maximum(1, np.abs(at))[:, None])


def _measured(
    offset: Float[np.ndarray, " n"], at: Float[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, "m most"], Int[np.ndarray, " m"]]:
    """The measurements at each of these offsets, as many as at most, and how many of them count."""
    same = _are_same(offset, at)
    counts = same.sum(axis=-1)
    return np.argsort(~same, axis=-1, kind="stable")[:, : counts.max(initial=0)], counts


def _mean_of(
    spectra: Float[Array, "*voxels n"], which: Int[np.ndarray, "m most"], counts: Int[np.ndarray, " m"]
) -> Float[Array, "*voxels m"]:
    like = (1,) * (spectra.ndim - 1)
    counted = (np.arange(which.shape[-1]) < counts[:, None]).reshape(*like, *which.shape)
    # chosen, not multiplied by zero: what is not counted may be nan
    total = jnp.sum(jnp.where(counted, spectra[..., which], 0.0), axis=-1)
    return total / jnp.asarray(counts.reshape(*like, -1), spectra.dtype)
