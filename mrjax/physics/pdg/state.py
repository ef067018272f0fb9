"""The state of phase distribution graphs."""

import dataclasses
from typing import Any

from jaxtyping import Array, Complex, Float

from mrjax.physics.state import AbstractState
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


class PDGState(AbstractState):
    r"""The magnetisation by what has wound it; states on the first axis, voxels on the last.

    $$M_{xy} = \sum_\kappa F_\kappa e^{2 \pi i \kappa \cdot \rho}, \qquad M_z = \sum_\kappa Z_\kappa e^{2 \pi i \kappa \cdot \rho},$$

    where $\kappa$ holds cycles per m along x, y and z, cycles across the voxel, and a time, for which off-resonances turn. The
    first state is that of $\kappa = 0$; one stands for $\kappa$ and $-\kappa$ otherwise.
    """

    plus: Complex[Array, "state *voxel"]
    r"""$F_\kappa$."""
    minus: Complex[Array, "state *voxel"]
    r"""$F_{-\kappa}^*$."""
    z: Complex[Array, "state *voxel"]
    r"""$Z_\kappa = Z_{-\kappa}^*$."""
    dephasing: Float[Array, "5 state *voxel"]
    r"""$\kappa$: in 1/m, cycles and s."""

    @property
    def magnetisation(self) -> tuple[Array, Array, Array]:
        return self.plus, self.minus, self.z

    def with_magnetisation(self, *magnetisation: Array) -> "PDGState":
        plus, minus, z = magnetisation
        return dataclasses.replace(self, plus=plus, minus=minus, z=z)

    def n_mixing_axes(self, tissue: Tissue) -> int:
        del tissue
        return 1

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "PDGState":
        """Refused: each repetition has states of its own."""
        raise ValueError(
            f"`engine` must keep the same states in every repetition, but those of {type(engine).__name__} grow with each; play "
            f"{sequence.duration:.3g} s again and again by `mrjax.play`, or use `EPG(n_states=...)`."  # pyright: ignore[reportAttributeAccessIssue]
        )
