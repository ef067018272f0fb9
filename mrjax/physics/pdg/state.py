"""The state of phase distribution graphs."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.physics.state import AbstractState
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


class PDGState(AbstractState):
    r"""The magnetisation by what has wound it; states on the first axis, voxels on the last.

    $$M_{xy} = \sum_\kappa F_\kappa e^{2 \pi i \kappa \cdot \rho}, \qquad
    M_z = \sum_\kappa Z_\kappa e^{2 \pi i \kappa \cdot \rho},$$

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

    @property
    def known_dephasing(self) -> Float[np.ndarray, "state 5"]:
        """In double precision, of all voxels alike.

        **Raises:** `ValueError` where it is traced.
        """
        if not _checks.is_concrete(self.dephasing):
            raise ValueError(
                "`state` must be known before compiling, for the graph begins with its states, but its dephasing is traced; keep "
                "that of the known state, and change the magnetisation alone (`with_magnetisation`)."
            )
        flat = np.asarray(self.dephasing, float).reshape(*self.dephasing.shape[:2], -1)
        dephasing = flat[:, :, 0].T
        # those after the last that is wound are empty
        return dephasing[: 1 + int(np.flatnonzero(dephasing.any(axis=1)).max(initial=0))]

    def n_mixing_axes(self, tissue: Tissue) -> int:
        del tissue
        return 1

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "PDGState":
        """Refused: each repetition has states of its own."""
        raise ValueError(
            f"`engine` must keep the same states in every repetition, but those of {type(engine).__name__} grow with each; play "
            f"{sequence.duration:.3g} s again and again by `mrjax.play`, or use `EPG(n_states=...)`."  # pyright: ignore[reportAttributeAccessIssue]
        )


def resized(state: PDGState, n_states: int, dtype: DTypeLike) -> PDGState:
    """A state with room for more states, which hold nothing, or without those after the first few."""

    def of_size(array: Array, axis: int) -> Array:
        missing = max(0, n_states - array.shape[axis])
        padding = [(0, missing if i == axis else 0) for i in range(array.ndim)]
        return jnp.take(jnp.pad(array, padding), jnp.arange(n_states), axis=axis)

    plus, minus, z = (of_size(component, 0).astype(dtype) for component in state.magnetisation)
    return PDGState(plus, minus, z, of_size(state.dephasing, 1))
