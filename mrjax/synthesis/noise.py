"""Thermal noise of the receiver."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Key

from mrjax import _checks, _plausibility


def add_complex_noise(key: Key[Array, ""], signal: Any, snr: Any, reference: Any = 1.0) -> Complex[Array, "..."]:
    r"""Signals with complex Gaussian noise, independent in every sample.

    $$s + \sigma (z_1 + i z_2), \qquad \sigma = \mathrm{reference} / \mathrm{snr}, \qquad z_1, z_2 \sim \mathcal{N}(0, 1)$$

    **Arguments:**

    - `key`: Of `jax.random`.
    - `signal`: Real or complex, of any shape.
    - `snr`: Signal-to-noise ratio, positive; `inf` for no noise. Scalar, or of a shape that broadcasts to the leading axes
      of `signal`: `(n_voxels,)` for signals `(n_voxels, n_samples)`.
    - `reference`: Signal to which `snr` refers, in the unit of `signal`. Positive; shape as `snr`.

    **Returns:** Complex signals of the shape and precision of `signal`.

    **Raises:** `ValueError` where `snr` or `reference` is not positive or does not fit the shape of `signal`; warns where `snr`
    is so small that it is probably the noise itself.

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mrjax.synthesis import add_complex_noise
        >>> noisy = add_complex_noise(jax.random.key(0), jnp.ones((3, 5)), snr=jnp.array([10.0, 20.0, 50.0]))
        >>> noisy.shape
        (3, 5)

        ```
    """
    signal = _checks.number_array(signal, "signal")
    _plausibility.warn_if_implausible(snr, "snr")
    snr = _over_leading_axes(snr, "snr", signal)
    reference = _over_leading_axes(reference, "reference", signal)
    kind = jnp.result_type(signal.dtype, jnp.complex64)
    # JAX splits a variance of one between the real and the imaginary part
    noise = jnp.sqrt(2).astype(signal.real.dtype) * jax.random.normal(key, signal.shape, kind)
    return signal + (reference / snr) * noise


def rician_magnitude(key: Key[Array, ""], signal: Any, snr: Any, reference: Any = 1.0) -> Float[Array, "..."]:
    r"""Magnitudes of signals with complex Gaussian noise, which follow a Rice distribution.

    $$|s + \sigma (z_1 + i z_2)|, \qquad \sigma = \mathrm{reference} / \mathrm{snr}$$

    Where there is no signal their mean is $\sigma \sqrt{\pi / 2}$.

    **Arguments:**

    - `key`, `signal`, `snr`, `reference`: As of `add_complex_noise`.

    **Returns:** Real magnitudes of the shape and precision of `signal`.

    **Raises:** `ValueError` as `add_complex_noise`.

    **Source:** H. Gudbjartsson, S. Patz, Magn Reson Med 34 (1995) 910-914.

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mrjax.synthesis import rician_magnitude
        >>> magnitude = rician_magnitude(jax.random.key(0), jnp.zeros(10_000), snr=10)
        >>> bool(abs(magnitude.mean() - 0.1253) < 0.002)
        True

        ```
    """
    return jnp.abs(add_complex_noise(key, signal, snr, reference))


def _over_leading_axes(value: Any, name: str, signal: Array) -> Float[Array, "..."]:
    array = _checks.real_array(value, name)
    leading = signal.shape[: array.ndim]
    if array.ndim > signal.ndim or any(
        size not in (1, wanted) for size, wanted in zip(array.shape, leading, strict=True)
    ):
        raise ValueError(
            f"`{name}` must be a scalar or broadcast to the leading axes of `signal`, {signal.shape}, "
            f"but got shape {array.shape}."
        )
    array = _checks.require(array, array > 0, f"`{name}` must be positive").astype(signal.real.dtype)
    return array.reshape(array.shape + (1,) * (signal.ndim - array.ndim))
