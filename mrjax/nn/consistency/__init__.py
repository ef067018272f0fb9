"""Physics as layers: steps that draw an image, or maps, towards what was measured.

A step takes an image, a `Fidelity` (what was measured and how it comes about), and the logarithm of a step size or weight, and
returns an image. Steps hold no weights, and take and return arrays: they sit in Flax, in Equinox, and in plain JAX alike.
"""

from .encoded_model import EncodedModel as EncodedModel
from .fidelity import Fidelity as Fidelity
from .gauss_newton_step import GaussNewtonStep as GaussNewtonStep
from .gradient_step import GradientStep as GradientStep
from .proximal_step import ProximalStep as ProximalStep
from .spectra import Inverse as Inverse, inverse_of as inverse_of
from .unrolled import (
    Stage as Stage,
    Unrolled as Unrolled,
    network_then_step as network_then_step,
    step_then_network as step_then_network,
)
