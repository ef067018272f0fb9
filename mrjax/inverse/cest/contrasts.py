"""Maps that are read off Z-spectra."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.inverse.cest.spectra import correct_b0, mtr_asymmetry


def apt_weighted(
    z: Any, offset_ppm: Any, shift_ppm: Any = 0.0, at_ppm: Any = (3.25, 3.5, 3.75)
) -> Float[Array, "*voxels"]:
    r"""Amide-proton-transfer weighting: the mean of $\mathrm{MTR}_\mathrm{asym}$ about 3.5 ppm.

    **Arguments:**

    - `z`: Shape `(*voxels, n_offsets)`.
    - `offset_ppm`: Shape `(n_offsets,)`.
    - `shift_ppm`: Where the water is. Broadcasts to `(*voxels)`.
    - `at_ppm`: Offsets from the water to average over.

    **Returns:** A fraction, often shown in percent, shape `(*voxels)`; nan where an offset was not measured.

    **Raises:** as `mtr_asymmetry`.

    **Source:** J. Zhou et al., Nat Med 9 (2003) 1085-1090.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset_ppm = np.linspace(-5, 5, 41)
        >>> z = 1 - 0.9 / (1 + offset_ppm**2) - 0.03 / (1 + (offset_ppm - 3.5) ** 2)
        >>> print(f"{float(mr.inverse.cest.apt_weighted(z, offset_ppm)):.3f}")
        0.028

        ```
    """
    return jnp.mean(mtr_asymmetry(z, offset_ppm, at_ppm, shift_ppm), axis=-1)


def arex(z_label: Any, z_reference: Any, t1: Any) -> Float[Array, "..."]:
    r"""Apparent exchange-dependent relaxation, free of spillover and of the T1 of the water.

    $$\mathrm{AREX} = \frac{1}{T_1} \left( \frac{1}{Z_\mathrm{lab}} - \frac{1}{Z_\mathrm{ref}} \right)$$

    In the steady state of continuous saturation it is $R_\mathrm{ex} / \cos^2\theta$ of the pool that the label has more
    than the reference; for a train of pulses divide by its duty cycle.

    **Arguments:**

    - `z_label`, `z_reference`: With and without the pool, such as Z at its offset and `lorentzian_spectrum` without it.
      Any shapes that broadcast.
    - `t1`: Of the water in s, broadcasting to them as well. Positive.

    **Returns:** In 1/s. Infinite where a Z is zero.

    **Raises:** `ValueError` where shapes do not broadcast or `t1` is not positive.

    **Source:** M. Zaiss et al., NMR Biomed 27 (2014) 240-252.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> print(f"{mr.inverse.cest.arex(0.75, 0.8, t1=1.25):.4f} 1/s")
        0.0667 1/s

        ```
    """
    label, reference = _checks.real_array(z_label, "z_label"), _checks.real_array(z_reference, "z_reference")
    time = _checks.positive(_checks.real_array(t1, "t1"), "t1", "s")
    shape = _checks.broadcast_shape({"z_label": label, "z_reference": reference, "t1": time})
    label, reference, time = (jnp.broadcast_to(array, shape) for array in (label, reference, time))
    return (1 / label - 1 / reference) / time


def glucest_ratio(z: Any, offset_ppm: Any, shift_ppm: Any = 0.0) -> Float[Array, "*voxels"]:
    r"""GluCEST: the asymmetry of glutamate's amine protons, over the side that they leave alone.

    $$\frac{Z(-3) - Z(3)}{Z(-3)}$$

    **Arguments:** as `apt_weighted`.

    **Returns:** A fraction, shape `(*voxels)`; nan where $\pm 3$ ppm was not measured.

    **Raises:** as `mtr_asymmetry`.

    **Source:** K. Cai et al., Nat Med 18 (2012) 302-306.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> z, offset_ppm = np.array([0.8, 0.78, 0.7, 0.66]), np.array([-3.2, -3.0, 3.0, 3.2])
        >>> print(f"{float(mr.inverse.cest.glucest_ratio(z, offset_ppm)):.4f}")
        0.1026

        ```
    """
    sides = correct_b0(z, offset_ppm, shift_ppm, at_ppm=np.array([-3.0, 3.0]))
    return (sides[..., 0] - sides[..., 1]) / sides[..., 0]
