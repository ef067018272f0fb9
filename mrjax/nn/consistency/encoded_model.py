"""From maps to k-space: a signal model, then an encoding of every contrast."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from mrjax._module import Module
from mrjax.encoding import LinearOperator


class EncodedModel(Module):
    r"""From maps to the k-space of every contrast.

    $$y_{t c} = M_t F (s_c \, q_t(x))$$

    **Arguments:**

    - `model`: $q$, from maps to contrasts on the last axis, `(*voxels, n_contrasts)`, as the functions of `mrjax.signals` and
        `BlochDecoder` give them: `lambda maps: t2_decay(te, t2=0.1 * maps[..., 0], m0=maps[..., 1])`.
    - `encoding`: Of `(n_contrasts, *voxels)`, such as `mrjax.encoding.sense(coils, mask=masks)` with a mask for each contrast.

    Called with maps it returns what the encoding makes. A `Fidelity` takes it.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.nn.consistency import EncodedModel
        >>> te = jnp.array([0.02, 0.06, 0.1])
        >>> model = lambda maps: mr.signals.relaxation.t2_decay(te, t2=0.1 * maps[..., 0], m0=maps[..., 1])
        >>> encoding = mr.encoding.sense(jnp.ones((2, 8, 8)), mask=jnp.ones((3, 8, 8), bool))
        >>> EncodedModel(model, encoding)(jnp.ones((8, 8, 2))).shape
        (3, 2, 8, 8)

        ```
    """

    model: Callable[[Array], Array]
    encoding: LinearOperator

    def __call__(self, maps: Array) -> Array:
        """The k-space of maps."""
        return self.encoding.mv(jnp.moveaxis(self.model(maps), -1, 0))
