"""MoDL: images by stages of one denoiser and the least squares solution that stays near its answer, for any encoding."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Complex

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.nn.complex_channels import channels_as_complex, complex_as_channels
from mrjax.nn.consistency import Fidelity, ProximalStep, Unrolled, network_then_step
from mrjax.nn.dncnn import DnCNN

FIRST_WEIGHT = 0.05
"""Of the distance to the denoised image, as in the published code of MoDL; it is learned."""


class Denoiser(nnx.Module):
    """`DnCNN` of real and imaginary parts, from complex images `(batch, *voxels)` to the same; it starts as the identity."""

    def __init__(self, rank: int, channels: int, n_layers: int, rngs: nnx.Rngs):
        self.network = DnCNN(
            2, 2, rank=rank, channels=channels, n_layers=n_layers, normalisation=None, zero_output=True, rngs=rngs
        )

    def __call__(self, images: Array) -> Array:
        """The denoised images."""
        return channels_as_complex(self.network(complex_as_channels(images[..., None])))[..., 0]


class MoDL(nnx.Module):
    r"""An image from k-space on the grid or off it: one denoiser and least squares in turn.

    $$x^{(0)} = (A^H W A + \lambda)^{-1} A^H W y, \qquad
    x^{(k + 1)} = (A^H W A + \lambda)^{-1} (A^H W y + \lambda D(x^{(k)}))$$

    by conjugate gradients. Stages share the denoiser $D$ and $\lambda$, which are both learned. This is the reconstruction of
    BJORK; its denoiser is a larger network.

    **Arguments:**

    - `n_stages`: Of denoiser and least squares, at least 1.
    - `channels`, `n_layers`: Of the denoiser: features, and convolutions of kernel 3.
    - `n_first`, `n_iterations`: Conjugate gradients for $x^{(0)}$, and in each stage.
    - `rank`: Axes of the images, 2 or 3.
    - `rngs`: Random numbers for the initial weights.

    Called with a `mrjax.nn.consistency.Fidelity` it returns the images, complex, shape `(batch, *voxels)`. The encoding $A$ of
    the fidelity is a `LinearOperator` such as `Nufft(...) @ Coils(...)` that all images share; its data are
    `(batch, n_coils, n_samples)`. Its weights set the scale of $\lambda$: off the grid, one over the number of samples, for all
    of them, makes the diagonal of $A^H W A$ one where the squares of the coils add up to one.

    **Derivatives:** in weights, data, trajectory and coils, of the least squares by their own equation: see `ProximalStep`.

    **Raises:** `ValueError` where a number is out of range; `TypeError` for an encoding that is not linear.

    **Source:** H. K. Aggarwal, M. P. Mani, M. Jacob, IEEE Trans Med Imaging 38 (2019) 394-405; G. Wang, T. Luo, J.-F. Nielsen,
    D. C. Noll, J. A. Fessler, IEEE Trans Med Imaging 41 (2022) 2318-2330 (BJORK).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> from mrjax.encoding import Coils, Nufft
        >>> k = jnp.linspace(-40.0, 40.0, 32)
        >>> encoding = Nufft(jnp.stack([k, k[::-1]], axis=1), (8, 8), voxel_size=0.01)
        >>> scan = encoding @ Coils(jnp.ones((2, 8, 8)) / jnp.sqrt(2.0))
        >>> data = jnp.ones((3, 2, 32), complex)  # three images, two coils
        >>> network = mr.nn.MoDL(n_stages=2, channels=8, rngs=nnx.Rngs(0))
        >>> network(mr.nn.consistency.Fidelity(scan, data, weights=1 / 32)).shape
        (3, 8, 8)

        ```
    """

    def __init__(
        self,
        n_stages: int = 6,
        *,
        channels: int = 64,
        n_layers: int = 5,
        n_first: int = 12,
        n_iterations: int = 8,
        rank: int = 2,
        rngs: nnx.Rngs,
    ):
        self.n_first = _checks.positive_integer(n_first, "n_first")
        self.stages = Unrolled(
            network_then_step(_OfEach(n_iterations)),
            lambda rngs: Denoiser(rank, channels, n_layers, rngs),
            n_stages,
            log_strength=math.log(FIRST_WEIGHT),
            share_strength=True,
            rngs=rngs,
        )

    def __call__(self, fidelity: Fidelity) -> Complex[Array, "batch *voxels"]:
        """The images of the data."""
        encoding = fidelity.encoding
        if not isinstance(encoding, LinearOperator):
            raise TypeError(f"`MoDL` needs an encoding that is a LinearOperator, but got a {type(encoding).__name__}.")
        shape = jax.eval_shape(encoding.adjoint, fidelity.data)
        nothing = jnp.zeros(shape.shape, shape.dtype)
        first = _OfEach(self.n_first)(nothing, fidelity, self.stages.log_strength[...])
        return self.stages(first, fidelity)


class _OfEach:
    """The proximal step of each image of a batch by itself: images do not share their conjugate gradients."""

    def __init__(self, n_iterations: int):
        self.solve = ProximalStep(n_iterations)

    def __call__(self, images: Array, fidelity: Fidelity, log_weight: ArrayLike) -> Array:
        def of_one(image: Array, data: Array, weights: Array | None) -> Array:
            return self.solve(image, Fidelity(fidelity.encoding, data, weights), log_weight)

        if fidelity.weights is None:
            return jax.vmap(lambda image, data: of_one(image, data, None))(images, fidelity.data)
        weights = jnp.broadcast_to(fidelity.weights, (images.shape[0], *fidelity.weights.shape[1:]))
        return jax.vmap(of_one)(images, fidelity.data, weights)
