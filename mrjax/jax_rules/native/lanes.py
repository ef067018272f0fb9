"""Arithmetic on vectors of voxels, as LLVM instructions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

MAY_CONTRACT: dict[str, Any] = {"flags": ("contract",)}
"""Products may be added without rounding between."""


@dataclass(frozen=True)
class Complex:
    """A complex number by its parts."""

    real: Any
    imag: Any


@dataclass(frozen=True)
class KnownNumbers:
    """Whole numbers, or whether something is so, that are known: places in an array, or to be put into lanes."""

    value: np.ndarray


class NotElementwise(Exception):
    """A program is not of the kind that can be put into lanes."""


class Lanes:
    """Instructions on so many voxels at once."""

    def __init__(self, builder: ir.IRBuilder, n_lanes: int, dtype: Any):
        self.builder, self.n_lanes = builder, n_lanes
        self.scalar = ir.DoubleType() if dtype == np.float64 else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, n_lanes)

    def constant(self, value: Any) -> Any:
        """A known number in every lane."""
        if np.iscomplexobj(value):
            return Complex(self.constant(value.real), self.constant(value.imag))
        if isinstance(value, bool | np.bool_):
            return ir.Constant(ir.VectorType(ir.IntType(1), self.n_lanes), [int(value)] * self.n_lanes)
        if isinstance(value, int | np.integer):
            return ir.Constant(ir.VectorType(ir.IntType(32), self.n_lanes), [int(value)] * self.n_lanes)
        return ir.Constant(self.vector, [float(value)] * self.n_lanes)

    def in_rows(self, values: Any) -> np.ndarray:
        """KnownNumbers numbers in every lane, those of all voxels alike."""
        if not isinstance(values, KnownNumbers):
            return values
        known = values.value
        if known.ndim and not np.all(known == known[..., :1]):
            raise NotElementwise("known numbers that differ from voxel to voxel")
        known = known[..., 0] if known.ndim else known
        result = np.empty(known.shape, object)
        for place in np.ndindex(*known.shape):
            result[place] = self.constant(known[place])
        return result

    # arithmetic; what is known to be zero, such as the cotangent of what a loss does not use, stays so in products with anything,
    # as the symbolic zeros of JAX do

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex):
            a, b = self.as_complex(a), self.as_complex(b)
            return Complex(self.add(a.real, b.real), self.add(a.imag, b.imag))
        if _is_zero(a):
            return b
        if _is_zero(b):
            return a
        if is_whole(a):
            return self.builder.add(a, b)
        return self.builder.fadd(a, b, **MAY_CONTRACT)

    def sum_of(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The sum of two arrays."""
        result = np.empty(a.shape, object)
        for place in np.ndindex(*a.shape):
            result[place] = self.add(a[place], b[place])
        return result

    def neg(self, a: Any) -> Any:
        if isinstance(a, Complex):
            return Complex(self.neg(a.real), self.neg(a.imag))
        if is_whole(a):
            return self.builder.neg(a)
        return a if _is_zero(a) else self.builder.fneg(a)

    def sub(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex) or _is_zero(a) or _is_zero(b):
            return self.add(a, self.neg(b))
        if is_whole(a):
            return self.builder.sub(a, b)
        return self.builder.fsub(a, b, **MAY_CONTRACT)

    def mul(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex):
            a, b = self.as_complex(a), self.as_complex(b)
            return Complex(
                self.sub(self.mul(a.real, b.real), self.mul(a.imag, b.imag)),
                self.add(self.mul(a.real, b.imag), self.mul(a.imag, b.real)),
            )
        if is_whole(a):
            return self.builder.mul(a, b)
        if _is_zero(a) or _is_zero(b):
            return self.constant(0.0)
        return self.builder.fmul(a, b, **MAY_CONTRACT)

    def div(self, a: Any, b: Any) -> Any:
        if isinstance(b, Complex):
            square = self.add(self.mul(b.real, b.real), self.mul(b.imag, b.imag))
            return self.div(self.mul(a, Complex(b.real, self.neg(b.imag))), square)
        if isinstance(a, Complex):
            return Complex(self.div(a.real, b), self.div(a.imag, b))
        return self.builder.fdiv(a, b, **MAY_CONTRACT)

    def as_complex(self, a: Any) -> Complex:
        return a if isinstance(a, Complex) else Complex(a, self.constant(0.0))

    def select(self, condition: Any, no: Any, yes: Any) -> Any:
        if isinstance(no, Complex) or isinstance(yes, Complex):
            no, yes = self.as_complex(no), self.as_complex(yes)
            return Complex(self.select(condition, no.real, yes.real), self.select(condition, no.imag, yes.imag))
        return self.builder.select(condition, yes, no)

    def compare(self, sign: str, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex):
            a, b = self.as_complex(a), self.as_complex(b)
            parts = self.compare(sign, a.real, b.real), self.compare(sign, a.imag, b.imag)
            return self.builder.and_(*parts) if sign == "==" else self.builder.or_(*parts)
        if is_whole(a):
            return self.builder.icmp_signed(sign, a, b)
        if sign == "!=":
            return self.builder.fcmp_unordered(sign, a, b)
        return self.builder.fcmp_ordered(sign, a, b)

    def largest(self, a: Any, b: Any) -> Any:
        """The larger one; not a number where one of them is none."""
        return self.call("maximum", a, b)

    def smallest(self, a: Any, b: Any) -> Any:
        return self.call("minimum", a, b)

    def sign(self, a: Any) -> Any:
        below = self.select(self.compare("<", a, self.constant(0.0)), a, self.constant(-1.0))
        return self.select(self.compare(">", a, self.constant(0.0)), below, self.constant(1.0))

    def power(self, a: Any, exponent: int) -> Any:
        if exponent < 0:
            return self.div(self.constant(1.0), self.power(a, -exponent))
        if exponent == 0:
            return self.constant(1.0)
        half = self.power(a, exponent // 2)
        square = self.mul(half, half) if exponent > 1 else None
        return a if square is None else square if exponent % 2 == 0 else self.mul(square, a)

    def call(self, name: str, *arguments: Any) -> Any:
        """One of LLVM's own functions."""
        width = 64 if isinstance(self.scalar, ir.DoubleType) else 32
        full, module = f"llvm.{name}.v{self.n_lanes}f{width}", self.builder.module
        if full not in module.globals:
            ir.Function(module, ir.FunctionType(self.vector, [self.vector] * len(arguments)), full)
        return self.builder.call(module.globals[full], arguments)


def is_whole(value: Any) -> bool:
    """Whether there are whole numbers in the lanes, or truths."""
    return not isinstance(value, Complex) and isinstance(value.type.element, ir.IntType)


def _is_zero(value: Any) -> bool:
    return (
        isinstance(value, ir.Constant)
        and isinstance(value.constant, list)
        and not any(c.constant if isinstance(c, ir.Constant) else c for c in value.constant)
    )
