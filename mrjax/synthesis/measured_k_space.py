"""What a scan with several coils measures of several contrasts."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Key

from mrjax import _checks
from mrjax.encoding import sense


def multi_coil_kspace(
    key: Key[Array, ""], contrasts: Any, coils: Any, mask: Any, snr: Any
) -> Complex[Array, "n_contrasts n_coils *voxels"]:
    r"""Undersampled and noisy k-space of images that were measured one after the other, such as echoes.

    $$y_{n c} = M \left( F (s_c \, x_n) + \sigma (z_1 + i z_2) \right), \qquad
    \sigma = \max |x| / \mathrm{snr}, \qquad z_1, z_2 \sim \mathcal{N}(0, 1)$$

    **Arguments:**

    - `key`: Of `jax.random`.
    - `contrasts`: Images $x_n$, real or complex. Shape `(n_contrasts, *voxels)`.
    - `coils`: Sensitivities $s_c$. Shape `(n_coils, *voxels)`.
    - `mask`: What is sampled, as of `mrjax.encoding.sense`, the same in every contrast.
    - `snr`: Positive scalar, of the brightest voxel of all contrasts in a fully sampled image of a coil of sensitivity one;
        `inf` for no noise.

    **Returns:** Shape `(n_contrasts, n_coils, *voxels)`, as `mrjax.encoding.sense(coils, mask=mask)` gives it, zero where nothing
    is sampled.

    **Derivatives:** in `contrasts` and `coils`.

    **Raises:** `ValueError` where shapes do not fit or `snr` is not positive.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.synthesis import Uniform, longer_t1, multi_coil_kspace, random_template
        >>> prior = Uniform({"t1": (0.3, 4.0), "t2": (0.02, 0.7), "m0": (0.1, 1.0)}, where=longer_t1)
        >>> tissue = random_template(jax.random.key(0), prior, (32, 32))
        >>> echo_times = jnp.array([0.01, 0.05, 0.1])
        >>> echoes = tissue.m0[None] * jnp.exp(-echo_times[:, None, None] / tissue.t2[None])
        >>> coils = mr.phantoms.gaussian_coils(tissue, 4)
        >>> every_other_line = jnp.arange(32)[None] % 2 == 0
        >>> multi_coil_kspace(jax.random.key(1), echoes, coils, every_other_line, snr=50.0).shape
        (3, 4, 32, 32)

        ```
    """
    images = _checks.number_array(contrasts, "contrasts")
    measured = sense(coils, mask=mask)
    if images.ndim < 2 or images.shape[1:] != measured.in_shape:
        raise ValueError(f"`contrasts` must have shape (n_contrasts, *{measured.in_shape}), but got {images.shape}.")
    k_space = measured(images)
    ratio = _checks.positive(_checks.real_array(snr, "snr"), "snr", "relative")
    if ratio.ndim:
        raise ValueError(f"`snr` must be a number, but got shape {ratio.shape}.")
    kind = k_space.real.dtype
    # real numbers, as XLA takes seconds to compile complex ones
    noise = lax.complex(*jax.random.normal(key, (2, *k_space.shape), kind))
    noise = (jnp.abs(images).max() / ratio).astype(kind) * noise
    sampled = jnp.broadcast_to(jnp.asarray(mask), measured.in_shape)
    return k_space + jnp.where(sampled[None, None], noise, 0.0)
