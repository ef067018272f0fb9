"""Models of diffusion weighting: apparent diffusion, IVIM, the diffusion tensor and the kurtosis tensor."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.signals.diffusion import (
    KURTOSIS_ELEMENTS,
    TENSOR_ELEMENTS,
    checked_b_values,
    diffusion_kurtosis,
    diffusion_tensor,
    direction_products,
    gradient_table,
    ivim,
    monoexponential,
)
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need

S0 = amplitude("s0", "signal without diffusion weighting")
MOST_DIFFUSION = 1e-7  # thirty times that of free water


def _diffusion(low: float, high: float, n: int) -> Parameter:
    trials = tuple(np.geomspace(low, high, n).tolist())
    return Parameter("diffusion", "m^2/s", "diffusion coefficient", 0.0, MOST_DIFFUSION, trials)


class ApparentDiffusion(SignalModel):
    """Mono-exponential decay over the b-value: the apparent diffusion coefficient.

    **Arguments:**

    - `bvals`: b-values in **s/m^2** (1000 s/mm^2 is 1e9). Shape `(n_samples,)`.

    **Raises:** `ValueError` where b-values are negative. Warns where none reaches 1e6 s/m^2: were s/mm^2 meant?

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import mm, s
        >>> model = mr.signals.models.ApparentDiffusion(bvals=jnp.array([0.0, 500.0, 1000.0]) * s / mm**2)
        >>> data = model({"diffusion": jnp.array([0.7e-9]), "s0": jnp.array([100.0])})
        >>> print(f"{mr.inverse.least_squares(model, data).parameters['diffusion'][0]:.3g}")
        7e-10

        ```
    """

    bvals: Float[Array, " n"] = need("s/m^2", "b-values")
    equation: ClassVar[str] = r"S = S_0 e^{-b D}"
    source: ClassVar[str] = "D. Le Bihan et al., Radiology 161 (1986) 401-407"

    def __init__(self, bvals: Any):
        self.bvals = checked_b_values(bvals)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return _diffusion(2e-11, 2e-8, 80), S0

    @property
    def n_samples(self) -> int:
        return self.bvals.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return monoexponential(self.bvals, parameters["diffusion"], parameters["s0"])


class IntravoxelIncoherentMotion(SignalModel):
    """Blood in capillaries beside water that diffuses (IVIM): two exponentials over the b-value.

    **Arguments:**

    - `bvals`: b-values in **s/m^2** (1000 s/mm^2 is 1e9). Shape `(n_samples,)`. Several below 2e8 are needed.

    **Raises:** as `ApparentDiffusion`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.IntravoxelIncoherentMotion(bvals=1e6 * jnp.array([0.0, 10, 30, 80, 200, 400, 800]))
        >>> truth = {"diffusion": 1e-9, "perfusion_fraction": 0.1, "pseudo_diffusion": 3e-8, "s0": 1.0}
        >>> data = model({name: jnp.array([value]) for name, value in truth.items()})
        >>> round(float(mr.inverse.least_squares(model, data).parameters["perfusion_fraction"][0]), 3)
        0.1

        ```
    """

    bvals: Float[Array, " n"] = need("s/m^2", "b-values")
    equation: ClassVar[str] = r"S = S_0 ((1 - f) e^{-b D} + f e^{-b D^*})"
    source: ClassVar[str] = "D. Le Bihan et al., Radiology 168 (1988) 497-505"

    def __init__(self, bvals: Any):
        self.bvals = checked_b_values(bvals)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        shares = tuple(np.linspace(0.02, 0.6, 20).tolist())
        fraction = Parameter("perfusion_fraction", "", "share of the signal that comes from blood", 0.0, 1.0, shares)
        # above the diffusion of any water, so that the two exponentials cannot change places
        trials = tuple(np.geomspace(5e-9, 3e-7, 20).tolist())
        pseudo = Parameter("pseudo_diffusion", "m^2/s", "pseudo-diffusion coefficient of blood", 4e-9, 1e-6, trials)
        return _diffusion(2e-10, 3.5e-9, 25).within(upper=4e-9), fraction, pseudo, S0

    @property
    def n_samples(self) -> int:
        return self.bvals.size

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        names = ("diffusion", "perfusion_fraction", "pseudo_diffusion", "s0")
        return ivim(self.bvals, *(parameters[name] for name in names))


def _tensor_parameters() -> tuple[Parameter, ...]:
    trials = tuple(np.geomspace(1e-10, 3e-9, 8).tolist())
    diagonal = lambda name: Parameter(name, "m^2/s", "diffusion along an axis", 0.0, MOST_DIFFUSION, trials)
    mixed = lambda name: Parameter(name, "m^2/s", "element of the tensor", -MOST_DIFFUSION, MOST_DIFFUSION, (0.0,))
    return tuple(diagonal(name) if name[-1] == name[-2] else mixed(name) for name in TENSOR_ELEMENTS)


def _kurtosis_parameters() -> tuple[Parameter, ...]:
    def element(name: str) -> Parameter:
        # those of a kurtosis of 0.8 in every direction
        axes = sorted(name.removeprefix("w_").count(axis) for axis in "xyz")
        isotropic = {4: 0.8, 2: 0.8 / 3}[axes[-1]] if axes in ([0, 0, 4], [0, 2, 2]) else 0.0
        return Parameter(name, "", "element of the kurtosis tensor", -50.0, 50.0, (isotropic,))

    return tuple(element(name) for name in KURTOSIS_ELEMENTS)


class DiffusionTensor(SignalModel):
    """Anisotropic Gaussian diffusion (DTI).

    **Arguments:**

    - `bvals`: b-values in **s/m^2** (1000 s/mm^2 is 1e9). Shape `(n_samples,)`.
    - `bvecs`: Unit vectors, shape `(n_samples, 3)`; any where the b-value is zero.

    **Raises:** `ValueError` where shapes do not fit, b-values are negative or directions are no unit vectors. Warns where no
    b-value reaches 1e6 s/m^2: were s/mm^2 meant?

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> bvecs = jnp.array([[0, 0, 0], [1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1.0]]) / 2**0.5
        >>> model = mr.signals.models.DiffusionTensor(1e9 * jnp.array([0.0, 1, 1, 1, 1, 1, 1]), bvecs)
        >>> truth = {"s0": 100.0, "d_xx": 1.5e-9, "d_xy": 0.0, "d_xz": 0.0, "d_yy": 0.4e-9, "d_yz": 0.0, "d_zz": 0.4e-9}
        >>> data = model({name: jnp.array([value]) for name, value in truth.items()})
        >>> fit = mr.inverse.diffusion.weighted_fit(model, data)
        >>> maps = mr.inverse.diffusion.tensor_maps(fit.parameters)
        >>> print(f"{maps.fractional_anisotropy[0]:.3f}")
        0.686

        ```
    """

    bvals: Float[Array, " n"] = need("s/m^2", "b-values")
    bvecs: Float[Array, "n 3"] = need("", "directions")
    equation: ClassVar[str] = r"S = S_0 \exp(-b \sum_{ij} g_i g_j D_{ij})"
    source: ClassVar[str] = "P. J. Basser, J. Mattiello, D. Le Bihan, J Magn Reson B 103 (1994) 247-254"

    def __init__(self, bvals: Any, bvecs: Any):
        self.bvals, self.bvecs = gradient_table(bvals, bvecs)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return S0, *_tensor_parameters()

    @property
    def n_samples(self) -> int:
        return self.bvals.size

    def log_design(self, unit: float = 1.0) -> Float[Array, "n 7"]:
        """The matrix that takes the logarithm of `s0` and the tensor, in `unit` m^2/s, to that of the signal."""
        ones = jnp.ones_like(self.bvals)[:, None]
        return jnp.concatenate([ones, -(unit * self.bvals)[:, None] * direction_products(self.bvecs, 2)], axis=-1)

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        return diffusion_tensor(self.bvals, self.bvecs, stacked(parameters, TENSOR_ELEMENTS), parameters["s0"])


class DiffusionKurtosis(SignalModel):
    """Diffusion that is not Gaussian, to the second order of the cumulant expansion (DKI).

    Two shells of b-values above zero are needed, and 15 directions.

    **Arguments:**

    - `bvals`, `bvecs`: As those of `DiffusionTensor`.

    **Raises:** as `DiffusionTensor`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.DiffusionKurtosis(jnp.array([0.0, 1e9, 2e9]), jnp.eye(3))
        >>> model.names[:8]
        ('s0', 'd_xx', 'd_xy', 'd_xz', 'd_yy', 'd_yz', 'd_zz', 'w_xxxx')

        ```
    """

    bvals: Float[Array, " n"] = need("s/m^2", "b-values")
    bvecs: Float[Array, "n 3"] = need("", "directions")
    equation: ClassVar[str] = (
        r"\ln S / S_0 = -b \sum_{ij} g_i g_j D_{ij} + (b^2 / 6) \bar D^2 \sum_{ijkl} g_i g_j g_k g_l W_{ijkl}"
    )
    source: ClassVar[str] = "J. H. Jensen et al., Magn Reson Med 53 (2005) 1432-1440"

    def __init__(self, bvals: Any, bvecs: Any):
        self.bvals, self.bvecs = gradient_table(bvals, bvecs)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return S0, *_tensor_parameters(), *_kurtosis_parameters()

    @property
    def n_samples(self) -> int:
        return self.bvals.size

    def log_design(self, unit: float = 1.0) -> Float[Array, "n 22"]:
        """The matrix that takes the logarithm of `s0`, the tensor in `unit` m^2/s and the kurtosis tensor times the square of
        the mean diffusivity to the logarithm of the signal.
        """
        b = (unit * self.bvals)[:, None]
        columns = [jnp.ones_like(b), -b * direction_products(self.bvecs, 2)]
        return jnp.concatenate([*columns, b**2 / 6 * direction_products(self.bvecs, 4)], axis=-1)

    def __call__(self, parameters: Mapping[str, Array]) -> Float[Array, "*voxels n"]:
        tensor, kurtosis = (stacked(parameters, names) for names in (TENSOR_ELEMENTS, KURTOSIS_ELEMENTS))
        return diffusion_kurtosis(self.bvals, self.bvecs, tensor, kurtosis, parameters["s0"])


def stacked(parameters: Mapping[str, Any], names: tuple[str, ...]) -> Float[Array, "*voxels element"]:
    """Named elements of a tensor on the last axis.

    **Arguments:**

    - `parameters`: Maps of shape `(*voxels)` by name.
    - `names`: `TENSOR_ELEMENTS` or `KURTOSIS_ELEMENTS`.

    **Raises:** `ValueError` where an element is missing.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.models.diffusion import stacked
        >>> stacked({"d_xx": jnp.zeros(3), "d_xy": jnp.ones(3)}, ("d_xy", "d_xx")).shape
        (3, 2)

        ```
    """
    missing = [name for name in names if name not in parameters]
    if missing:
        raise ValueError(f"`parameters` must hold {', '.join(names)}, but lack {', '.join(missing)}.")
    return jnp.stack([jnp.asarray(parameters[name]) for name in names], axis=-1)
