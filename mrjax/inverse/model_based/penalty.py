"""What is asked of maps beside that they explain the data."""

import abc
from collections.abc import Callable

from jaxtyping import Array, Float

from mrjax._module import Module


class Penalty(Module):
    """A function of the unknowns of all voxels that a search meets by squares, which touch it where the search is."""

    @abc.abstractmethod
    def curvature(
        self, unknowns: Float[Array, "*voxels p"]
    ) -> tuple[Callable[[Array], Array], Float[Array, "*voxels"]]:
        """What the squares add to the matrix of a search at `unknowns`, and nearly its diagonal."""
