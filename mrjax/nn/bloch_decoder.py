"""Physics as the decoder of a network."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Complex

from mrjax.physics import simulate
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.epg.engine import EPG
from mrjax.physics.gradient import AbstractGradient, ForwardJacobian
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


class BlochDecoder(eqx.Module):
    r"""From tissue parameters back to signals: a layer without weights, any sequence, any engine.

    With an encoder $E$ and this layer $B$, a loss $\|B(E(s)) - s\|^2$ asks that the parameters an encoder predicts explain
    the signal they were predicted from. In reverse mode it costs about one signal for each parameter and stores no states.

    **Arguments:**

    - `sequence`: What is played. With an axis of schedules in front of every array leaf, as `jax.vmap` of a protocol gives
      it, `per_schedule` plays each schedule on its own samples.
    - `engine`: How spins answer, `EPG()` by default.
    - `gradient`: `mrjax.gradient.ForwardJacobian()` by default: derivatives in the parameters alone. To differentiate in
      the sequence as well, `mrjax.gradient.Checkpoints()`.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> import mrjax as mr
        >>> decoder = mr.nn.BlochDecoder(mr.protocols.cpmg(jnp.full(8, 2.5), echo_spacing=10e-3))
        >>> error = lambda t2: jnp.sum(abs(decoder({"t1": jnp.ones(4), "t2": t2})) ** 2)
        >>> jax.grad(error)(jnp.full(4, 0.1)).shape
        (4,)

        ```
    """

    sequence: AbstractContainer
    engine: AbstractEngine = eqx.field(default_factory=EPG)
    gradient: AbstractGradient = eqx.field(default_factory=ForwardJacobian)

    def __call__(self, parameters: Mapping[str, ArrayLike]) -> Complex[Array, "*batch n_samples"]:
        """The signals of a batch of tissues, all with the same sequence.

        **Arguments:**

        - `parameters`: Arguments of `mrjax.Tissue` by name, `t1` and `t2` in s among them, each of shape `(*batch)`.

        **Returns:** Complex signals, `(*batch, n_samples)`, as `mrjax.simulate` gives them.

        **Raises:** as `mrjax.Tissue` and `mrjax.simulate`.
        """
        return _decoded(self, parameters)

    def per_schedule(self, parameters: Mapping[str, ArrayLike]) -> Complex[Array, "schedule *batch n_samples"]:
        """The signals of several batches, each with a schedule of its own.

        **Arguments:**

        - `parameters`: As for a single schedule, each of shape `(n_schedules, *batch)`; `(n_samples, 1)` gives every sample
          its own schedule, at about four times the cost of a common one on CPU.

        **Returns:** Complex signals, `(n_schedules, *batch, n_samples)`.

        **Raises:** `ValueError` where an array of the sequence, or a parameter, does not have the axis of schedules.
        """
        counts = {
            f"a leaf of `sequence` of shape {np.shape(leaf)}": np.shape(leaf)[:1] for leaf in _arrays(self.sequence)
        }
        counts |= {f"`{name}` of shape {np.shape(value)}": np.shape(value)[:1] for name, value in parameters.items()}
        if len(set(counts.values())) != 1 or () in counts.values():
            raise ValueError(
                "Every leaf of `sequence` and every parameter must have the axis of schedules first, but got "
                f"{', '.join(counts)}; `jax.vmap` of a protocol over its schedules gives such a sequence."
            )
        return eqx.filter_vmap(lambda sequence, parameters: _decoded(self._with(sequence), parameters))(
            self.sequence, dict(parameters)
        )

    def _with(self, sequence: AbstractContainer) -> "BlochDecoder":
        return BlochDecoder(sequence, self.engine, self.gradient)


def _decoded(decoder: BlochDecoder, parameters: Mapping[str, ArrayLike]) -> Complex[Array, "*batch n_samples"]:
    leaves: dict[str, Any] = dict(parameters)
    return simulate(decoder.sequence, Tissue(**leaves), decoder.engine, gradient=decoder.gradient)


def _arrays(sequence: AbstractContainer) -> list[Array]:
    return jax.tree.leaves(eqx.filter(sequence, eqx.is_array))
