"""Complex images for real networks, and back."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from mrjax import _checks


def complex_as_channels(image: Any) -> Float[Array, "*voxels twice_the_channels"]:
    r"""The real parts of all channels, then the imaginary parts.

    **Arguments:**

    - `image`: Real or complex, channels last. Shape `(..., n_channels)`.

    **Returns:** Real, shape `(..., 2 * n_channels)`.

    **Raises:** `ValueError` for a number without channels.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> print(mr.nn.complex_as_channels(jnp.array([[1 + 2j, 3 + 4j]])))
        [[1. 3. 2. 4.]]

        ```
    """
    image = _checks.number_array(image, "image")
    if not image.ndim:
        raise ValueError("`image` must have its channels on the last axis, but got a single number.")
    return jnp.concatenate([jnp.real(image), jnp.imag(image)], axis=-1)


def channels_as_complex(channels: Any) -> Complex[Array, "*voxels half_the_channels"]:
    r"""The inverse of `complex_as_channels`.

    **Arguments:**

    - `channels`: Real, shape `(..., 2 * n_channels)`: the real parts of all channels, then the imaginary parts.

    **Returns:** Complex, shape `(..., n_channels)`.

    **Raises:** `ValueError` where the number of channels is odd.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> print(mr.nn.channels_as_complex(jnp.array([[1.0, 3.0, 2.0, 4.0]])))
        [[1.+2.j 3.+4.j]]

        ```
    """
    channels = _checks.real_array(channels, "channels")
    if not channels.ndim or channels.shape[-1] % 2:
        raise ValueError(
            f"`channels` must have an even number of channels on the last axis, but got shape {channels.shape}."
        )
    return lax.complex(*jnp.split(channels, 2, axis=-1))
