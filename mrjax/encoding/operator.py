"""What every linear operator of encoding has: its adjoint, its normal operator, composition."""

import abc
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import ShapeDtypeStruct
from jaxtyping import Array

from mrjax import _checks
from mrjax._module import Module
from mrjax._shapes import with_rank

if TYPE_CHECKING:
    import lineax


class LinearOperator(Module):
    r"""A linear map $E$ between arrays, with its adjoint $E^H$.

    An operator of your own defines `mv`, `adjoint` and `in_shape`. Everything is differentiable in the arrays that the operator
    holds and in what it is applied to, in forward and reverse mode.

    Operators act on the last axes of an array; axes in front, such as those of contrasts, are carried along.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import lineax
        >>> from mrjax.encoding import Fourier, Mask
        >>> encoding = Mask(jnp.array([True, False, True, True])) @ Fourier((4,))
        >>> data = encoding(jnp.ones(4))  # as encoding.mv
        >>> encoding.adjoint(data).shape, encoding.normal(jnp.ones(4)).shape
        ((4,), (4,))
        >>> solver = lineax.Normal(lineax.CG(rtol=1e-5, atol=1e-5))
        >>> solution = lineax.linear_solve(encoding.as_lineax(), data, solver)

        ```
    """

    @abc.abstractmethod
    def mv(self, vector: Array) -> Array:
        """$E x$."""

    @abc.abstractmethod
    def adjoint(self, data: Array) -> Array:
        r"""$E^H y$, so that $\langle y, E x \rangle = \langle E^H y, x \rangle$, where the first factor is conjugated."""

    @property
    @abc.abstractmethod
    def in_shape(self) -> tuple[int, ...]:
        """The last axes of what the operator is applied to."""

    def __call__(self, vector: Any) -> Array:
        """As `mv`, of an array or of what makes one."""
        array = _checks.number_array(vector, "vector")
        if not self.takes(array.shape):
            raise ValueError(
                f"`vector` must have the last axes {self.in_shape} that the operator takes, but got shape {array.shape}."
            )
        return self.mv(array)

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether the operator applies to arrays of a shape."""
        return len(shape) >= len(self.in_shape) and shape[len(shape) - len(self.in_shape) :] == self.in_shape

    def normal(self, vector: Array) -> Array:
        """$E^H E x$."""
        return self.adjoint(self.mv(vector))

    def normal_operator(self, weights: Array | None = None) -> "LinearOperator":
        """$E^H W E$ for diagonal real weights $W$ that broadcast to the data, in the form that is cheapest to apply often."""
        return Normal(self, None if weights is None else Mask(weights))

    @property
    def is_real(self) -> bool:
        """Whether the operator takes real arrays alone."""
        return False

    def in_structure(self) -> ShapeDtypeStruct:
        """Shape and dtype of what the operator is applied to: of the precision of all that it holds, complex unless `is_real`."""
        held = [leaf.dtype for leaf in jax.tree.leaves(self) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        dtype = jnp.result_type(*held, jnp.complex64) if held else jnp.result_type(complex)
        return ShapeDtypeStruct(self.in_shape, jnp.finfo(dtype).dtype if self.is_real else dtype)

    def out_structure(self) -> ShapeDtypeStruct:
        """Shape and dtype of the result."""
        result = jax.eval_shape(self.mv, self.in_structure())
        return ShapeDtypeStruct(result.shape, result.dtype)

    def __matmul__(self, other: "LinearOperator") -> "Composed":
        if not isinstance(other, LinearOperator):
            raise TypeError(
                f"`@` composes operators, but the right one is of type {type(other).__name__}; apply one by calling it."
            )
        return Composed(self, other)

    def as_lineax(self, *tags: object) -> "lineax.FunctionLinearOperator":
        """The operator for solvers of lineax, with lineax's tags, such as `lineax.positive_semidefinite_tag`."""
        import lineax  # which takes a quarter of a second to import

        return lineax.FunctionLinearOperator(self.mv, self.in_structure(), tags)


class Composed(LinearOperator):
    """`outer @ inner`: first the inner operator, then the outer one."""

    outer: LinearOperator
    inner: LinearOperator

    def __check_init__(self):
        between = self.inner.out_structure().shape
        if not self.outer.takes(between):
            raise ValueError(
                f"`@` needs an inner operator whose results end with the axes {self.outer.in_shape} that the outer one takes, "
                f"but they have shape {between}."
            )

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.inner.in_shape

    @property
    def is_real(self) -> bool:
        return self.inner.is_real

    def mv(self, vector: Array) -> Array:
        return self.outer.mv(self.inner.mv(vector))

    def adjoint(self, data: Array) -> Array:
        return self.inner.adjoint(self.outer.adjoint(data))

    def normal(self, vector: Array) -> Array:
        return self.inner.adjoint(self.outer.normal(self.inner.mv(vector)))

    def normal_operator(self, weights: Array | None = None) -> LinearOperator:
        return Normal(self.inner, self.outer.normal_operator(weights))


class Normal(LinearOperator):
    r"""$E^H C E$ for a core $C$ that is its own adjoint; without one, $E^H E$."""

    operator: LinearOperator
    core: LinearOperator | None = None

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.operator.in_shape

    @property
    def is_real(self) -> bool:
        return self.operator.is_real

    def mv(self, vector: Array) -> Array:
        if self.core is None:
            return self.operator.normal(vector)
        return self.operator.adjoint(self.core.mv(self.operator.mv(vector)))

    def adjoint(self, data: Array) -> Array:
        return self.mv(data)


class Each(LinearOperator):
    """The same operator for each of `n` stacked inputs."""

    operator: LinearOperator
    n: int = eqx.field(static=True)

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.n, *self.operator.in_shape)

    @property
    def is_real(self) -> bool:
        return self.operator.is_real

    def mv(self, vector: Array) -> Array:
        return self.operator.mv(vector)

    def adjoint(self, data: Array) -> Array:
        return self.operator.adjoint(data)

    def normal(self, vector: Array) -> Array:
        return self.operator.normal(vector)


class Mask(LinearOperator):
    r"""Multiplication by numbers that are real: a mask of what was sampled, or weights.

    $$y = w \, x$$

    **Arguments:**

    - `weights`: $w$. Booleans, or real numbers; of the shape of what they multiply, which is zero, not missing, where the mask
        is. `x` may have more axes in front, and `weights` axes of length one.

    **Derivatives:** in the weights and in $x$.

    **Raises:** `ValueError` for complex weights.
    """

    weights: Array

    def __init__(self, weights: Any):
        array = jnp.asarray(weights)
        self.weights = array if array.dtype == bool else _checks.real_array(weights, "weights")

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.weights.shape

    def takes(self, shape: tuple[int, ...]) -> bool:
        rank = self.weights.ndim
        last = shape[len(shape) - rank :]
        return len(shape) >= rank and all(n in (1, m) for n, m in zip(self.weights.shape, last, strict=True))

    def mv(self, vector: Array) -> Array:
        weights = with_rank(self.weights, vector.ndim)
        return vector * (weights.astype(vector.real.dtype) if weights.dtype == bool else weights)

    def adjoint(self, data: Array) -> Array:
        return self.mv(data)


def as_complex(array: Array) -> Array:
    """`array` in the complex form of its precision."""
    return array.astype(jnp.result_type(array.dtype, jnp.complex64))
