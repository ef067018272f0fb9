"""NC-PDNet: images from k-space off the grid by an unrolled primal-dual iteration with density compensation."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.nn.complex_channels import channels_as_complex, complex_as_channels
from mrjax.nn.consistency import Fidelity, Unrolled
from mrjax.nn.dncnn import DnCNN


class Correction(nnx.Module):
    """What is added to the primal buffers: convolutions of them and of the gradient, as real and imaginary parts.

    Called with `(batch, *voxels, n_primal + 1)`, complex, it returns `(batch, *voxels, n_primal)`.
    """

    def __init__(self, n_primal: int, rank: int, channels: int, n_layers: int, rngs: nnx.Rngs):
        self.network = DnCNN(
            2 * (n_primal + 1),
            2 * n_primal,
            rank=rank,
            channels=channels,
            n_layers=n_layers,
            normalisation=None,
            residual=False,
            zero_output=True,
            rngs=rngs,
        )

    def __call__(self, buffers: Array) -> Array:
        """The change of the buffers."""
        return channels_as_complex(self.network(complex_as_channels(buffers)))


class NCPDNet(nnx.Module):
    r"""An image from k-space off the grid: stages of residual, density-compensated adjoint and convolutions.

    $$x^{(0)} = (A^H W y, \dots, A^H W y), \qquad
    x^{(k + 1)} = x^{(k)} + N_k\!\left(x^{(k)}, \, A^H W (A x^{(k)}_1 - y)\right), \qquad \hat x = x^{(K)}_1$$

    with $P$ images $x = (x_1 \dots x_P)$, the primal buffers, of which the first is the answer. Every stage has a network $N_k$
    of its own. As in the published code the step in k-space is the residual alone; the last convolutions start at zero, which
    is ours, so that an untrained network returns the density-compensated adjoint.

    **Arguments:**

    - `n_stages`: $K$, at least 1.
    - `n_primal`: $P$, at least 1.
    - `channels`, `n_layers`: Of each $N_k$: features, and convolutions of kernel 3 with ReLU between them.
    - `rank`: Axes of the images, 2 or 3.
    - `rngs`: Random numbers for the initial weights.

    Called with a `mrjax.nn.consistency.Fidelity` it returns the images, complex, shape `(batch, *voxels)`. The encoding $A$ of
    the fidelity is a `LinearOperator` such as `Nufft(...) @ Coils(...)` that all images share; its data are
    `(batch, n_coils, n_samples)`; its weights $W$ are the density, `(n_samples,)`, in the scale of
    `mrjax.encoding.iterative_density`, and the squares of the coils should add up to one: then
    $A^H W A$ is near the identity, whatever the trajectory.

    **Derivatives:** in weights, data, trajectory, density and coils.

    **Raises:** `ValueError` where a number is out of range, and for data without an axis of images; `TypeError` for an
    encoding that is not linear.

    **Source:** Z. Ramzi, Chaithya G. R., J.-L. Starck, P. Ciuciu, IEEE Trans Med Imaging 41 (2022) 1625-1638 (code:
    zaccharieramzi/fastmri-reproducible-benchmark); J. Adler, O. Öktem, IEEE Trans Med Imaging 37 (2018) 1322-1332.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> from mrjax.encoding import Coils, Nufft, iterative_density
        >>> k = jnp.linspace(-40.0, 40.0, 32)
        >>> encoding = Nufft(jnp.stack([k, k[::-1]], axis=1), (8, 8), voxel_size=0.01)
        >>> scan = encoding @ Coils(jnp.ones((2, 8, 8)) / jnp.sqrt(2.0))
        >>> data = jnp.ones((3, 2, 32), complex)  # three images, two coils
        >>> network = mr.nn.NCPDNet(n_stages=2, channels=8, rngs=nnx.Rngs(0))
        >>> network(mr.nn.consistency.Fidelity(scan, data, iterative_density(encoding))).shape
        (3, 8, 8)

        ```
    """

    def __init__(
        self,
        n_stages: int = 10,
        *,
        n_primal: int = 5,
        channels: int = 32,
        n_layers: int = 3,
        rank: int = 2,
        rngs: nnx.Rngs,
    ):
        self.n_primal, self.rank = _checks.positive_integer(n_primal, "n_primal"), rank
        self.stages = Unrolled(
            corrected,
            lambda rngs: Correction(n_primal, rank, channels, n_layers, rngs),
            n_stages,
            share_network=False,
            rngs=rngs,
        )

    def __call__(self, fidelity: Fidelity) -> Complex[Array, "batch *voxels"]:
        """The images of the data."""
        if fidelity.data.ndim < 2:
            raise ValueError(f"`data` must have shape (batch, ..., n_samples), but got {fidelity.data.shape}.")
        encoding = fidelity.encoding
        if not isinstance(encoding, LinearOperator):
            raise TypeError(
                f"`NCPDNet` needs an encoding that is a LinearOperator, but got a {type(encoding).__name__}."
            )
        compensated = encoding.adjoint(fidelity.weighted(fidelity.data))
        buffers = jnp.repeat(compensated[..., None], self.n_primal, axis=-1)
        return self.stages(buffers, fidelity)[..., 0]


def corrected(buffers: Array, fidelity: Fidelity, log_strength: Array, network: Any) -> Array:
    """One stage; the first convolution scales the gradient, which needs no strength beside it."""
    del log_strength
    gradient = fidelity.gradient(buffers[..., 0])
    return buffers + network(jnp.concatenate([buffers, gradient[..., None]], axis=-1))
