"""The term that Torrey added to the Bloch equations: free diffusion."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.physics.isochromats.operators import turned
from mrjax.physics.isochromats.state import across_the_voxel


class FreeDiffusion(eqx.Module):
    r"""$D \nabla^2 M$ of spins evenly spread over a voxel, in order, whose magnetisation repeats from voxel to voxel.

    What a gradient has wound in parts of a cycle does not repeat: it is unwound, differentiated as
    $(\partial_x + i \kappa)^2$, and wound again. Derivatives are taken by Fourier transform, without error.

    **Source:** H. C. Torrey, Phys. Rev. 104 (1956) 563-565.
    """

    rate: Float[Array, "#voxel"]
    r"""$D (2 \pi / \Delta x)^2$ in 1/s."""
    cycles_per_area: Float[Array, ""]
    """That a gradient of 1 T s/m winds over the voxel."""

    def slope(
        self, x: Array, y: Array, z: Array, area: Float[Array, ""]
    ) -> tuple[Float[Array, "spin voxel"], Float[Array, "spin voxel"], Float[Array, "spin voxel"]]:
        """What diffusion adds to the derivatives in time of magnetisation, in 1/s.

        **Arguments:**

        - `x`, `y`, `z`: The magnetisation of each spin, `(spin, voxel)`.
        - `area`: Of the gradient since what was wound last came to whole cycles, in T s/m.
        """
        n, wound = x.shape[0], self.cycles_per_area * area
        angle = jnp.asarray(2 * np.pi * across_the_voxel(n), x.dtype)[:, None] * wound
        unwound_x, unwound_y = turned(x, y, -angle)
        order = jnp.asarray(np.fft.fftfreq(n, 1 / n), x.dtype)[:, None]
        change = lambda m, k: jnp.fft.ifft(-self.rate[None] * k**2 * jnp.fft.fft(m, axis=0), axis=0)
        transverse = change(unwound_x + 1j * unwound_y, order + wound)
        return (*turned(transverse.real, transverse.imag, angle), change(z, order).real)
