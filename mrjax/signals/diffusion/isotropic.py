"""Diffusion weighting without directions: apparent diffusion and intravoxel incoherent motion."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.signals._arguments import Numbers, align


def monoexponential(bvals: Numbers, diffusion: Numbers, s0: Numbers = 1.0) -> Float[Array, "*voxels n_samples"]:
    r"""Gaussian diffusion: the apparent diffusion coefficient (ADC).

    $$S = S_0 \, e^{-b D}$$

    **Arguments:**

    - `bvals`: b-values in **s/m^2**. A number or shape `(n_samples,)`. Zero or more, finite.
    - `diffusion`: Diffusion coefficient in m^2/s. Shape `(*voxels)`. Finite.
    - `s0`: Signal without diffusion weighting, in any unit. Shape `(*voxels)`.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `s0`. Exact, differentiable everywhere.

    **Raises:** `ValueError` for shapes that do not broadcast or values out of range. Warns where no b-value reaches 1e6 s/m^2:
    were s/mm^2 meant?

    **Source:** D. Le Bihan et al., Radiology 161 (1986) 401-407.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import monoexponential
        >>> from mrjax.units import mm, s
        >>> print(np.asarray(monoexponential(np.array([0.0, 1000.0]) * s / mm**2, diffusion=0.7e-9)).round(4))
        [1.     0.4966]

        ```
    """
    bvals, diffusion, s0 = align(samples={"bvals": bvals}, voxels={"diffusion": diffusion, "s0": s0})
    return s0 * jnp.exp(-bvals * diffusion)


def ivim(
    bvals: Numbers,
    diffusion: Numbers,
    perfusion_fraction: Numbers,
    pseudo_diffusion: Numbers,
    s0: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""Intravoxel incoherent motion: blood in capillaries beside water that diffuses.

    $$S = S_0 \left( (1 - f) \, e^{-b D} + f \, e^{-b D^*} \right)$$

    **Arguments:**

    - `bvals`: b-values in **s/m^2**. A number or shape `(n_samples,)`. Zero or more, finite.
    - `diffusion`: $D$ of the tissue in m^2/s. Shape `(*voxels)`. Finite.
    - `perfusion_fraction`: $f$, the share of the signal at b = 0 that comes from blood. Shape `(*voxels)`. Finite.
    - `pseudo_diffusion`: $D^*$ of the blood in m^2/s. Shape `(*voxels)`. Finite.
    - `s0`: Signal without diffusion weighting, in any unit. Shape `(*voxels)`.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `s0`. Exact, differentiable everywhere.

    **Raises:** as `monoexponential`.

    **Source:** D. Le Bihan et al., Radiology 168 (1988) 497-505.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.diffusion import ivim
        >>> signal = ivim(np.array([0.0, 50e6, 800e6]), 1e-9, perfusion_fraction=0.1, pseudo_diffusion=20e-9)
        >>> print(np.asarray(signal).round(4))
        [1.     0.8929 0.4044]

        ```
    """
    bvals, diffusion, fraction, pseudo, s0 = align(
        samples={"bvals": bvals},
        voxels={
            "diffusion": diffusion,
            "perfusion_fraction": perfusion_fraction,
            "pseudo_diffusion": pseudo_diffusion,
            "s0": s0,
        },
    )
    return s0 * ((1 - fraction) * jnp.exp(-bvals * diffusion) + fraction * jnp.exp(-bvals * pseudo))
