"""Fast spin echoes (RARE, turbo spin echo) of a plane."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._excited import excited
from mrjax.protocols.imaging._lines import ReadoutLine, centered_on_a_sample
from mrjax.protocols.imaging._lobes import least_time, lobes
from mrjax.protocols.imaging._pulses import pulse_block
from mrjax.protocols.imaging._refocusing import CRUSHING
from mrjax.sequence import Label, Repeat, Scanner, Sequence


@answers_misspelt_keywords
def fse(
    fov: Any,
    matrix: Any,
    echo_spacing: Any,
    n_echoes: int,
    tr: Any = None,
    *,
    te: Any = None,
    flip_angle: Any = np.pi / 2,
    refocusing_angle: Any = np.pi,
    dwell_time: Any = 10e-6,
    slice_thickness: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""A train of spin echoes after each excitation, each echo a line of k-space, with crushers around the refocusing pulses.

    Refocusing pulses of phase 90 degrees follow an excitation of phase 0 by half an echo spacing, and all areas between two
    of them are twice those before the first (Carr, Purcell, Meiboom and Gill), so that all pathways meet at each echo.
    Sample $i$ of line $j$ (label `LIN`) is taken at $k = ((i - \lfloor n_x/2 \rfloor) / L_x, (j - \lfloor n_y/2 \rfloor) /
    L_y)$. Shot $s$ of $S$ (label `SEG`) has line $b S + s$ of each band $b$; bands follow each other from echo to echo
    (label `ECO`).

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: $n$, samples along x and y; one integer or two.
    - `echo_spacing`: In s, kept to a block raster.
    - `n_echoes`: In a train; divides $n_y$.
    - `tr`: From shot to shot in s, kept to half a block raster; the shortest by default.
    - `te`: When the middle of k-space is acquired, in s, at the nearest echo; by default bands follow from the lowest $k_y$
      up.
    - `flip_angle`: Of the excitation in rad. Scalar, or `(n_shots,)`; may be traced.
    - `refocusing_angle`: In rad. Scalar, or `(n_echoes,)`; may be traced.
    - `dwell_time`: Of a sample, in s: such that (n_x // 2 + 1/2) of them are a multiple of the RF raster.
    - `slice_thickness`: In m, of a slice at z = 0 by sinc pulses; by default hard pulses act on everything.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `cartesian_kspace` sorts the
    samples.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** J. Hennig, A. Nauerth, H. Friedburg, Magn Reson Med 3 (1986) 823-833.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mm, ms
        >>> sequence = mr.protocols.imaging.fse(220 * mm, 64, echo_spacing=10 * ms, n_echoes=8, tr=0.5)
        >>> table = mr.sequence.readout_table(sequence)
        >>> table.label("LIN")[:4].tolist(), table.label("ECO")[:4].tolist()
        ([0, 8, 16, 24], [0, 1, 2, 3])

        ```
    """
    scanner = _arguments.hardware(scanner)
    (nx, ny), (lx, ly) = _arguments.counts(matrix, "matrix", 2), _arguments.lengths(fov, "fov", 2)
    spacing = _timing.nearest(_arguments.time(echo_spacing, "echo_spacing", "echo_spacing"), 2 * scanner.block_raster)
    lines = _lines_of(ny, _checks.positive_integer(n_echoes, "n_echoes"), te, spacing)
    line = _centered(nx, lx, _arguments.time(dwell_time, "dwell_time", "sampling"), scanner)
    thickness = None if slice_thickness is None else _arguments.lengths(slice_thickness, "slice_thickness", 1)[0]
    refocus = pulse_block(
        *(refocusing_angle, np.pi / 2), use="refocusing", slice_thickness=thickness, scanner=scanner, late=None
    )
    crusher, ky = CRUSHING * nx / lx, (lines - ny // 2) / ly
    lasting = max(least_time(crusher, scanner), least_time(ky, scanner))
    wait, _ = _timing.left_for(spacing / 2, refocus.center + lasting + line.center, "echo_spacing", scanner, times=2)
    before, after = (lobes({"x": crusher, "y": sign * ky}, scanner, lasting).event for sign in (1, -1))
    waits = _timing.delays(wait)
    echo = (refocus.event, before, *waits, *_labels(lines), line.along("x"), *waits, after)
    timing = (spacing / 2, refocus.center, "echo_spacing", 2)
    start, spent = excited(flip_angle, {"x": line.k_before + crusher}, timing, (thickness, None), scanner)
    tr = None if tr is None else _arguments.time(tr, "tr", "tr")
    rest = _timing.wait_of(tr, spent + lines.shape[1] * spacing, "tr", scanner)
    train = Repeat(*echo, n_repetitions=lines.shape[1])
    shot = (Label("SEG", np.arange(lines.shape[0])), *start, train, *_timing.delays(rest))
    return _arguments.checked_on(scanner, Sequence(Repeat(*shot, n_repetitions=lines.shape[0])))


def _labels(lines: np.ndarray) -> tuple[Label, Label]:
    return Label("LIN", lines), Label("ECO", np.arange(lines.shape[1]))


def _centered(n: int, fov: float, dwell: float, scanner: Scanner) -> ReadoutLine:
    """A line whose sample n // 2 is in the middle of its gradient, where all pathways meet."""
    line = centered_on_a_sample(n, fov, dwell, scanner)
    if abs(line.center - line.duration / 2) > 1e-9:
        raise ValueError(
            f"`dwell_time` must let sample {n // 2} be in the middle of the gradient: {n // 2} and a half times it must be a "
            f"multiple of {scanner.rf_raster * 1e6:g} us, but got {dwell * 1e6:.6g} us; take a multiple of "
            f"{2 * scanner.rf_raster * 1e6:g} us."
        )
    return line


def _lines_of(ny: int, n_echoes: int, te: Any, spacing: float) -> np.ndarray:
    """Which line each echo of each shot is, `(n_shots, n_echoes)`."""
    if ny % n_echoes:
        raise ValueError(f"`n_echoes` must divide the {ny} lines of `matrix`, but got {n_echoes}.")
    n_shots = ny // n_echoes
    middle = (ny // 2) // n_shots
    shift = 0 if te is None else round(_arguments.time(te, "te", "te") / spacing) - 1 - middle
    bands = (np.arange(n_echoes) - shift) % n_echoes
    if te is not None and not -middle <= shift < n_echoes - middle:
        raise ValueError(f"`te` must be that of one of {n_echoes} echoes, {spacing:g} s apart, but got {te:g} s.")
    return bands[None, :] * n_shots + np.arange(n_shots)[:, None]
