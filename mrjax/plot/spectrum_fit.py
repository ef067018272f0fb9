"""A fitted spectrum and what it is made of."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style
from mrjax.signals.models import Spectrum

GAP = 0.08
"""Between curves, relative to the height of the data."""


def spectrum_fit(model: Spectrum, data: Any, parameters: Mapping[str, Any], *, axes: Axes | None = None) -> Axes:
    """The real part of a measured spectrum, the fit over it, the residual above, and below it each metabolite.

    The data, and with them all else, are turned to the phase that was found. Chemical shifts fall from left to right, as in
    spectroscopy.

    **Arguments:**

    - `model`: That was fitted.
    - `data`: One spectrum, shape `(n_samples,)`, as `model.measured` makes it.
    - `parameters`: Numbers by name, such as those of one voxel of a fit.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes.

    **Raises:** `ValueError` where shapes do not fit or a parameter is missing.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import mrjax as mr
        >>> basis = np.exp(-2j * np.pi * 127.73 * np.outer([4.65 - 2.01, 4.65 - 3.03], 5e-4 * np.arange(512)))
        >>> model = mr.signals.models.Spectrum(basis, ["NAA", "Cr"], dwell_time=5e-4, window_ppm=(1.5, 3.5))
        >>> found = {"lorentz_width": 4.0, "gauss_width": 2.0, "frequency_shift": 0.0, "phase": 0.2, "delay": 0.0}
        >>> found |= {"NAA": 9.0, "Cr": 6.0}
        >>> data = model({name: jnp.asarray(value) for name, value in found.items()})
        >>> mr.plot.spectrum_fit(model, data, found).get_xlabel()
        'chemical shift (ppm)'

        ```
    """
    values = {name: jnp.asarray(parameters[name], float) for name in model.names if name in parameters}
    missing = [name for name in model.names if name not in values]
    if missing or any(value.ndim for value in values.values()):
        raise ValueError(
            f"`parameters` must hold a number for each of {', '.join(model.names)}, but "
            + (f"lack {', '.join(missing)}." if missing else "hold arrays; pass those of one voxel.")
        )
    data = _style.as_numbers(data)
    if data.shape != (model.n_samples,):
        raise ValueError(f"`data` must be one spectrum, shape ({model.n_samples},), but got {data.shape}.")
    # a constant phase for all: that of first order differs by the frequency
    turn = np.exp(-1j * float(values["phase"]))
    curve = lambda chosen: np.real(np.asarray(model(chosen)) * turn)
    fit, measured = curve(values), np.real(data * turn)
    metabolites = dict.fromkeys(model.metabolites, jnp.zeros(()))
    baseline = curve(values | metabolites)
    parts = {name: curve(values | metabolites | {name: values[name]}) - baseline for name in model.metabolites}
    axes = _style.axes_or_new(axes, figsize=(7, 4.5 + 0.25 * len(parts)))
    _draw(axes, model.shifts_ppm, measured, fit, baseline, parts)
    return axes


def _draw(
    axes: Axes,
    shifts: np.ndarray,
    measured: np.ndarray,
    fit: np.ndarray,
    baseline: np.ndarray,
    parts: dict[str, np.ndarray],
) -> None:
    height = np.ptp(measured)
    residual = measured - fit
    axes.plot(
        shifts, residual - residual.min() + measured.max() + GAP * height, color="0.4", linewidth=0.8, label="residual"
    )
    axes.plot(shifts, measured, color="0.6", linewidth=1, label="measured")
    axes.plot(shifts, fit, color="C3", linewidth=1, label="fit")
    axes.plot(shifts, baseline, color="0.3", linewidth=0.8, linestyle="--", label="baseline")
    level = min(measured.min(), fit.min(), baseline.min())
    for name, part in parts.items():
        level -= max(part.max(), 0.0) + GAP * height
        axes.plot(shifts, part + level, color="C0", linewidth=0.8)
        axes.annotate(name, (1.01, level), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
        level += min(part.min(), 0.0)
    axes.set(xlabel="chemical shift (ppm)", xlim=(shifts[-1], shifts[0]), yticks=[])
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
