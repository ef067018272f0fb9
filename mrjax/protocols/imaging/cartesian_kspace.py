"""Samples of Cartesian readouts as k-space on a grid."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from mrjax import _checks
from mrjax.protocols.imaging import _arguments
from mrjax.sequence import AbstractContainer, readout_table
from mrjax.sequence.readout_table import ReadoutTable


def cartesian_kspace(signal: Any, sequence: AbstractContainer, matrix: Any) -> Inexact[Array, "..."]:
    r"""Samples sorted into k-space by the labels of the readouts: `LIN` along y, `PAR` along z, `REV` for lines read backwards.

    Index $\lfloor n/2 \rfloor$ is the middle of k-space along each axis. Where a line was read more than once its readouts are
    averaged; lines that were not read are zero.

    **Arguments:**

    - `signal`: Samples in the order of the sequence, `(*coils, n_samples)`.
    - `sequence`: Of which they are, with known numbers.
    - `matrix`: $(n_x, n_y)$ or $(n_x, n_y, n_z)$, as the protocol had it.

    **Returns:** `(*coils, n_x, n_y)`, or `(*coils, n_x, n_y, n_z)`. Exact; differentiable in `signal`.

    **Raises:** `ValueError` where the samples are not those of the sequence, readouts have not `n_x` samples, or a label is
    beyond the matrix.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.gre_epi(200 * mm, (16, 8), 90 * deg, te=10 * ms)
        >>> mr.protocols.imaging.cartesian_kspace(jnp.ones((4, 128)), sequence, (16, 8)).shape
        (4, 16, 8)

        ```
    """
    sizes = _arguments.counts(matrix, "matrix", len(matrix) if isinstance(matrix, tuple | list) else 2)
    samples, table = _checks.number_array(signal, "signal"), readout_table(sequence)
    lines = _lines_of(table, sizes, samples.shape)
    nx, ny = sizes[:2]
    nz = sizes[2] if len(sizes) == 3 else 1
    rows = samples.reshape(*samples.shape[:-1], table.n_readouts, nx)
    rows = jnp.where(jnp.asarray(table.label("REV") > 0)[:, None], rows[..., ::-1], rows)
    times = np.maximum(np.bincount(lines, minlength=ny * nz), 1)
    kspace = jnp.zeros((*samples.shape[:-1], ny * nz, nx), rows.dtype).at[..., lines, :].add(rows)
    kspace = jnp.moveaxis(kspace / jnp.asarray(times, samples.real.dtype)[:, None], -1, -2)
    return kspace.reshape(*samples.shape[:-1], nx, *sizes[1:])


def _lines_of(table: ReadoutTable, sizes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Which line of the grid each readout is."""
    nx, ny = sizes[:2]
    if not table.n_readouts or np.any(table.n_samples != nx):
        found = sorted(set(table.n_samples.tolist()))
        raise ValueError(f"`matrix` must begin with the number of samples of each readout, but got {nx} for {found}.")
    if not shape or shape[-1] != table.n_readouts * nx:
        raise ValueError(
            f"`signal` must have the {table.n_readouts * nx} samples of the sequence on its last axis, but got shape {shape}."
        )
    nz = sizes[2] if len(sizes) == 3 else 1
    for name, size in (("LIN", ny), ("PAR", nz)):
        label = table.label(name)
        if np.any((label < 0) | (label >= size)):
            raise ValueError(
                f"`matrix` must hold the labels {name} of the readouts, {label.min()} to {label.max()}, but got {sizes}."
            )
    return table.label("LIN") * nz + table.label("PAR")
