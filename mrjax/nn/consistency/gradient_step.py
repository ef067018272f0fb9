"""One step down the gradient of the data fidelity."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax._module import Module
from mrjax.nn.consistency.fidelity import Fidelity


class GradientStep(Module):
    r"""One step down the gradient of the data fidelity.

    $$x - \tau J^H W (A(x) - y), \qquad \tau = e^{s}$$

    With $A(x) = e^{i D x}$ and data $e^{i \phi}$ it is the step of nonlinear dipole inversion.

    Called with an image, a `Fidelity` and $s$, `log_step`, it returns an image. It converges where $\tau$ is below two over the
    largest eigenvalue of $J^H W J$.

    **Derivatives:** in all of them.

    **Source:** C. Milovic et al., Magn Reson Med 80 (2018) 814-821 (nonlinear dipole inversion minimises this fidelity).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Mask
        >>> from mrjax.nn.consistency import Fidelity, GradientStep
        >>> fidelity = Fidelity(Mask(jnp.array([1.0, 0.0])), jnp.array([4.0, 0.0]))
        >>> print(GradientStep()(jnp.array([2.0, 2.0]), fidelity, jnp.log(0.5)))
        [3. 2.]

        ```
    """

    def __call__(self, image: Array, fidelity: Fidelity, log_step: ArrayLike) -> Array:
        """The image one step further down."""
        return image - (jnp.exp(log_step) * fidelity.gradient(image)).astype(image.dtype)
