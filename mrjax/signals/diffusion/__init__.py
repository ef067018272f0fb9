"""Closed forms of diffusion weighting: apparent diffusion, IVIM, the diffusion tensor, the kurtosis tensor, and
dispersed neurites.

**b-values are in s/m^2**, as everything is in SI: `1000 * s / mm**2` is 1e9. Scanner files hold s/mm^2; `mrjax.units` converts
(`bvals / mm**2`). Diffusion coefficients are in m^2/s: that of free water is 3e-9.

Gradient directions are unit vectors, rows of an array `(n_samples, 3)`; where the b-value is zero the direction may be zero
or nan. Tensors are given by their distinct elements on the last axis, in the orders of `TENSOR_ELEMENTS` and
`KURTOSIS_ELEMENTS`.
"""

from .anisotropic import diffusion_kurtosis as diffusion_kurtosis, diffusion_tensor as diffusion_tensor
from .dispersed import (
    dispersed_neurites as dispersed_neurites,
    dispersed_sticks as dispersed_sticks,
    mean_square_cosine as mean_square_cosine,
)
from .isotropic import ivim as ivim, monoexponential as monoexponential
from .tensors import (
    KURTOSIS_ELEMENTS as KURTOSIS_ELEMENTS,
    TENSOR_ELEMENTS as TENSOR_ELEMENTS,
    along as along,
    direction_products as direction_products,
    mean_diffusivity as mean_diffusivity,
)
from .weighting import checked_b_values as checked_b_values, gradient_table as gradient_table
