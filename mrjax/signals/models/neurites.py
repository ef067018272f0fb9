"""Density and dispersion of neurites from diffusion weighting in several shells."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.signals.diffusion import dispersed_neurites, gradient_table
from mrjax.signals.models.diffusion import S0
from mrjax.signals.models.signal_model import Parameter, SignalModel, need


class DispersedNeurites(SignalModel):
    """Sticks with a Watson distribution, hindered water around them and free water (NODDI).

    Two shells above zero are needed. The direction is given by `polar`, the angle from z, and `azimuth`, that from x to y;
    opposite ones are the same, and fits may return either, or angles beyond a turn. Where the direction is that of z, the azimuth
    is not determined.

    **Arguments:**

    - `bvals`: b-values in **s/m^2** (1000 s/mm^2 is 1e9). Shape `(n_samples,)`.
    - `bvecs`: Unit vectors, shape `(n_samples, 3)`.
    - `diffusion`, `free_diffusion`: Along neurites and of free water in m^2/s, known numbers.

    **Raises:** `ValueError` where shapes do not fit, b-values are negative, directions are no unit vectors or diffusion is not
    positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.DispersedNeurites(jnp.array([0.0, 1e9, 2e9]), jnp.eye(3))
        >>> model.names
        ('neurite_density', 'dispersion', 'free_water', 'polar', 'azimuth', 's0')

        ```
    """

    bvals: Float[Array, " n"] = need("s/m^2", "b-values")
    bvecs: Float[Array, "n 3"] = need("", "directions")
    diffusion: float = need("m^2/s", "along neurites", default=1.7e-9, static=True)
    free_diffusion: float = need("m^2/s", "of free water", default=3e-9, static=True)
    equation: ClassVar[str] = (
        r"S = S_0 \left( (1 - f_w) \left( v A(b d, g \cdot \mu, \kappa) + (1 - v) e^{-b g^T D g} \right) + f_w e^{-b d_w} \right)"
    )
    source: ClassVar[str] = "H. Zhang et al., NeuroImage 61 (2012) 1000-1016"

    def __init__(self, bvals: Any, bvecs: Any, diffusion: float = 1.7e-9, free_diffusion: float = 3e-9):
        self.bvals, self.bvecs = gradient_table(bvals, bvecs)
        for name, value in {"diffusion": diffusion, "free_diffusion": free_diffusion}.items():
            _checks.finite(_checks.positive(_checks.real_array(value, name), name, "m^2/s"), name)
            setattr(self, name, float(value))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        polar = tuple((math.pi / 6 * (np.arange(6) + 0.5)).tolist())
        azimuth = tuple((math.pi / 8 * (np.arange(8) + 0.5)).tolist())
        return (
            Parameter("neurite_density", "", "of the water that is not free", 0.0, 1.0, (0.2, 0.4, 0.6, 0.8)),
            Parameter("dispersion", "", "orientation dispersion index", 2e-3, 1.0, (0.05, 0.15, 0.35, 0.7)),
            Parameter("free_water", "", "share of the signal", 0.0, 1.0, (0.02, 0.2, 0.6)),
            Parameter("polar", "rad", "angle of the direction from z", -2 * math.pi, 3 * math.pi, polar),
            Parameter("azimuth", "rad", "angle of the direction from x to y", -4 * math.pi, 5 * math.pi, azimuth),
            S0,
        )

    @property
    def n_samples(self) -> int:
        return self.bvals.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        polar, azimuth = parameters["polar"], parameters["azimuth"]
        sine = jnp.sin(polar)
        direction = jnp.stack([sine * jnp.cos(azimuth), sine * jnp.sin(azimuth), jnp.cos(polar)], axis=-1)
        tissue = (parameters[name] for name in ("neurite_density", "dispersion", "free_water", "s0"))
        return dispersed_neurites(
            self.bvals, self.bvecs, direction, *tissue, diffusion=self.diffusion, free_diffusion=self.free_diffusion
        )
