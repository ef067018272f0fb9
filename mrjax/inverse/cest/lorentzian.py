"""Z-spectra as sums of Lorentzian lines."""

from collections.abc import Mapping, Sequence as Several
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mrjax import _checks
from mrjax.inverse.cest._resampling import checked_spectra
from mrjax.inverse.least_squares import Fit, least_squares


class LorentzianLine(NamedTuple):
    """Lower bound, start and upper bound of what is fitted for one pool."""

    amplitude: tuple[float, float, float]
    width_ppm: tuple[float, float, float]
    """Full width at half maximum."""
    position_ppm: tuple[float, float, float]
    """From the water; that of the water itself from the scanner's frequency."""


LORENTZIAN_LINES: Mapping[str, LorentzianLine] = MappingProxyType(
    {
        "water": LorentzianLine((0.02, 0.9, 1.0), (0.3, 1.4, 10.0), (-1.0, 0.0, 1.0)),
        "amide": LorentzianLine((0.0, 0.025, 0.2), (0.4, 1.0, 3.0), (3.2, 3.5, 4.0)),
        "noe": LorentzianLine((0.0, 0.02, 0.4), (1.0, 3.0, 5.0), (-4.5, -3.5, -2.5)),
        "mt": LorentzianLine((0.0, 0.1, 1.0), (10.0, 25.0, 100.0), (-4.0, -2.0, 0.0)),
        "guanidine": LorentzianLine((0.0, 0.01, 0.2), (0.4, 1.0, 3.5), (1.6, 2.0, 2.4)),
        "amine": LorentzianLine((0.0, 0.01, 0.3), (0.5, 1.5, 5.0), (2.4, 2.8, 3.2)),
    }
)
"""Commonly used starts and bounds for brain at 3 T and weak saturation, after the fits of J. Windschuh et al., NMR Biomed 28
(2015) 529-537 and A. Deshmane et al., Magn Reson Med 81 (2019) 2412-2423. Lines of guanidine and amine overlap with that of
the amide at 3 T: leave out what the spectrum does not show."""

BASELINE = (0.5, 1.0, 1.05)

Lines = Several[str] | Mapping[str, LorentzianLine]


def lorentzian_spectrum(
    parameters: Mapping[str, Any], offset_ppm: Any, without: Several[str] = ()
) -> Float[Array, "*voxels n"]:
    r"""The model of `lorentzian_fit`: a baseline minus lines.

    $$Z(\Delta) = Z_0 - \sum_i A_i \frac{(\Gamma_i / 2)^2}{(\Gamma_i / 2)^2 + (\Delta - \delta_w - \delta_i)^2}$$

    **Arguments:**

    - `parameters`: `fit.parameters`: `"baseline"`, and for each line `"amplitude"`, `"width_ppm"` and `"position_ppm"`.
      Leaves of shape `(*voxels)`.
    - `offset_ppm`: Shape `(n_offsets,)`.
    - `without`: Lines to leave out: the reference spectrum for `arex`.

    **Returns:** Shape `(*voxels, n_offsets)`.

    **Raises:** `ValueError` where `without` names no line of the parameters.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> water = {"amplitude": 0.9, "width_ppm": 1.4, "position_ppm": 0.1}
        >>> z = mr.inverse.cest.lorentzian_spectrum({"baseline": 1.0, "water": water}, np.array([0.1, 0.8]))
        >>> print(np.asarray(z).round(2))
        [0.1  0.55]

        ```
    """
    missing = [name for name in without if name not in parameters or name == "baseline"]
    if missing:
        raise ValueError(f"`without` must name lines of `parameters`, {', '.join(parameters)}, but got {missing}.")
    offset = _checks.real_array(offset_ppm, "offset_ppm")
    leaf = lambda value: jnp.asarray(value)[..., None]
    z = leaf(parameters["baseline"])
    offset = offset.reshape((1,) * (z.ndim - 1) + (-1,))
    for name, line in parameters.items():
        if name == "baseline" or name in without:
            continue
        centre = leaf(line["position_ppm"])
        if name != "water":
            centre = centre + leaf(parameters["water"]["position_ppm"])
        half = leaf(line["width_ppm"]) / 2
        z = z - leaf(line["amplitude"]) * half**2 / (half**2 + (offset - centre) ** 2)
    return z


def lorentzian_fit(
    z: Any,
    offset_ppm: Any,
    lines: Lines = ("water", "amide", "noe", "mt"),
    noise_std: Any | None = None,
    *,
    max_iterations: int = 200,
) -> Fit:
    r"""Amplitude, width and position of Lorentzian lines, `lorentzian_spectrum`, in every voxel at once.

    The position of the water is the off-resonance in ppm; those of the other lines are counted from it. Lines that overlap
    and are weak are told apart poorly: look at the standard deviations. At a noise of 0.002 and 73 offsets four lines are
    recovered within them; with guanidine and amine besides, four voxels in ten end with a line at a bound, and the
    amplitudes of amide and amine are off by up to one standard deviation on average.

    **Arguments:**

    - `z`: Shape `(*voxels, n_offsets)`.
    - `offset_ppm`: Shape `(n_offsets,)`; without the M0 scans.
    - `lines`: Names out of `LORENTZIAN_LINES`, or a mapping of names to `LorentzianLine`s of your own; the water must be one.
    - `noise_std`, `max_iterations`: as `mrjax.inverse.least_squares`.

    **Returns:** A `mrjax.inverse.Fit`; `fit.parameters["amide"]["amplitude"]` and
    `fit.standard_deviation["amide"]["amplitude"]` have shape `(*voxels)`; `fit.parameters["baseline"]` is $Z_0$.

    **Raises:** `ValueError` where lengths differ, a name is unknown or the water is missing.

    **Source:** M. Zaiss et al., J Magn Reson 211 (2011) 149-155.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> offset_ppm = jnp.linspace(-6, 6, 49)
        >>> z = 1 - 0.8 / (1 + (offset_ppm - 0.1) ** 2) - 0.05 / (1 + (offset_ppm - 3.6) ** 2)
        >>> fit = mr.inverse.cest.lorentzian_fit(z, offset_ppm, lines=("water", "amide"))
        >>> print(f"{fit.parameters['water']['position_ppm']:.3f} {fit.parameters['amide']['amplitude']:.3f}")
        0.100 0.050

        ```
    """
    spectra, offset = checked_spectra(z, offset_ppm)
    chosen = _chosen(lines)
    bounds = {"baseline": BASELINE} | {name: line._asdict() for name, line in chosen.items()}
    lower, start, upper = (_entries(bounds, i) for i in range(3))
    start = _refined(start, spectra, offset, (lower, upper), noise_std)
    model = lambda parameters: lorentzian_spectrum(parameters, offset)
    return least_squares(model, spectra, start, (lower, upper), noise_std, max_iterations=max_iterations)


def lorentzian_difference(
    z: Any,
    offset_ppm: Any,
    lines: Lines = ("water", "mt"),
    *,
    within_ppm: float = 0.5,
    beyond_ppm: float = 10.0,
) -> tuple[Float[Array, "*voxels n"], Fit]:
    r"""What the spectrum lacks against lines fitted to its middle and its ends, $Z_\mathrm{ref} - Z$.

    Between them, where the solutes are, the difference shows all of them at once without a model of each. Their tails under
    the water are taken for water: of an amide line of 1.2 ppm and an NOE line of 2.8 ppm it shows some 90 % with the default
    of 0.5 ppm, 70 % with 1 ppm.

    **Arguments:**

    - `z`: Shape `(*voxels, n_offsets)`.
    - `offset_ppm`: Shape `(n_offsets,)`, known numbers.
    - `lines`: Of the reference, as in `lorentzian_fit`.
    - `within_ppm`, `beyond_ppm`: The fit takes offsets nearer to the scanner's frequency than the one, or farther than the
      other. Correct spectra with `correct_b0` first where the water lies near `within_ppm`.

    **Returns:** The difference at all offsets, shape `(*voxels, n_offsets)`, and the `Fit` of the reference.

    **Raises:** as `lorentzian_fit`, and where too few offsets remain.

    **Source:** C. K. Jones et al., Magn Reson Med 67 (2012) 1579-1589 (the water alone).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> offset_ppm = jnp.linspace(-12, 12, 97)
        >>> z = 1 - 0.8 / (1 + offset_ppm**2) - 0.05 / (1 + 4 * (offset_ppm - 3.5) ** 2)
        >>> difference, _ = mr.inverse.cest.lorentzian_difference(z, offset_ppm, lines=("water",))
        >>> print(f"{difference[62]:.3f} at {offset_ppm[62]:.1f} ppm")
        0.050 at 3.5 ppm

        ```
    """
    spectra, offset = checked_spectra(z, offset_ppm)
    distance = np.abs(np.asarray(offset))
    used = (distance <= within_ppm) | (distance >= beyond_ppm)
    n_parameters = 1 + 3 * len(_chosen(lines))
    if used.sum() <= n_parameters:
        raise ValueError(
            f"`within_ppm` and `beyond_ppm` must leave more than the {n_parameters} offsets that {len(_chosen(lines))} lines "
            f"need, but leave {used.sum()} of {offset.size}."
        )
    fit = lorentzian_fit(spectra[..., used], offset[used], lines)
    return lorentzian_spectrum(fit.parameters, offset) - spectra, fit


def _refined(
    start: PyTree, spectra: Array, offset: Array, bounds: tuple[PyTree, PyTree], noise_std: Any | None
) -> PyTree:
    """`start` with the water and all amplitudes fitted, the other lines held at their places and widths.

    Lines that overlap would otherwise trade amplitudes before they have any, and one would end at zero.
    """
    free = lambda name, line: dict(line) if name == "water" else {"amplitude": line["amplitude"]}
    split = lambda tree: {name: line if name == "baseline" else free(name, line) for name, line in tree.items()}
    voxels = spectra.shape[:-1]
    start = jax.tree.map(lambda value: jnp.full(voxels, value, spectra.dtype), start)
    merged = lambda part: {
        name: line if name == "baseline" else start[name] | part[name] for name, line in part.items()
    }
    model = lambda part: lorentzian_spectrum(merged(part), offset)
    lower, upper = (split(limit) for limit in bounds)
    found = merged(least_squares(model, spectra, split(start), (lower, upper), noise_std, max_iterations=30).parameters)
    # from a bound of zero a line could not tell where to go
    for name in start:
        if name != "baseline":
            found[name]["amplitude"] = jnp.maximum(found[name]["amplitude"], start[name]["amplitude"] / 4)
    return found


def _chosen(lines: Lines) -> dict[str, LorentzianLine]:
    if not isinstance(lines, Mapping):
        names = [lines] if isinstance(lines, str) else list(lines)
        unknown = [name for name in names if name not in LORENTZIAN_LINES]
        if unknown:
            raise ValueError(f"`lines` must be names out of {', '.join(LORENTZIAN_LINES)}, but got {unknown}.")
        lines = {name: LORENTZIAN_LINES[name] for name in names}
    if "water" not in lines:
        raise ValueError(f"`lines` must hold the water, from which positions are counted, but got {list(lines)}.")
    return dict(lines)


def _entries(bounds: PyTree, i: int) -> PyTree:
    return jax.tree.map(lambda triple: triple[i], bounds, is_leaf=lambda leaf: isinstance(leaf, tuple))
