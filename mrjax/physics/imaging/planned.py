"""A sum over voxels that is planned: what precedes the computation."""

from abc import abstractmethod

from jaxtyping import Array, Complex

from mrjax.tissue import Tissue


class AbstractPlannedSum:
    """How a sequence is played on many voxels, whatever the coils are."""

    @abstractmethod
    def __call__(
        self, tissue: Tissue, coils: Complex[Array, "coil *voxels"] | None
    ) -> Complex[Array, "coil n_samples"]:
        """The signal of each coil, or of one."""
