"""Images that are sparse in wavelets or in their differences, by proximal methods."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.reconstruction.adjoint import checked_data
from mrjax.reconstruction.wavelets import Wavelets

POWER_ITERATIONS = 30
ABOVE = 1.05
"""By which the largest eigenvalue that the power method found, a lower bound, is raised."""


def wavelet_sparse(
    encoding: LinearOperator,
    data: ArrayLike,
    strength: ArrayLike,
    *,
    n_iterations: int = 100,
    n_levels: int = 3,
    wavelet: str = "db2",
) -> Array:
    r"""The image with sparse wavelets that explains the data, by FISTA: compressed sensing.

    $$\hat x = \arg\min_x \tfrac12 \| E x - y \|^2 + \lambda \sum_i |(\Psi x)_i|$$

    over the details $i$; the coarsest scale is free. Images whose axes cannot be halved so often are padded meanwhile.

    **Arguments:**

    - `encoding`: $E$, see `mrjax.encoding.sense`, of images.
    - `data`: $y$, of the shape that $E$ makes.
    - `strength`: $\lambda$, zero or more, in the unit of $E^H y$; a thousandth to a hundredth of its largest magnitude is usual.
    - `n_iterations`: At least 1; the objective's error falls with its square.
    - `n_levels`, `wavelet`: See `Wavelets`.

    **Returns:** $\hat x$, of the shape that $E$ takes.

    **Derivatives:** in data, encoding and strength, through the iterations, forward and reverse; their steps are held fixed.

    **Raises:** `ValueError` where data do not fit, or numbers are out of range.

    **Source:** Lustig, Donoho, Pauly 2007 (the problem); Beck, Teboulle 2009 (FISTA).

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier, Mask, patterns
        >>> from mrjax.reconstruction import wavelet_sparse
        >>> image = jnp.zeros((32, 32)).at[8:20, 10:24].set(1.0)
        >>> mask = patterns.variable_density(jax.random.key(0), (32, 32), acceleration=2)
        >>> encoding = Mask(mask) @ Fourier((32, 32))
        >>> sparse = wavelet_sparse(encoding, encoding(image), 1e-3, wavelet="haar")
        >>> bool(jnp.linalg.norm(sparse - image) < 0.05 * jnp.linalg.norm(image))
        True

        ```
    """
    samples, weight = _checked(encoding, data, strength, n_iterations)
    padded = tuple(-(-n // 2**n_levels) * 2**n_levels for n in encoding.in_shape)
    return _wavelet_sparse(encoding, samples, weight, Wavelets(padded, n_levels, wavelet), n_iterations)


@eqx.filter_jit
def _wavelet_sparse(
    encoding: LinearOperator, samples: Array, weight: Array, transform: Wavelets, n_iterations: int
) -> Array:
    step = _step(encoding, samples)
    details = jnp.asarray(transform.is_detail())
    inside = tuple(slice(n) for n in encoding.in_shape)

    def gradient(image: Array) -> Array:
        residual = encoding.mv(image[inside]) - samples
        return jnp.zeros_like(image).at[inside].set(encoding.adjoint(residual).astype(image.dtype))

    def shrunk(image: Array) -> Array:
        coefficients = transform.mv(image)
        smaller = _shrink(coefficients, step * weight)
        return transform.adjoint(jnp.where(details, smaller, coefficients))

    start = jnp.zeros(transform.shape, jnp.result_type(encoding.in_structure().dtype, samples.dtype))
    return _fista(lambda image: shrunk(image - step * gradient(image)), start, n_iterations)[inside]


def total_variation(
    encoding: LinearOperator, data: ArrayLike, strength: ArrayLike, *, n_iterations: int = 200
) -> Array:
    r"""The image with the least total variation that explains the data, by a primal-dual method.

    $$\hat x = \arg\min_x \tfrac12 \| E x - y \|^2 + \lambda \sum_r \Big( \sum_d |x(r + e_d) - x(r)|^2 \Big)^{1/2}$$

    There are no differences across the edge of the grid.

    **Arguments:** as of `wavelet_sparse`.

    **Returns:** $\hat x$, of the shape that $E$ takes.

    **Derivatives:** as of `wavelet_sparse`.

    **Raises:** as `wavelet_sparse`.

    **Source:** Rudin, Osher, Fatemi 1992 (the problem); Condat 2013 (the method).

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Fourier, Mask, patterns
        >>> from mrjax.reconstruction import total_variation
        >>> image = jnp.zeros((32, 32)).at[8:20, 10:24].set(1.0)
        >>> mask = patterns.variable_density(jax.random.key(0), (32, 32), acceleration=3)
        >>> encoding = Mask(mask) @ Fourier((32, 32))
        >>> flat = total_variation(encoding, encoding(image), 1e-3)
        >>> bool(jnp.linalg.norm(flat - image) < 0.02 * jnp.linalg.norm(image))
        True

        ```
    """
    samples, weight = _checked(encoding, data, strength, n_iterations)
    return _total_variation(encoding, samples, weight, n_iterations)


@eqx.filter_jit
def _total_variation(encoding: LinearOperator, samples: Array, weight: Array, n_iterations: int) -> Array:
    step = _step(encoding, samples)
    rank = len(encoding.in_shape)
    # 1 / primal - dual * 4 rank >= 1 / (2 step), where 4 rank bounds the squared norm of differences
    primal = step
    dual = 1 / (8 * rank * step)

    def improved(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        image, slopes = state
        descent = encoding.adjoint(encoding.mv(image) - samples) + _differences_adjoint(slopes)
        nearer = image - primal * descent.astype(image.dtype)
        raised = slopes + dual * _differences(2 * nearer - image)
        size = jnp.sqrt(jnp.maximum((jnp.abs(raised) ** 2).sum(0, keepdims=True), weight**2))
        return (nearer, raised * jnp.where(size > 0, weight / jnp.where(size > 0, size, 1.0), 0.0)), None

    image = jnp.zeros(encoding.in_shape, jnp.result_type(encoding.in_structure().dtype, samples.dtype))
    return jax.lax.scan(improved, (image, _differences(image)), length=n_iterations)[0][0]


def largest_eigenvalue(normal: Callable[[Array], Array], like: jax.ShapeDtypeStruct) -> Array:
    """Of a positive operator that is its own adjoint, by the power method: from below, to some percent."""
    start = jax.random.normal(jax.random.key(0), like.shape, like.dtype)

    def applied(vector: Array, _: None) -> tuple[Array, Array]:
        image = normal(vector / jnp.linalg.norm(vector.ravel())).astype(like.dtype)
        return image, jnp.linalg.norm(image.ravel())

    return jax.lax.scan(applied, start, length=POWER_ITERATIONS)[1][-1]


def _checked(encoding: LinearOperator, data: Any, strength: Any, n_iterations: int) -> tuple[Array, Array]:
    samples = checked_data(encoding, data)
    _checks.positive_integer(n_iterations, "n_iterations")
    weight = _checks.non_negative(
        _checks.real_array(strength, "strength"), "strength", "unit of the adjoint of the data"
    )
    return samples, weight.astype(samples.real.dtype)


def _step(encoding: LinearOperator, samples: Array) -> Array:
    """Below one over the largest eigenvalue of the normal operator."""
    dtype = jnp.result_type(encoding.in_structure().dtype, samples.dtype)
    held = jax.lax.stop_gradient(encoding)
    norm = largest_eigenvalue(held.normal, jax.ShapeDtypeStruct(encoding.in_shape, dtype))
    return 1 / (ABOVE * norm)


def _fista(step: Callable[[Array], Array], start: Array, n_iterations: int) -> Array:
    def improved(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        image, ahead, momentum = state
        nearer = step(ahead)
        grown = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        return (nearer, nearer + (momentum - 1) / grown * (nearer - image), grown), None

    one = jnp.ones((), start.real.dtype)
    return jax.lax.scan(improved, (start, start, one), length=n_iterations)[0][0]


def _shrink(values: Array, threshold: Array) -> Array:
    squared = values.real**2 + values.imag**2
    size = jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
    return jnp.where(squared > threshold**2, values * (1 - threshold / size), 0.0)


def _differences(image: Array) -> Array:
    """Forward differences along each axis, zero at the end; shape `(n_axes, *voxels)`."""
    along = [jnp.diff(image, axis=axis, append=jnp.take(image, jnp.array([-1]), axis)) for axis in range(image.ndim)]
    return jnp.stack(along)


def _differences_adjoint(slopes: Array) -> Array:
    total = jnp.zeros(slopes.shape[1:], slopes.dtype)
    for axis, slope in enumerate(slopes):
        inner = jax.lax.slice_in_dim(slope, 0, slope.shape[axis] - 1, axis=axis)
        ends = [(0, 0, 0)] * slope.ndim
        before, after = list(ends), list(ends)
        before[axis], after[axis] = (1, 0, 0), (0, 1, 0)
        zero = jnp.zeros((), slope.dtype)
        total = total + jax.lax.pad(inner, zero, before) - jax.lax.pad(inner, zero, after)
    return total
