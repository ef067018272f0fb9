"""Iterations of physics and network, unrolled: one compiled stage, repeated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PyTree

from mrjax import _checks
from mrjax.nn._network import beside_weights, joined, parted

Stage = Callable[[Any, Any, Array, Callable[[Array], Array]], Any]
"""From an image, a problem such as a `Fidelity`, the logarithm of a step size or weight, and a network, to the next image.

In the place of an image there may be a tree of arrays, such as the state of a solver."""


def step_then_network(step: Callable[[Array, Any, Array], Array]) -> Stage:
    """A stage of proximal gradients: a consistency step, then the network."""
    return lambda image, problem, log_strength, network: network(step(image, problem, log_strength))


def network_then_step(step: Callable[[Array, Any, Array], Array]) -> Stage:
    """A stage that ends with the data: the network, then a consistency step."""
    return lambda image, problem, log_strength, network: step(network(image), problem, log_strength)


class Unrolled(nnx.Module):
    r"""Stages of physics and network, one after the other.

    $$x_{k+1} = \mathrm{stage}(x_k, \text{problem}, s_k, N_k), \qquad k = 0 \dots K - 1$$

    One stage is compiled and repeated, and recomputed in reverse mode: of all stages only the images between them are kept.

    **Arguments:**

    - `stage`: What a stage does, such as `step_then_network(GradientStep())`, `network_then_step(ProximalStep())` or a function
        of your own from image, problem, logarithm of a strength, and network, to the next image. For batches, `jax.vmap` the
        step, not the network: statistics of a batch are those of all samples.
    - `network`: From `nnx.Rngs` to a network that takes and returns an image.
    - `n_stages`: $K$, at least 1.
    - `log_strength`: Where $s_k$, which are learned, start.
    - `share_network`: Whether all stages have the same network.
    - `share_strength`: Whether all stages have the same $s$.
    - `rngs`: Random numbers for the initial weights.

    Called with an image, or a tree of arrays, and a problem, it returns the image after the last stage.

    **Derivatives:** in weights, strengths, image and problem.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.encoding import Mask
        >>> from mrjax.nn.consistency import Fidelity, ProximalStep, Unrolled, network_then_step
        >>> denoiser = lambda rngs: nnx.Linear(4, 4, rngs=rngs)
        >>> model = Unrolled(network_then_step(ProximalStep()), denoiser, n_stages=3, rngs=nnx.Rngs(0))
        >>> fidelity = Fidelity(Mask(jnp.array([1.0, 1.0, 0.0, 1.0])), jnp.array([1.0, 2.0, 0.0, 3.0]))
        >>> model(jnp.zeros(4), fidelity).shape
        (4,)

        ```
    """

    def __init__(
        self,
        stage: Stage,
        network: Callable[[nnx.Rngs], nnx.Module],
        n_stages: int,
        *,
        log_strength: Any = 0.0,
        share_network: bool = True,
        share_strength: bool = False,
        rngs: nnx.Rngs,
    ):
        self.n_stages = _checks.positive_integer(n_stages, "n_stages")
        self.stage, self.share_network = stage, share_network
        start = _checks.real_array(log_strength, "log_strength").astype(jnp.result_type(float))
        self.log_strength = nnx.Param(start if share_strength else jnp.broadcast_to(start, (n_stages,)))
        if share_network:
            self.network = network(rngs)
        else:
            self.network = nnx.vmap(lambda key: network(nnx.Rngs(key)))(jax.random.split(rngs(), n_stages))

    def __call__(self, image: PyTree, problem: Any) -> PyTree:
        """The image after the last stage."""
        graph, weights, other = parted(self.network)
        stage = jax.checkpoint(lambda *arrays: self._one(graph, problem, *arrays))
        strengths = jnp.broadcast_to(self.log_strength[...], (self.n_stages,))
        if self.share_network:
            shared = lambda state, strength: (stage(*state, weights, strength), None)
            (image, other), _ = jax.lax.scan(shared, (image, other), strengths)
        else:
            own = lambda image, of_stage: stage(image, *of_stage)
            image, other = jax.lax.scan(own, image, (other, weights, strengths))
        nnx.update(self.network, nnx.State(other))
        return image

    def _one(
        self, graph: nnx.GraphDef, problem: Any, image: PyTree, other: PyTree, weights: PyTree, strength: Array
    ) -> tuple[PyTree, PyTree]:
        network = joined(graph, weights, other)
        following = self.stage(image, problem, strength, network)
        kept = jax.tree.map(lambda new, old: new.astype(old.dtype), following, image)
        return kept, beside_weights(network, known=other)
