"""Raw data: what the receivers recorded, with what a reconstruction must know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from mrjax import _checks
from mrjax.sequence import AbstractContainer, Sequence, readout_table
from mrjax.sequence.pulses._arguments import known_positive

TrajectoryKind = Literal["cartesian", "epi", "radial", "goldenangle", "spiral", "other"]
"""What files call trajectories."""

ON_GRID = 1e-3
"""Of a step of k-space, by which samples of a Cartesian trajectory may miss the grid."""


@dataclass(frozen=True, eq=False)
class RawData:
    """Samples of all readouts, which are equally long.

    **Arguments:**

    - `signal`: Complex, `(n_coils, n_readouts, n_samples)`.
    - `trajectory`: Where they are, in cycles/m, `(n_readouts, n_samples, 3)`; None where that is not known.
    - `labels`: What each readout is, by name (`LIN`, `PAR`, `SLC`, `ECO`, `REP`, `SEG`, `REV` ...), `(n_readouts,)` integers.
    - `fov`: Field of view along x, y and z in m.
    - `matrix`: Pixels along them.
    - `dwell_time`: Of a sample in s.
    - `kind`: Of the trajectory.
    - `noise`: Samples without signal, `(n_coils, n)`; None where there are none.
    """

    signal: np.ndarray
    trajectory: np.ndarray | None
    fov: tuple[float, float, float]
    matrix: tuple[int, int, int]
    dwell_time: float
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    kind: TrajectoryKind = "other"
    noise: np.ndarray | None = None

    def __post_init__(self):
        shape = np.shape(self.signal)
        if len(shape) != 3 or 0 in shape:
            raise ValueError(f"`signal` must have shape (n_coils, n_readouts, n_samples), but got {shape}.")
        if self.trajectory is not None and np.shape(self.trajectory) != (*shape[1:], 3):
            raise ValueError(f"`trajectory` must have shape {(*shape[1:], 3)}, but got {np.shape(self.trajectory)}.")
        for name, values in self.labels.items():
            if np.shape(values) != shape[1:2]:
                raise ValueError(
                    f"`labels` must have an entry for each readout, {shape[1]}, but {name} has {np.shape(values)}."
                )
        if self.noise is not None and (np.ndim(self.noise) != 2 or np.shape(self.noise)[0] != shape[0]):
            raise ValueError(f"`noise` must have shape ({shape[0]}, n), but got {np.shape(self.noise)}.")
        if self.kind not in get_args(TrajectoryKind):
            raise ValueError(f"`kind` must be one of {', '.join(get_args(TrajectoryKind))}, but got {self.kind!r}.")


def raw_data(
    sequence: AbstractContainer,
    signal: Any,
    *,
    fov: Any,
    matrix: Any,
    kind: TrajectoryKind | None = None,
    noise: Any = None,
) -> RawData:
    """The samples of a sequence with their places and labels, to be written to a file or reconstructed.

    **Arguments:**

    - `sequence`: With known numbers; its readouts are equally long.
    - `signal`: Its samples, `(n_coils, n_samples)` or `(n_samples,)`.
    - `fov`: Field of view in m: one number for x and y, or one for each of two or three axes. Without a third, z has the
      extent of one pixel.
    - `matrix`: Pixels, likewise.
    - `kind`: Of the trajectory; by default `"epi"` where readouts are labelled `REV`, `"cartesian"` where all samples lie on
      the grid of the field of view, and else `"other"`.
    - `noise`: Samples without signal, `(n_coils, n)`, if any.

    **Returns:** A `RawData`, in the precision of `signal`.

    **Raises:** `ValueError` where shapes do not fit, or readouts differ in length or dwell time.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.gre_epi(200 * mm, (16, 8), 90 * deg, te=10 * ms)
        >>> raw = mr.io.raw_data(sequence, jnp.ones((4, 128)), fov=200 * mm, matrix=(16, 8))
        >>> raw.signal.shape, raw.kind, raw.labels["LIN"].tolist()
        ((4, 8, 16), 'epi', [0, 1, 2, 3, 4, 5, 6, 7])

        ```
    """
    table = readout_table(sequence)
    if len(set(table.n_samples.tolist())) != 1 or len(set(np.round(table.dwell, 12).tolist())) != 1:
        found = sorted(set(zip(table.n_samples.tolist(), table.dwell.tolist(), strict=True)))
        raise ValueError(
            f"`sequence` must have readouts of one length and dwell time, but has (n, dwell in s) {found}."
        )
    samples = np.atleast_2d(np.asarray(_checks.number_array(signal, "signal")))
    n = table.n_readouts * int(table.n_samples[0])
    if samples.ndim != 2 or samples.shape[1] != n:
        raise ValueError(
            f"`signal` must have the {n} samples of the sequence on its last axis, and coils before, but got shape "
            f"{np.shape(signal)}."
        )
    extents, sizes = _three(fov, matrix)
    trajectory = np.asarray(Sequence(sequence).timeline().trajectory()).reshape(table.n_readouts, -1, 3)
    return RawData(
        signal=samples.reshape(samples.shape[0], table.n_readouts, -1),
        trajectory=trajectory,
        fov=extents,
        matrix=sizes,
        dwell_time=float(table.dwell[0]),
        labels=table.labels,
        kind=_kind_of(trajectory, table.label("REV"), extents) if kind is None else kind,
        noise=None if noise is None else np.asarray(noise),
    )


def _three(fov: Any, matrix: Any) -> tuple[tuple[float, float, float], tuple[int, int, int]]:
    """Extents in m and sizes along three axes."""
    lengths = [known_positive(one, "fov") for one in (fov if isinstance(fov, tuple | list) else (fov, fov))]
    sizes = [
        _checks.positive_integer(one, "matrix")
        for one in (matrix if isinstance(matrix, tuple | list) else (matrix,) * 2)
    ]
    if len(lengths) not in (2, 3) or len(sizes) not in (2, 3):
        raise ValueError(f"`fov` and `matrix` must have two or three entries, but got {len(lengths)} and {len(sizes)}.")
    size = sizes[2] if len(sizes) == 3 else 1
    extent = lengths[2] if len(lengths) == 3 else lengths[0] / sizes[0] * size
    return (lengths[0], lengths[1], extent), (sizes[0], sizes[1], size)


def _kind_of(trajectory: np.ndarray, reverse: np.ndarray, fov: tuple[float, float, float]) -> TrajectoryKind:
    steps = trajectory * np.array(fov)
    if np.max(np.abs(steps - np.round(steps))) > ON_GRID:
        return "other"
    return "epi" if np.any(reverse) else "cartesian"
