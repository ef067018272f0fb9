"""Images without a solver: the adjoint, and the root of the sum of squares over coils."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding import LinearOperator


def adjoint(encoding: LinearOperator, data: ArrayLike, density: ArrayLike | None = None) -> Array:
    r"""The adjoint of an encoding, with density compensation: the quickest image.

    $$\hat x = E^H (w \, y)$$

    **Arguments:**

    - `encoding`: $E$, see `mrjax.encoding.sense`; with one `Coils` in it the coils are combined.
    - `data`: $y$, of the shape that $E$ makes.
    - `density`: $w$, see `mrjax.encoding.radial_density`; broadcasts to the data.

    **Returns:** $\hat x$, shape `(*voxels)`.

    **Raises:** `ValueError` where the data are not what the encoding makes.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier
        >>> from mrjax.reconstruction import adjoint
        >>> image = jnp.array([0.0, 1.0, 0.0, 0.0])
        >>> bool(jnp.allclose(adjoint(Fourier(4), Fourier(4)(image)), image, atol=1e-6))
        True

        ```
    """
    samples = checked_data(encoding, data)
    if density is None:
        return encoding.adjoint(samples)
    return encoding.adjoint(samples * checked_weights(density, samples, "density"))


def root_sum_of_squares(images: ArrayLike, axis: int = 0) -> Array:
    r"""The images of all coils as one magnitude, without coil maps.

    $$\hat x = \sqrt{\sum_c |x_c|^2}$$

    **Arguments:**

    - `images`: Real or complex. Shape `(n_coils, *voxels)`.
    - `axis`: That of the coils.

    **Returns:** The magnitude, shape `(*voxels)`; weighted by the root of the sum of the squared sensitivities, and with the
    noise floor of a chi distribution where there is no signal.

    **Derivatives:** everywhere; zero where all coils are zero.

    **Source:** Roemer, Edelstein, Hayes, Souza, Mueller 1990.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.reconstruction import root_sum_of_squares
        >>> print(root_sum_of_squares(jnp.array([[3.0, 0.0], [4j, 0.0]])))
        [5. 0.]

        ```
    """
    each = _checks.number_array(images, "images")
    squares = (each.real**2 + each.imag**2 if jnp.iscomplexobj(each) else each**2).sum(axis)
    seen = squares > 0
    return jnp.where(seen, jnp.sqrt(jnp.where(seen, squares, 1.0)), 0.0)


def checked_data(encoding: LinearOperator, data: Any) -> Array:
    """Data as an array, of the shape that an encoding makes."""
    samples = _checks.number_array(data, "data")
    expected = encoding.out_structure().shape
    if samples.shape != expected:
        raise ValueError(f"`data` must have the shape {expected} that `encoding` makes, but got {samples.shape}.")
    return samples


def checked_weights(weights: Any, data: Array, name: str) -> Array:
    """Real weights that broadcast to the data, of their rank."""
    real = _checks.finite(_checks.real_array(weights, name), name)
    padded = (1,) * (data.ndim - real.ndim) + real.shape
    if len(padded) != data.ndim or any(n not in (1, m) for n, m in zip(padded, data.shape, strict=True)):
        raise ValueError(f"`{name}` must broadcast to the shape {data.shape} of the data, but got {real.shape}.")
    return real.reshape(padded)
