"""Spatiotemporal encoding (SPEN)."""

from typing import Any

import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._epi_train import epi_train
from mrjax.protocols.imaging._lobes import gradient_of, lobes, ramp_time
from mrjax.protocols.imaging._pulses import PulseBlock, selective_block
from mrjax.protocols.imaging._timing import up
from mrjax.sequence import Scanner, Sequence, ShapedPulse
from mrjax.sequence.pulses import chirp

EDGE = 0.1
"""Share of the sweep at either end in which it rises and falls, beyond the field of view."""


@answers_misspelt_keywords
def spen(
    fov: Any,
    matrix: Any,
    *,
    flip_angle: Any = np.pi / 2,
    chirp_duration: Any = 10e-3,
    time_bandwidth_product: Any = None,
    dwell_time: Any = 4e-6,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""An image that is read off as it comes: along y in the time domain, along x in k-space.

    A linear sweep under a gradient along y excites the field of view in a time $T$ and leaves a quadratic phase $\pi Q y^2 /
    L_y^2$ on it; in the echo-planar readout that follows, blips move the place where the phase is stationary from one end to
    the other. Line $j$ (label `LIN`) is at $k_y = (j - \lfloor n_y/2 \rfloor) Q / (n_y L_y)$ since the middle of the sweep,
    and its magnitude, after a Fourier transform along x, is the image at $y_j = (j - \lfloor n_y/2 \rfloor) L_y / n_y$,
    blurred over about $L_y / \sqrt Q$.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: $n$, samples along x and lines; one integer or two.
    - `flip_angle`: In rad, from 0 to below $\pi$; may be traced.
    - `chirp_duration`: $T$ in s; the pulse lasts a quarter longer, for its ends.
    - `time_bandwidth_product`: $Q$, the band swept over the field of view in $T$, times $T$; $2 n_y$ by default.
    - `dwell_time`: Of a sample, in s.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. Nothing selects a slice.
    `cartesian_kspace` sorts the samples.

    **Raises:** `ValueError` for what the scanner cannot play.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mm
        >>> sequence = mr.protocols.imaging.spen(200 * mm, (32, 64))
        >>> sequence.n_samples, round(float(sequence.duration), 3)
        (2048, 0.048)

        ```
    """
    scanner = _arguments.hardware(scanner)
    (nx, ny), (lx, ly) = _arguments.counts(matrix, "matrix", 2), _arguments.lengths(fov, "fov", 2)
    product = (
        2.0 * ny
        if time_bandwidth_product is None
        else _arguments.time(time_bandwidth_product, "time_bandwidth_product")
    )
    sweep = _sweep(flip_angle, product, _arguments.time(chirp_duration, "chirp_duration", "duration"), ly, scanner)
    dwell, k_blip = _arguments.time(dwell_time, "dwell_time", "sampling"), product / (ny * ly)
    train = epi_train(nx, lx, dwell, ny, k_blip, scanner)
    start = lobes({"x": train.kx_start, "y": -(ny // 2) * k_blip - sweep.k_after}, scanner)
    return _arguments.checked_on(scanner, Sequence(sweep.event, start.event, train.events(np.arange(ny))))


def _sweep(flip_angle: Any, product: float, lasting: float, fov: float, scanner: Scanner) -> PulseBlock:
    """A sweep under a gradient along y, downwards from one end of the field of view to the other."""
    bandwidth = product / lasting
    whole = up(lasting / (1 - 2 * EDGE), 2 * scanner.gradient_raster)
    # the phase turns by a tenth of a radian or so from sample to sample
    dt = scanner.rf_raster * max(1, int(0.1 / bandwidth / scanner.rf_raster))
    n = round(whole / dt)
    whole = up(n * dt, 2 * scanner.gradient_raster)
    shape = chirp(flip_angle, n * dt, -bandwidth * n * dt / lasting, n, edge=EDGE)
    pulse = ShapedPulse(shape.waveform, dt, use="excitation", center=n * dt / 2)
    amplitude = -gradient_of(bandwidth / fov)
    edge = up(max(scanner.rf_dead_time, scanner.rf_ringdown, ramp_time(amplitude, scanner)), scanner.block_raster)
    return selective_block(pulse, n * dt, amplitude, "y", edge, whole - n * dt)
