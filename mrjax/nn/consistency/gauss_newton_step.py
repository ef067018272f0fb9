"""The compromise between maps and data that depend on them nonlinearly."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax._module import Module
from mrjax.nn.consistency.fidelity import Fidelity
from mrjax.nn.consistency.proximal_step import solved


class GaussNewtonStep(Module):
    r"""The compromise between maps and data that depend on them nonlinearly, by Gauss-Newton steps.

    $$\min_x \tfrac12 \| W^{1/2} (A(x) - y) \|^2 + \tfrac{\lambda}{2} \| x - z \|^2, \qquad
    (J^H W J + \lambda) \, \delta = J^H W (y - A(x)) + \lambda (z - x), \qquad x \leftarrow x + \delta$$

    from $x = z$, with the Jacobian $J$ of $A$ at $x$ and $\lambda = e^{s}$. Each system is solved by conjugate gradients, for
    which $J$ is never formed. Scale what the maps hold to be of order one, since one $\lambda$ stands for all.

    **Arguments:**

    - `n_steps`: Gauss-Newton steps, at least 1.
    - `n_iterations`: Conjugate gradients in each at most, at least 1.
    - `tolerance`: They end where the relative residual is below it.

    Called with maps $z$, a `Fidelity` and $s$, `log_weight`, it returns $x$. With a linear $A$ one step is `ProximalStep`.

    **Derivatives:** in all of them, forward and reverse, by the equation of each step instead of through the conjugate gradients.

    **Source:** textbook Gauss-Newton with Levenberg's term.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.nn.consistency import Fidelity, GaussNewtonStep
        >>> from mrjax.signals.relaxation import t2_decay
        >>> te = jnp.array([0.01, 0.03, 0.08])
        >>> decays = lambda rate: t2_decay(te, 0.1 / rate)
        >>> fidelity = Fidelity(decays, decays(jnp.array([1.0, 2.0])))
        >>> rates = GaussNewtonStep(n_steps=4)(jnp.ones(2), fidelity, jnp.log(1e-4))
        >>> print(rates.round(2))
        [1. 2.]

        ```
    """

    n_steps: int = eqx.field(static=True, default=1)
    n_iterations: int = eqx.field(static=True, default=10)
    tolerance: float = eqx.field(static=True, default=1e-6)

    def __check_init__(self):
        _checks.positive_integer(self.n_steps, "n_steps")
        _checks.positive_integer(self.n_iterations, "n_iterations")

    def __call__(self, maps: Array, fidelity: Fidelity, log_weight: ArrayLike) -> Array:
        """The maps that are near to `maps` and to the data."""
        strength = jnp.exp(jnp.asarray(log_weight, maps.real.dtype))

        def improved(now: Array, _: None) -> tuple[Array, None]:
            predicted, along = jax.linearize(fidelity.predicted, now)
            transposed = jax.linear_transpose(along, now)

            def back(values: Array) -> Array:  # J^H W, by way of the transpose
                return transposed(fidelity.weighted(values).conj().astype(predicted.dtype))[0].conj()

            right = back(fidelity.data - predicted) + strength * (maps - now)
            matrix = lambda change: back(along(change)) + strength * change
            return now + solved(matrix, right, None, self.n_iterations, self.tolerance), None

        if self.n_steps == 1:
            return improved(maps, None)[0]
        return jax.lax.scan(improved, maps, length=self.n_steps)[0]
