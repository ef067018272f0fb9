"""Spectra of free induction decays, and bases of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.signals.spectroscopy.experiments import WATER_PPM
from mrjax.signals.spectroscopy.spin_system import SpinSystem
from mrjax.units import GAMMA_BAR


def basis(
    systems: Mapping[str, SpinSystem | Sequence[SpinSystem]], experiment: Callable[[SpinSystem], Complex[Array, " n"]]
) -> Complex[Array, "metabolite n"]:
    """Free induction decays of metabolites, one row each, in the order of their names.

    **Arguments:**

    - `systems`: By name the spin systems of each, as `mrjax.io.read_spin_systems` returns them; their signals are added.
    - `experiment`: Takes a spin system and returns its signal.

    **Returns:** Shape `(n_metabolites, n_points)`. Differentiable as the experiment is.

    **Raises:** `ValueError` where there are none.

    !!! example

        ```python
        >>> import functools
        >>> from mrjax.signals.spectroscopy import SpinSystem, basis, press
        >>> systems = {"acetate": SpinSystem([1.904], scale=3.0), "water": SpinSystem([4.65], scale=2.0)}
        >>> experiment = functools.partial(press, te1=0.011, te2=0.019, dwell_time=5e-4, n_points=1024)
        >>> basis(systems, experiment).shape
        (2, 1024)

        ```
    """
    if not systems:
        raise ValueError("`systems` must hold at least one metabolite, but is empty.")
    parts = [(one,) if isinstance(one, SpinSystem) else tuple(one) for one in systems.values()]
    return jnp.stack([jnp.sum(jnp.stack([experiment(part) for part in each]), axis=0) for each in parts])


def spectrum(fid: Any, dwell_time: Any) -> Complex[Array, "*voxels n"]:
    r"""Fourier transform of free induction decays, from the lowest to the highest frequency.

    $$S(f) = \Delta t \sum_n w_n s_n e^{-2 \pi i f n \Delta t}, \qquad w_0 = 1/2, \; w_{n > 0} = 1$$

    The first point counts half, as the trapezoidal rule has it; or the baseline would be raised.

    **Arguments:**

    - `fid`: Shape `(*voxels, n)`.
    - `dwell_time`: $\Delta t$ in s. Positive.

    **Returns:** The spectrum in the unit of the signal per Hz, as many points, at the frequencies of `chemical_shifts`.

    **Raises:** `ValueError` where there is no axis, or the dwell time is not positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.spectroscopy import spectrum
        >>> print(spectrum(jnp.ones(4, complex), dwell_time=0.25).real)  # infinitely long: a line at zero
        [-0.125 -0.125  0.875 -0.125]

        ```
    """
    fid = _checks.number_array(fid, "fid")
    if fid.ndim == 0 or fid.shape[-1] == 0:
        raise ValueError(f"`fid` must have shape (*voxels, n) with at least one point, but got {fid.shape}.")
    dwell = _checks.positive(_checks.real_array(dwell_time, "dwell_time"), "dwell_time", "s")
    # the first point once more, in half
    halved = jnp.fft.fft(fid, axis=-1) - fid[..., :1] / 2
    return dwell.astype(halved.real.dtype) * jnp.fft.fftshift(halved, axes=-1)


def chemical_shifts(
    n_points: int, dwell_time: float, b0: float = 3.0, reference_ppm: float = WATER_PPM
) -> Float[np.ndarray, " n"]:
    r"""Where the points of a `spectrum` lie, in ppm: $\delta_\mathrm{ref} + f / (\bar\gamma B_0)$, ascending.

    **Arguments:**

    - `n_points`: Of the free induction decay.
    - `dwell_time`: In s.
    - `b0`: In T.
    - `reference_ppm`: Of the frequency zero.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import chemical_shifts
        >>> print(chemical_shifts(4, 5e-4).round(2))
        [-3.18  0.74  4.65  8.56]

        ```
    """
    frequencies = np.fft.fftshift(np.fft.fftfreq(_checks.positive_integer(n_points, "n_points"), float(dwell_time)))
    return reference_ppm + frequencies / (GAMMA_BAR["1H"] * 1e-6 * float(b0))
