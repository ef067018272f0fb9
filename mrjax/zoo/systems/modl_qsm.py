"""MoDL-QSM: three gradient steps on the field, each followed by the same residual network."""

import dataclasses

import jax
import optax

from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    SHORT,
    ProximalGradientConfig,
    centred_absolute_error,
    proximal_gradient,
    susceptibility_system,
)
from mrjax.zoo.system import adam_to_rest


@dataclasses.dataclass(frozen=True)
class MoDLQSMConfig(ProximalGradientConfig):
    """As `ProximalGradientConfig`.

    Published: chi33 and the field of chi13 and chi23 as two channels, from maps of the susceptibility tensor, which synthetic
    brains do not have; here susceptibility is a scalar and has one channel. 40 epochs of 3000 steps on patches of 48 voxels,
    whose fields also hold what lies beside them, with a learning rate that halves on a plateau; here it falls to zero along half
    a period of a cosine. The fidelity is taken inside the mask; as published it counts the field outside as zero.

    **Arguments:**

    - `penalty`: Of the squares of the weights of convolutions. Zero or more; with `normalisation="none"` zero: a normalisation
        makes up for weights that shrink, and without one the layers are soon silent.
    """

    penalty: float = 5e-4

    def __post_init__(self):
        super().__post_init__()
        if not self.penalty >= 0:
            raise ValueError(f"`penalty` must not be negative, but got {self.penalty!r}.")


def optimiser(config: MoDLQSMConfig) -> optax.GradientTransformation:
    """Adam whose rate falls to zero, with a penalty on the squares of the weights."""
    kernels = lambda weights: jax.tree.map(lambda leaf: leaf.ndim > 1, weights)
    return optax.chain(optax.add_decayed_weights(2 * config.penalty, kernels), adam_to_rest(config))


SYSTEM = susceptibility_system(
    "modl_qsm",
    "unrolled gradient steps with a shared residual network; one channel",
    "R. Feng et al., MoDL-QSM (arXiv 2101.08413; code: Ruimin-Feng/MoDL-QSM)",
    {
        "paper": MoDLQSMConfig(
            n_voxels=192, voxel_size=1 * mm, patch=48, patches_per_volume=2, batch_size=2, steps=120_000
        ),
        "smoke": MoDLQSMConfig(steps=500, learning_rate=3e-3, penalty=0.0, **SHORT),
    },
    proximal_gradient,
    {"susceptibility": (1.0, centred_absolute_error)},
    optimiser=optimiser,
)
