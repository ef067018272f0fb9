"""Curves of few coefficients, for schedules of many repetitions."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._module import Module


class BSpline(Module):
    r"""A B-spline over equal steps, from its coefficients.

    $$x_i = \sum_j B_j(i) \, c_j$$

    The basis is positive and sums to one, so that the curve lies between its least and its greatest coefficient: bounds of
    coefficients are bounds of the curve. Its ends are its first and its last coefficient. Degree 0 is piecewise constant,
    degree 1 is piecewise linear, degree 3 has two continuous derivatives. Knots are equally spaced.

    **Arguments:**

    - `n_coefficients`: At least `degree + 1`.
    - `n_samples`: Repetitions, at least 2.
    - `degree`: Of the pieces, zero or more.

    Called with coefficients of shape `(..., n_coefficients)`, it returns `(..., n_samples)`.

    **Derivatives:** it is linear.

    **Raises:** `ValueError` where a number is out of range, or coefficients have another shape.

    **Source:** C. de Boor, A Practical Guide to Splines, Springer 1978; the basis is that of `scipy.interpolate`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> curve = mr.design.BSpline(n_coefficients=3, n_samples=5, degree=1)
        >>> curve(jnp.array([0.0, 1.0, 0.0])).round(3).tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0]

        ```
    """

    n_coefficients: int = eqx.field(static=True)
    n_samples: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)

    def __init__(self, n_coefficients: int, n_samples: int, degree: int = 3):
        self.n_coefficients = _checks.positive_integer(n_coefficients, "n_coefficients")
        self.n_samples = _checks.positive_integer(n_samples, "n_samples")
        if isinstance(degree, bool) or not isinstance(degree, int) or not 0 <= degree < n_coefficients:
            raise ValueError(
                f"`degree` must be an integer from 0 to `n_coefficients` - 1 = {n_coefficients - 1}, but got {degree!r}."
            )
        if n_samples < 2:
            raise ValueError(f"`n_samples` must be at least 2, but got {n_samples}.")
        self.degree = degree

    @property
    def basis(self) -> np.ndarray:
        """The curves of coefficients that are one and otherwise zero: `(n_samples, n_coefficients)`."""
        from scipy import interpolate  # which few need

        inner = np.linspace(0.0, 1.0, self.n_coefficients - self.degree + 1)
        knots = np.concatenate([np.zeros(self.degree), inner, np.ones(self.degree)])
        places = np.linspace(0.0, 1.0, self.n_samples)
        return interpolate.BSpline.design_matrix(places, knots, self.degree).toarray()

    def __call__(self, coefficients: Any) -> Float[Array, "... n_samples"]:
        coefficients = _checks.real_array(coefficients, "coefficients")
        if coefficients.shape[-1:] != (self.n_coefficients,):
            raise ValueError(
                f"`coefficients` must have shape (..., {self.n_coefficients}), but got {coefficients.shape}."
            )
        return coefficients @ jnp.asarray(self.basis.T, coefficients.dtype)

    def nearest(self, values: Any) -> np.ndarray:
        """The coefficients whose curve is nearest to a known schedule, by least squares.

        **Arguments:**

        - `values`: Shape `(n_samples,)`.

        **Returns:** the coefficients, `(n_coefficients,)`. Of fewer samples than coefficients, those of least norm.

        **Raises:** `ValueError` for another shape.
        """
        values = np.asarray(values)
        if values.shape != (self.n_samples,):
            raise ValueError(f"`values` must have shape ({self.n_samples},), but got {values.shape}.")
        return np.linalg.lstsq(self.basis, values, rcond=None)[0].astype(np.result_type(values, np.float32))
