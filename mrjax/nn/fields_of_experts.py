"""The learned regulariser of variational networks: filters, a function of each response, and the filters' transposes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn.convolutions import checked_images, checked_rank, plane_by_plane

CHANNELS_LAST = {2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


class FieldsOfExperts(nnx.Module):
    r"""The gradient of a learned energy: what a variational network takes away from an image at each step.

    $$R(x) = \sum_i K_i^T \varphi_i(K_i x), \qquad
    \varphi_i(z) = \sum_j w_{i j} \, e^{-(z - \mu_j)^2 / (2 \delta^2)}$$

    The filters $K_i$ are used without their mean and with a norm of one, so constants pass. The centres $\mu_j$ lie from
    $-$`limit` to `limit`, $\delta$ apart. At the start each $\varphi_i$ is near to a straight line of slope `slope`.

    **Arguments:**

    - `rank`: Axes of the images, 2 or 3.
    - `n_filters`: Of each image.
    - `kernel`: Voxels of each filter along each axis.
    - `n_functions`: Gaussians $j$ of each $\varphi_i$. At least 2.
    - `limit`: Responses beyond are hardly changed. Images of order one have responses of that order. Above 0.
    - `slope`: See above.
    - `rngs`: Random numbers for the initial filters.

    Called with `images`, real `(batch, *voxels, 1)`, it returns the same shape.

    **Raises:** `ValueError` where an argument is outside its range, or `images` has another shape.

    **Source:** K. Hammernik et al., Magn Reson Med 79 (2018) 3055-3071 (variational networks).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> regulariser = mr.nn.FieldsOfExperts(rank=2, n_filters=4, rngs=nnx.Rngs(0))
        >>> regulariser(jnp.ones((3, 12, 9, 1))).shape
        (3, 12, 9, 1)

        ```
    """

    def __init__(
        self,
        *,
        rank: int,
        n_filters: int = 24,
        kernel: int = 5,
        n_functions: int = 31,
        limit: float | int = 3.0,
        slope: float | int = 0.1,
        rngs: nnx.Rngs,
    ):
        self.rank = checked_rank(rank)
        for value, name in ((n_filters, "n_filters"), (kernel, "kernel"), (n_functions, "n_functions")):
            _checks.positive_integer(value, name)
        if n_functions < 2:
            raise ValueError(f"`n_functions` must be at least 2, but got {n_functions}.")
        if not limit > 0:
            raise ValueError(f"`limit` must be positive, but got {limit!r}.")
        self.limit, self.n_functions = limit, n_functions
        self.filters = nnx.Param(jax.random.normal(rngs.params(), ((kernel,) * rank + (1, n_filters))))
        # neighbouring Gaussians overlap, to a sum of sqrt(2 pi) times what each would give alone
        straight = jnp.asarray(self._centres() * slope / np.sqrt(2 * np.pi), self.filters[...].dtype)
        self.weights = nnx.Param(jnp.broadcast_to(straight[:, None], (n_functions, n_filters)))

    def __call__(self, images: Any) -> Float[Array, "batch *voxels 1"]:
        """What to take away from `images`, `(batch, *voxels, 1)`."""
        images = checked_images(images, self.rank, 1)
        responses, transposed = jax.vjp(self._filtered, images)
        return transposed(self._activated(responses))[0]

    def _filtered(self, images: Array) -> Array:
        axes = tuple(range(self.rank + 1))
        filters = self.filters[...] - self.filters[...].mean(axes, keepdims=True)
        filters = filters / jnp.sqrt((filters**2).sum(axes, keepdims=True))
        layout = CHANNELS_LAST[self.rank]
        return plane_by_plane(images, filters.astype(images.dtype), (1,) * self.rank, "SAME", dimension_numbers=layout)

    def _activated(self, responses: Array) -> Array:
        centres, spacing = self._centres(), 2 * self.limit / (self.n_functions - 1)
        to_last = (None,) * (responses.ndim - 1)

        def add(total: Array, function: tuple[Array, Array]) -> tuple[Array, None]:
            centre, weight = function
            return total + weight[to_last] * jnp.exp(-(((responses - centre) / spacing) ** 2) / 2), None

        functions = (jnp.asarray(centres, responses.dtype), self.weights[...].astype(responses.dtype))
        return jax.lax.scan(jax.checkpoint(add), jnp.zeros_like(responses), functions)[0]

    def _centres(self) -> np.ndarray:
        return np.linspace(-self.limit, self.limit, self.n_functions)
