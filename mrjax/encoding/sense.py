"""The encoding of a scan: coils, then k-space on the grid or off it, with off-resonance and subspaces."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding.coils import Coils
from mrjax.encoding.contraction import Contraction
from mrjax.encoding.fourier import Fourier
from mrjax.encoding.grids import checked_voxel_size, refuse_beyond_nyquist
from mrjax.encoding.nufft import Nufft
from mrjax.encoding.off_resonance import off_resonance as _with_off_resonance
from mrjax.encoding.operator import Each, LinearOperator, Mask
from mrjax.encoding.subspace_samples import MaskedSubspace, SubspaceNufft


def sense(
    coils: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    trajectory: ArrayLike | None = None,
    voxel_size: Any = None,
    off_resonance: ArrayLike | None = None,
    times: ArrayLike | None = None,
    basis: ArrayLike | None = None,
    tolerance: float = 1e-6,
) -> LinearOperator:
    r"""What a scan with several coils measures of an image.

    $$y_c = M F (s_c \, x) \text{ with a mask}, \qquad
    y_{c s} = \sum_j s_c(r_j) \, x_j \, e^{2 \pi i f_j t_s} e^{-2 \pi i k_s \cdot r_j} \text{ with a trajectory}$$

    **Arguments:**

    - `coils`: Sensitivities $s_c$. Shape `(n_coils, *voxels)`.
    - `mask`: What is sampled of a Cartesian k-space, zero frequency at n // 2. Shape `(*voxels)`, or one that broadcasts to it;
        or `(n_contrasts, *voxels)`, a mask for each of several images. $F$ is the unitary `Fourier`.
    - `trajectory`: Instead of a mask, $k$ in cycles/m. Shape `(n_samples, n_axes)`. The sum is not scaled: see `Nufft`.
    - `voxel_size`: With a trajectory, in m, one number or one for each axis.
    - `off_resonance`, `times`: With a trajectory, $f$ in Hz, shape `(*voxels)`, and $t$ in s, shape `(n_samples,)`.
    - `basis`: A low-rank basis in time: with a trajectory at each sample, shape `(n_samples, rank)`, for which
        `jnp.repeat(basis, n_samples_of_each_time, axis=0)`; with a mask for each contrast, shape `(n_contrasts, rank)`. The
        operator then takes the coefficients, shape `(rank, *voxels)`, and its normal operator does not grow with the times.
    - `tolerance`: Of `Nufft`, and of the off-resonance.

    **Returns:** An operator from `(*voxels)` to `(n_coils, *voxels)` with a mask, to `(n_coils, n_samples)` with a trajectory;
    with a mask for each contrast from `(n_contrasts, *voxels)` to `(n_contrasts, n_coils, *voxels)`.

    **Derivatives:** in coils, trajectory, basis and field; inside `jax.jit` a field must be known, see
    `mrjax.encoding.off_resonance`.

    **Raises:** `ValueError` where shapes do not fit, both or none of mask and trajectory are given, or the trajectory reaches
    beyond what the voxels resolve.

    **Source:** Pruessmann, Weiger, Börnert, Boesiger 2001.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> coils = jnp.ones((2, 8, 8)) * jnp.array([1.0, 1j])[:, None, None]
        >>> every_other_line = jnp.arange(8)[None, :] % 2 == 0
        >>> encoding = mr.encoding.sense(coils, mask=every_other_line)
        >>> encoding(jnp.ones((8, 8))).shape
        (2, 8, 8)

        ```
    """
    maps = Coils(coils)
    if (mask is None) == (trajectory is None):
        raise ValueError("`mask` or `trajectory` must be given, and not both: samples lie on a grid or off it.")
    if mask is not None:
        _refuse_with_mask(voxel_size=voxel_size, off_resonance=off_resonance, times=times)
        if basis is None:
            return _sampled(jnp.asarray(mask), maps)
        return _sampled_coefficients(jnp.asarray(mask), maps, _checks.number_array(basis, "basis"))
    sizes = checked_voxel_size(voxel_size, len(maps.in_shape))
    encoding: LinearOperator = Nufft(trajectory, maps.in_shape, sizes, tolerance=tolerance)
    refuse_beyond_nyquist(trajectory, sizes)
    if (off_resonance is None) != (times is None):
        raise ValueError("`off_resonance` and `times` must be given together: a phase is a frequency times a time.")
    if off_resonance is not None and times is not None:
        encoding = _with_off_resonance(encoding, off_resonance, times, tolerance=tolerance)
    if basis is None:
        return encoding @ maps
    return _of_coefficients(encoding, maps, _checks.number_array(basis, "basis"))


def _sampled(mask: Array, maps: Coils) -> LinearOperator:
    voxels = maps.in_shape
    if mask.ndim == len(voxels) + 1:
        _require_mask(mask[0], voxels)
        return Mask(mask[:, None]) @ Each(Fourier(voxels) @ maps, mask.shape[0])
    _require_mask(mask, voxels)
    return Mask(mask) @ Fourier(voxels) @ maps


def _sampled_coefficients(mask: Array, maps: Coils, basis: Array) -> LinearOperator:
    voxels = maps.in_shape
    if mask.ndim != len(voxels) + 1:
        raise ValueError(
            f"`mask` must have shape (n_contrasts, *{voxels}) with a `basis`, which says how contrasts differ, "
            f"but got {mask.shape}."
        )
    _require_mask(mask[0], voxels)
    _require_rows(basis, mask.shape[0], "n_contrasts")
    coils = Each(Fourier(voxels) @ maps, basis.shape[1])
    return MaskedSubspace(basis, mask, maps.maps.shape) @ coils


def _of_coefficients(encoding: LinearOperator, maps: Coils, basis: Array) -> LinearOperator:
    _require_rows(basis, encoding.out_structure().shape[-1], "n_samples")
    rank = basis.shape[1]
    if isinstance(encoding, Nufft):
        return SubspaceNufft(encoding, basis, maps.maps.shape[0]) @ Each(maps, rank)
    return Contraction(basis.T, n_between=1) @ Each(encoding @ maps, rank)


def _require_rows(basis: Array, n: int, what: str) -> None:
    if basis.ndim != 2 or basis.shape[0] != n:
        raise ValueError(f"`basis` must have shape ({n}, rank), a row for each of the {what}, but got {basis.shape}.")


def _refuse_with_mask(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out with a `mask`; pass a `trajectory`, which says when and where."
            )


def _require_mask(mask: Array, voxels: tuple[int, ...]) -> None:
    fits = mask.ndim == len(voxels) and all(n in (1, expected) for n, expected in zip(mask.shape, voxels, strict=True))
    if not fits:
        raise ValueError(f"`mask` must have the shape {voxels} of the voxels, or ones for axes, but got {mask.shape}.")
