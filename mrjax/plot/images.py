"""Images: magnitude and phase side by side, and an image beside what it should be."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrjax.plot import _extent

MOST_IMAGES = 12
DARK = 0.02
"""Magnitude over the brightest one, up to which a phase is not drawn."""


def images(
    values: Any,
    *,
    labels: Several[str] | None = None,
    voxel_size: Any = None,
    limit: float | int | None = None,
    figure: Any = None,
) -> np.ndarray:
    """Images in a row on one scale, upright, with their phases below where they are complex; where it is dark phases are blank.

    **Arguments:**

    - `values`: `(nx, ny)` or `(n, nx, ny)` with at most 12, real or complex; x runs to the right and y upwards.
    - `labels`: One per image.
    - `voxel_size`: In m, a number or one for x and y: draws rulers in mm, with pixel `n // 2` at zero.
    - `limit`: Magnitude that is drawn white; the 99.5th percentile by default. Real images with negative values are drawn from
      minus that, in red and blue.
    - `figure`: Matplotlib figure to draw in; a new one by default.

    **Returns:** The axes, `(n_rows, n)`: of magnitudes, and of phases if there are any.

    **Raises:** `ValueError` for another shape, too many images or another number of labels.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> pair = np.ones((2, 16, 16)) * np.exp(1j * np.linspace(0, 3, 16))
        >>> mr.plot.images(pair, labels=["TE 5 ms", "TE 10 ms"], voxel_size=2e-3).shape
        (2, 2)

        ```
    """
    shown = _extent.as_images(values, "values")
    if len(shown) > MOST_IMAGES:
        raise ValueError(
            f"`values` must hold at most {MOST_IMAGES} images to be seen, but got {len(shown)}; select some."
        )
    if labels is not None and len(labels) != len(shown):
        raise ValueError(f"`labels` must have one entry for each of the {len(shown)} images, but got {len(labels)}.")
    has_phase = np.iscomplexobj(shown)
    extent = _extent.extent_of(shown.shape[1:], voxel_size)
    n_rows = 2 if has_phase else 1
    figure = figure or Figure(figsize=(1.4 + 2.8 * len(shown), 3.4 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, len(shown), squeeze=False)
    top = _extent.largest(shown) if limit is None else float(limit)
    signed = not has_phase and bool(np.nanmin(shown) < 0)
    scale = {"cmap": "RdBu_r", "vmin": -top, "vmax": top} if signed else {"cmap": "gray", "vmin": 0.0, "vmax": top}
    size = np.abs(shown) if has_phase else shown
    drawn = [_extent.show(one, image, extent, **scale) for one, image in zip(axes[0], size, strict=True)]
    figure.colorbar(drawn[-1], ax=list(axes[0]), label="magnitude" if has_phase else "", shrink=0.8, pad=0.02)
    for one, label in zip(axes[0], labels or (), strict=False):
        one.set_title(label)
    if has_phase:
        around = {"cmap": "twilight", "vmin": -180, "vmax": 180}
        phases = np.where(size > DARK * top, np.rad2deg(np.angle(shown)), np.nan)
        drawn = [_extent.show(one, image, extent, **around) for one, image in zip(axes[1], phases, strict=True)]
        bar = figure.colorbar(drawn[-1], ax=list(axes[1]), label="phase (deg)", shrink=0.8, pad=0.02)
        bar.set_ticks([-180, -90, 0, 90, 180])
    _only_outer_labels(axes)
    return axes


def image_comparison(
    reference: Any,
    test: Any,
    *,
    magnification: float | int = 10,
    labels: tuple[str, str] = ("reference", "test"),
    voxel_size: Any = None,
    figure: Any = None,
) -> np.ndarray:
    r"""An image beside its reference, on one scale, and their difference magnified, with its size in numbers.

    $$\mathrm{NRMSE} = \frac{\lVert t - r \rVert}{\lVert r \rVert}, \qquad
      \mathrm{PSNR} = 20 \log_{10} \frac{\max |r|}{\sqrt{\mathrm{mean} |t - r|^2}}$$

    **Arguments:**

    - `reference`, `test`: `(nx, ny)`, real or complex; of complex ones the magnitudes are shown, and the magnitude of the
      complex difference. Where either is nan or masked nothing is drawn or counted.
    - `magnification`: Of the difference. Positive.
    - `labels`: Of both.
    - `voxel_size`: As of `images`.
    - `figure`: Matplotlib figure to draw in; a new one by default.

    **Returns:** The three axes.

    **Raises:** `ValueError` where shapes differ or are not those of one image.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> truth = np.ones((8, 8))
        >>> mr.plot.image_comparison(truth, truth + 0.01)[2].get_title().splitlines()[1]
        'PSNR 40.0 dB, NRMSE 1.00 %'

        ```
    """
    (first,), (second,) = (_extent.as_images(v, name) for v, name in ((reference, "reference"), (test, "test")))
    if first.shape != second.shape:
        raise ValueError(f"`test` must have the shape of `reference`, {first.shape}, but got {second.shape}.")
    if not magnification > 0:
        raise ValueError(f"`magnification` must be positive, but got {magnification!r}.")
    figure = figure or Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    extent, top = _extent.extent_of(first.shape, voxel_size), _extent.largest(first)
    size = [np.abs(image) for image in (first, second, second - first)]
    drawn = [_extent.show(axes[i], size[i], extent, cmap="gray", vmin=0, vmax=top) for i in range(2)]
    for one, label in zip(axes, labels, strict=False):
        one.set_title(label)
    figure.colorbar(drawn[0], ax=list(axes[:2]), shrink=0.8, pad=0.02)
    drawn = _extent.show(axes[2], size[2] * magnification, extent, cmap="inferno", vmin=0, vmax=top)
    axes[2].set_title(f"difference x {magnification:g}\n{_in_numbers(first, second)}")
    figure.colorbar(drawn, ax=axes[2], shrink=0.8, pad=0.02)
    _only_outer_labels(axes[None])
    return axes


def _in_numbers(reference: np.ndarray, test: np.ndarray) -> str:
    counted = np.isfinite(reference) & np.isfinite(test)
    error, norm = np.linalg.norm((test - reference)[counted]), np.linalg.norm(reference[counted])
    if not norm:
        return "the reference is zero"
    if not error:
        return "no difference"
    psnr = 20 * np.log10(np.abs(reference[counted]).max() * np.sqrt(counted.sum()) / error)
    return f"PSNR {psnr:.1f} dB, NRMSE {100 * error / norm:.2f} %"


def _only_outer_labels(axes: np.ndarray) -> None:
    for one in axes.ravel():
        one.label_outer()
