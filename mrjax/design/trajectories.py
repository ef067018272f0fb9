"""Trajectories in k-space whose gradients are free within the limits of a scanner."""

import dataclasses
import math
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks, units
from mrjax.design.objectives import relative_error
from mrjax.design.splines import BSpline
from mrjax.encoding import Nufft
from mrjax.sequence import AbstractContainer, Gradient, Readout, Repeat, Scanner, Sequence, Together
from mrjax.sequence.hardware.played_points import lasts

GAMMA_BAR = units.GAMMA_BAR["1H"]


@dataclasses.dataclass(frozen=True, eq=False)
class TrajectoryTask:
    r"""A trajectory to be learned: what a sequence plays during its readouts, changed by splines within the limits.

    The gradient of each shot is $G_0(t) + B(t)\,c$ with a B-spline that is zero at both ends and adds no area, so that the
    sequence around it stays as it is. The image is the adjoint of the encoding with one weight for each sample,
    $\hat x = E^H (w \cdot E x)$, learned along. A design is a dictionary:

    | leaf | shape | unit |
    |---|---|---|
    | `coefficients` | `(n_shots, 2, n_coefficients)` | relative to the largest gradient |
    | `weights` | `(n_shots, n_samples)` | relative to the start |

    **Arguments:**

    - `sequence`: Such as `mrjax.protocols.imaging.spiral(...)` or `radial(...)`: with one `Repeat` of `n_shots` repetitions, in
      which one `Together` plays a readout and gradients along x and y. Points at unequal distances, such as those of a
      trapezoid, become points at all times of the gradient raster.
    - `scanner`: Its limits and its raster.
    - `fov`: In m, of square images.
    - `matrix`: Pixels along x and y.
    - `n_coefficients`: Of each spline, at least 5. Begin with few, and go on from `finer` designs: a search then moves whole
      arcs first and corners last.

    **Raises:** `ValueError` where the sequence has no such readout, and numbers are out of range.

    **Source:** G. Wang, T. Luo, J.-F. Nielsen, D. C. Noll, J. A. Fessler, IEEE Trans Med Imaging 41 (2022) 2318-2330 (BJORK);
    T. Weiss, O. Senouf, S. Vedula, O. Michailovich, M. Zibulevsky, A. Bronstein, arXiv:1909.05773 (PILOT).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg
        >>> scanner = mr.Scanner()
        >>> spiral = mr.protocols.imaging.spiral(0.2, 16, 2, 20 * deg, dwell_time=10e-6, scanner=scanner)
        >>> task = mr.design.TrajectoryTask(spiral, scanner, fov=0.2, matrix=16, n_coefficients=6)
        >>> task.start()["coefficients"].shape
        (2, 2, 6)

        ```
    """

    sequence: Sequence
    scanner: Scanner
    fov: float
    matrix: int
    n_coefficients: int = 8

    def __post_init__(self):
        _checks.positive_integer(self.matrix, "matrix")
        if _checks.positive_integer(self.n_coefficients, "n_coefficients") < 5:
            raise ValueError(f"`n_coefficients` must be at least 5, but got {self.n_coefficients}.")
        if not (isinstance(self.fov, int | float) and 0 < self.fov < math.inf):
            raise ValueError(f"`fov` must be a positive number (m), but got {self.fov!r}.")
        _ = self._basis  # what is known, before anything is traced

    def start(self) -> dict[str, Array]:
        """The design that changes nothing, with weights that grow with the speed through k-space."""
        n_shots, (gradients, readout, begin) = self._n_shots, self._readout
        times = begin + (np.arange(readout.n) + 0.5) * float(np.asarray(readout.dwell))
        _, points = self._points
        speed = [
            np.interp(times, points, np.hypot(*pair)) for pair in zip(*(self._held(g) for g in gradients), strict=True)
        ]
        weights = np.asarray(speed) * np.linalg.norm(self._k_of_start, axis=-1)
        return {
            "coefficients": jnp.zeros((n_shots, 2, self.n_coefficients)),
            "weights": jnp.asarray(weights / weights.mean()),
        }

    def finer(self, design: Any, n_coefficients: int) -> tuple["TrajectoryTask", dict[str, Array]]:
        """The task with more coefficients, and the design of them that is nearest to a design of this one."""
        task = dataclasses.replace(self, n_coefficients=n_coefficients)
        solve = jnp.linalg.pinv(jnp.asarray(task._basis))
        return task, {**design, "coefficients": design["coefficients"] @ jnp.asarray(self._basis) @ solve}

    def gradients(self, design: Any) -> Float[Array, "n_shots 2 n_points"]:
        """Along x and y at the points of the readout gradients, in T/m."""
        change = jnp.asarray(design["coefficients"]) @ jnp.asarray(self._basis)
        return jnp.asarray(self._asked) + self.scanner.max_gradient * change

    def trajectory(self, design: Any) -> Float[Array, "n_samples 2"]:
        """K-space of all samples in cycles/m, shot by shot."""
        return (self._k(self.gradients(design)) + jnp.asarray(self._before)).reshape(-1, 2)

    def played(self, design: Any) -> Sequence:
        """The sequence with the gradients of a design."""
        values = self.gradients(design)
        of_both = lambda sequence: _found(sequence)[0]
        where = lambda sequence: [leaf for one in of_both(sequence) for leaf in (one.waveform, one.times)]
        times = self._points[1]
        return eqx.tree_at(where, self.sequence, [values[:, 0], times, values[:, 1], times])

    def reconstructed(self, design: Any, images: Any) -> Complex[Array, "n_images matrix matrix"]:
        """What is seen of images, `(n_images, matrix, matrix)`."""
        n = self.matrix
        # by one thread, so that a search that goes on takes the same steps, bit for bit
        encoding = Nufft(self.trajectory(design), (n, n), self.fov / n, threads=1)
        weights = jnp.asarray(design["weights"]).reshape(-1)
        return encoding.adjoint(encoding.mv(jnp.asarray(images, complex)) * weights[None] / weights.size)

    def error(self, design: Any, images: Any) -> Float[Array, ""]:
        """The squared error of images relative to them; PSNR is -10 log10 of it, less that of the images' mean square."""
        return relative_error(self.reconstructed(design, images), jnp.asarray(images, complex))

    def excess(self, design: Any, margin: float = 0.01) -> Float[Array, ""]:
        r"""$\sum \max(0, |G| / G_\mathrm{max} - 1 + \epsilon)^2$ over all points along each axis, and so for the slew rate."""
        values, (step, _) = self.gradients(design), self._points
        slew = jnp.diff(values, axis=-1) / step
        shares = (values / self.scanner.max_gradient, slew / self.scanner.max_slew)
        return sum((jnp.sum(jnp.maximum(jnp.abs(one) - (1 - margin), 0.0) ** 2) for one in shares), jnp.zeros(()))

    def within_limits(self, design: Any) -> dict[str, Array]:
        r"""The design, moved towards the start until it keeps the limits of gradient and slew rate along each axis.

        The gradients become $G_0 + s \, (G - G_0)$ with the largest $s \le 1$ that the scanner plays: a term such as `excess`
        gives way a little. The weights stay.
        """
        step, _ = self._points
        asked, change = self._asked, np.asarray(self.gradients(design), float) - self._asked
        of_slew = _share_within(np.diff(asked) / step, np.diff(change) / step, self.scanner.max_slew)
        share = min(_share_within(asked, change, self.scanner.max_gradient), of_slew)
        return {**design, "coefficients": design["coefficients"] * share}

    @cached_property
    def _readout(self) -> tuple[list[Gradient], Readout, float]:
        gradients, readout, before = _found(self.sequence)
        return gradients, readout, sum(map(lasts, before), 0.0)

    @cached_property
    def _n_shots(self) -> int:
        return max(one.waveform.shape[0] if one.waveform.ndim == 2 else 1 for one in self._readout[0])

    @cached_property
    def _asked(self) -> np.ndarray:
        return np.stack([self._held(one) for one in self._readout[0]], axis=1)

    @cached_property
    def _k_of_start(self) -> np.ndarray:
        """K-space of the sequence as it is, shot by shot."""
        with jax.ensure_compile_time_eval():
            return np.asarray(self.sequence.timeline().trajectory())[:, :2].reshape(self._n_shots, -1, 2)

    @cached_property
    def _before(self) -> np.ndarray:
        """Where each shot is in k-space when its readout gradients begin, such as at the end of a spoke."""
        with jax.ensure_compile_time_eval():
            return (self._k_of_start - np.asarray(self._k(self._asked))).mean(axis=1, keepdims=True)

    def _held(self, gradient: Gradient) -> np.ndarray:
        waveform = np.atleast_2d(np.asarray(gradient.waveform, float))
        _, points = self._points
        at_points = [np.interp(points, _times_of(gradient), one) for one in waveform]
        return np.broadcast_to(at_points, (self._n_shots, len(points)))

    @cached_property
    def _points(self) -> tuple[float, np.ndarray]:
        """The distance of points, and their times in s."""
        along_x, along_y = map(_times_of, self._readout[0])
        if along_x.shape != along_y.shape or np.ptp(along_x - along_y) > 1e-9:
            raise ValueError("`sequence` must have readout gradients along x and y with points at the same times.")
        steps = np.diff(along_x)
        if np.ptp(steps) <= 1e-3 * steps.mean():
            return float(steps.mean()), along_x
        raster = self.scanner.gradient_raster
        corners = (along_x - along_x[0]) / raster
        if np.max(np.abs(corners - np.round(corners))) > 1e-3:
            raise ValueError(
                f"`sequence` must have readout gradients with points at equal distances, such as a spiral, or on the raster "
                f"of {raster * 1e6:g} us of the scanner, but some are between."
            )
        return raster, along_x[0] + raster * np.arange(round(corners[-1]) + 1)

    @cached_property
    def _basis(self) -> np.ndarray:
        """Splines that are zero at both ends, less a bell of their area."""
        n_points = self._asked.shape[-1]
        basis = BSpline(self.n_coefficients + 2, n_points).basis.T[1:-1].copy()
        bell = np.sin(np.pi * np.arange(n_points) / (n_points - 1)) ** 2
        return basis - basis.sum(axis=1, keepdims=True) * bell / bell.sum()

    def _k(self, gradients: Any) -> Float[Array, "n_shots n_samples 2"]:
        """The integral of straight lines between points, from the first one until the middle of each sample."""
        _, readout, begin = self._readout
        step, points = self._points
        times = begin + (np.arange(readout.n) + 0.5) * float(np.asarray(readout.dwell))
        values = jnp.asarray(gradients)
        pieces = (values[..., 1:] + values[..., :-1]) / 2 * step
        before = jnp.pad(jnp.cumsum(pieces, axis=-1), ((0, 0), (0, 0), (1, 0)))
        piece = np.clip(np.searchsorted(points, times, side="right") - 1, 0, len(points) - 2)
        into = jnp.asarray(np.clip(times - points[piece], 0.0, step))[None, None]
        slope = (values[..., piece + 1] - values[..., piece]) / step
        area = before[..., piece] + (values[..., piece] + slope * into / 2) * into
        return -GAMMA_BAR * jnp.swapaxes(area, 1, 2)


def _times_of(gradient: Gradient) -> np.ndarray:
    """Those of its points in s, which all repetitions share."""
    times = np.asarray(gradient.times, float).reshape(-1, np.shape(gradient.waveform)[-1])
    if np.ptp(times, axis=0).max() > 1e-9:
        raise ValueError("`sequence` must have readout gradients with points at the same times in all repetitions.")
    return times[0]


def _share_within(asked: np.ndarray, change: np.ndarray, limit: float) -> float:
    """How much of a change keeps a limit of magnitude, between 0 and 1, where what is asked keeps it."""
    left = np.maximum(limit - np.sign(change) * asked, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(np.abs(change) > left, left / np.abs(change), 1.0)
    return float(np.min(shares, initial=1.0))


def _found(sequence: AbstractContainer) -> tuple[list[Gradient], Readout, tuple]:
    """The gradients along x and y that are played with the readout, the readout, and what its track plays before it."""
    for repeat in jax.tree.leaves(sequence, is_leaf=lambda one: isinstance(one, Repeat)):
        for event in repeat.events if isinstance(repeat, Repeat) else ():
            if not isinstance(event, Together):
                continue
            gradients = {one.axis: one for track in event.tracks for one in track if isinstance(one, Gradient)}
            for track in event.tracks:
                for number, one in enumerate(track):
                    if isinstance(one, Readout) and set(gradients) >= {"x", "y"}:
                        return [gradients["x"], gradients["y"]], one, track[:number]
    raise ValueError(
        "`sequence` must hold a Repeat in which a Together plays a Readout and gradients along x and y, such as "
        "mr.protocols.imaging.spiral(...)."
    )
