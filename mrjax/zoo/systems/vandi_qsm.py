"""VaNDI-QSM: steps of nonlinear dipole inversion, each with a learned regulariser of its own."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.encoding import Dipole
from mrjax.nn import FieldsOfExperts
from mrjax.nn.consistency import Fidelity, GradientStep, Unrolled
from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    FILLED_CUBE,
    Measured,
    Problem,
    SusceptibilityConfig,
    centred_square_error,
    dipoles,
    divided,
    phase_per_ppm,
    susceptibility_system,
    within,
)
from mrjax.zoo.system import adam_to_rest


@dataclasses.dataclass(frozen=True)
class VaNDIConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the network.

    The sources that were read give the form of a step alone; how many stages, filters and functions there are, and the training,
    are choices of this package. Phases are those of `echo_time` and `b0`, at which an estimate takes fields to be measured.

    **Arguments:**

    - `stages`: Steps.
    - `filters`: Of each regulariser.
    - `kernel`: Voxels of a filter along each axis.
    - `functions`: Gaussians that the function of a filter's response is made of.
    """

    stages: int = 10
    filters: int = 24
    kernel: int = 5
    functions: int = 31

    def __post_init__(self):
        super().__post_init__()
        for name in ("stages", "filters", "kernel", "functions"):
            _checks.positive_integer(getattr(self, name), name)


class ComplexField(Module):
    r"""The field as the phase of a complex number, $e^{i \phi_0 D x}$.

    **Arguments:**

    - `dipole`: $D$.
    - `phase_per_ppm`: $\phi_0$, the phase of a field of 1 ppm in rad.
    """

    dipole: Dipole
    phase_per_ppm: float = eqx.field(static=True)

    def __call__(self, volume: Float[Array, "nx ny nz"]) -> Complex[Array, "nx ny nz"]:
        """Of magnitude one."""
        return jnp.exp(1j * self.phase_per_ppm * self.dipole.mv(volume))


def stage(image: Array, problem: Problem, log_strength: Array, network: Callable[[Array], Array]) -> Array:
    """A step down the gradient of the data, and what the regulariser takes away."""
    moved = jax.vmap(GradientStep(), in_axes=(0, 0, None))(image, problem.fidelity, log_strength)
    return moved - within(network, image, problem.mask)


class VaNDI(nnx.Module):
    r"""Nonlinear dipole inversion with learned steps and regularisers.

    $$x_{k+1} = x_k - \tau_k \phi_0 D \, W \sin(\phi_0 D x_k - \varphi) - R_k(x_k)$$

    with the weights $W$ of the field, its phase $\varphi$, and the phase $\phi_0$ of 1 ppm. $x_0$ is a thresholded division of
    $\sin \varphi / \phi_0$. The regularisers start at zero: before training this is nonlinear dipole inversion from there.

    **Arguments:**

    - `config`: Stages and regularisers.
    - `rngs`: Random numbers for the initial weights.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    """

    def __init__(self, config: VaNDIConfig, rngs: nnx.Rngs):
        self.phase_per_ppm = phase_per_ppm(config)
        # of many filters the sum would be more than the image, with any other slope that does not fall with their number
        regulariser = lambda rngs: FieldsOfExperts(
            rank=3, n_filters=config.filters, kernel=config.kernel, n_functions=config.functions, slope=0, rngs=rngs
        )
        # with a weight of one steps are stable up to 4.5, and weights reach four times their mean
        step = -2 * jnp.log(self.phase_per_ppm)
        self.unrolled = Unrolled(stage, regulariser, config.stages, log_strength=step, share_network=False, rngs=rngs)

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        seen = jnp.exp(1j * self.phase_per_ppm * measured["field"])
        of_sample = lambda dipole, seen, weights: Fidelity(ComplexField(dipole, self.phase_per_ppm), seen, weights)
        problem = Problem(jax.vmap(of_sample)(dipoles(measured), seen, measured["weights"]), measured["mask"])
        # what the gradient at zero sees: it has no jump, where a few voxels of a phase that jumps spoil a whole division
        sines = jnp.sin(self.phase_per_ppm * measured["field"]) / self.phase_per_ppm
        return self.unrolled(divided(measured | {"field": sines}), problem)


SYSTEM = susceptibility_system(
    "vandi_qsm",
    "unrolled nonlinear dipole inversion with learned filters",
    "D. Polak et al., VaNDI: variational nonlinear dipole inversion, ISMRM 2019, 319",
    {
        "paper": VaNDIConfig(
            n_voxels=192, voxel_size=1 * mm, patch=64, patches_per_volume=2, batch_size=2, steps=100_000
        ),
        "smoke": VaNDIConfig(
            stages=4, filters=8, kernel=3, functions=11, steps=1000, learning_rate=5e-3, **FILLED_CUBE
        ),
    },
    VaNDI,
    {"susceptibility": (1.0, centred_square_error)},
    optimiser=adam_to_rest,
)
