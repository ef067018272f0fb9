"""Elementwise programs as LLVM instructions on vectors of voxels.

Every array of such a program has the voxels on its last axis, or one entry there, the same for all voxels. That axis becomes the
lanes of vector registers; along all others an array is a NumPy array of values in registers, so that slices, pads and
broadcasts cost nothing but names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from llvmlite import ir

from mrjax.jax_rules.programs import all_steps

MAY_CONTRACT = ("contract",)
"""Products may be added without rounding between."""


@dataclass(frozen=True)
class Complex:
    """A complex number by its parts."""

    real: Any
    imag: Any


@dataclass(frozen=True)
class Whole:
    """A whole number that is known: a place in an array, or to be put into lanes."""

    value: int


class NotElementwise(Exception):
    """A program is not of the kind that can be put into lanes."""


class Lanes:
    """Instructions on so many voxels at once."""

    def __init__(self, builder: ir.IRBuilder, n_lanes: int, dtype: Any):
        self.builder, self.n_lanes = builder, n_lanes
        self.scalar = ir.DoubleType() if dtype == np.float64 else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, n_lanes)

    def constant(self, value: Any) -> Any:
        if np.iscomplexobj(value):
            return Complex(self.constant(value.real), self.constant(value.imag))
        if isinstance(value, bool | np.bool_):
            return ir.Constant(ir.VectorType(ir.IntType(1), self.n_lanes), [int(value)] * self.n_lanes)
        if isinstance(value, int | np.integer):
            return ir.Constant(ir.VectorType(ir.IntType(32), self.n_lanes), [int(value)] * self.n_lanes)
        return ir.Constant(self.vector, [float(value)] * self.n_lanes)

    def evaluate(self, program: Jaxpr, constants: list, arguments: list) -> list:
        """What a program gives for values in registers."""
        found: dict = dict(zip([*program.constvars, *program.invars], [*constants, *arguments], strict=True))

        def read(atom: Any) -> np.ndarray:
            if not isinstance(atom, Literal):
                return found[atom]
            value = np.asarray(atom.val)
            if value.ndim:
                raise NotElementwise("an array among the literals")
            return _one(self.constant(value[()]) if value.dtype.kind in "fcb" else Whole(int(value)))

        for step in program.eqns:
            results = self.step(step, [read(atom) for atom in step.invars])
            found.update(zip(step.outvars, results, strict=True))
        return [read(atom) for atom in program.outvars]

    def step(self, step: Any, values: list) -> list:
        name, params = step.primitive.name, step.params
        if name in CALLS:
            inner = params.get("jaxpr", params.get("call_jaxpr", params.get("fun_jaxpr")))
            inner = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            return self.evaluate(inner.jaxpr, [_one(self.constant(c)) for c in inner.consts], values)
        if name in SAME:
            return values
        if name in ELEMENTWISE:
            rule = ELEMENTWISE[name]
            shape = np.broadcast_shapes(*(value.shape for value in values))
            values = [np.broadcast_to(value, shape) for value in values]
            result = np.empty(shape, object)
            for place in np.ndindex(*shape):
                result[place] = rule(self, params, *(self.in_lanes(value[place]) for value in values))
            return [result]
        if name in ELSEWHERE:
            return [ELSEWHERE[name](self, step, *values)]
        raise NotElementwise(f"the operation {name}")

    def in_lanes(self, value: Any) -> Any:
        """A whole number that is known, in every lane."""
        return self.constant(value.value) if isinstance(value, Whole) else value

    # arithmetic, where a part may be zero and known to be

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex):
            a, b = self.as_complex(a), self.as_complex(b)
            return Complex(self.add(a.real, b.real), self.add(a.imag, b.imag))
        if _is_zero(a):
            return b
        if _is_zero(b):
            return a
        if _is_whole(a):
            return self.builder.add(a, b)
        return self.builder.fadd(a, b, flags=MAY_CONTRACT)

    def sum_of(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The sum of two arrays."""
        result = np.empty(a.shape, object)
        for place in np.ndindex(*a.shape):
            result[place] = self.add(a[place], b[place])
        return result

    def neg(self, a: Any) -> Any:
        if isinstance(a, Complex):
            return Complex(self.neg(a.real), self.neg(a.imag))
        if _is_whole(a):
            return self.builder.neg(a)
        return a if _is_zero(a) else self.builder.fneg(a)

    def sub(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex) or _is_zero(a) or _is_zero(b):
            return self.add(a, self.neg(b))
        if _is_whole(a):
            return self.builder.sub(a, b)
        return self.builder.fsub(a, b, flags=MAY_CONTRACT)

    def mul(self, a: Any, b: Any) -> Any:
        if isinstance(a, Complex) or isinstance(b, Complex):
            a, b = self.as_complex(a), self.as_complex(b)
            return Complex(
                self.sub(self.mul(a.real, b.real), self.mul(a.imag, b.imag)),
                self.add(self.mul(a.real, b.imag), self.mul(a.imag, b.real)),
            )
        if _is_whole(a):
            return self.builder.mul(a, b)
        if _is_zero(a) or _is_zero(b):
            return self.constant(0.0)
        return self.builder.fmul(a, b, flags=MAY_CONTRACT)

    def div(self, a: Any, b: Any) -> Any:
        if isinstance(b, Complex):
            raise NotElementwise("division by complex numbers")
        if isinstance(a, Complex):
            return Complex(self.div(a.real, b), self.div(a.imag, b))
        return self.builder.fdiv(a, b, flags=MAY_CONTRACT)

    def as_complex(self, a: Any) -> Complex:
        return a if isinstance(a, Complex) else Complex(a, self.constant(0.0))

    def select(self, condition: Any, no: Any, yes: Any) -> Any:
        if isinstance(no, Complex) or isinstance(yes, Complex):
            no, yes = self.as_complex(no), self.as_complex(yes)
            return Complex(self.select(condition, no.real, yes.real), self.select(condition, no.imag, yes.imag))
        return self.builder.select(condition, yes, no)

    def compare(self, sign: str, a: Any, b: Any) -> Any:
        if _is_whole(a):
            return self.builder.icmp_signed(sign, a, b)
        if sign == "!=":
            return self.builder.fcmp_unordered(sign, a, b)
        return self.builder.fcmp_ordered(sign, a, b)

    def largest(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.compare(">", a, b), a, b)

    def power(self, a: Any, exponent: int) -> Any:
        if exponent < 0:
            return self.div(self.constant(1.0), self.power(a, -exponent))
        if exponent == 0:
            return self.constant(1.0)
        half = self.power(a, exponent // 2)
        square = self.mul(half, half) if exponent > 1 else None
        return a if square is None else square if exponent % 2 == 0 else self.mul(square, a)

    def call(self, name: str, a: Any) -> Any:
        width = 64 if isinstance(self.scalar, ir.DoubleType) else 32
        full, module = f"llvm.{name}.v{self.n_lanes}f{width}", self.builder.module
        if full not in module.globals:
            ir.Function(module, ir.FunctionType(self.vector, [self.vector]), full)
        return self.builder.call(module.globals[full], [a])


def n_instructions(program: ClosedJaxpr) -> int:
    """About how many instructions a program takes."""
    size = lambda step: int(np.prod(step.outvars[0].aval.shape[:-1], dtype=int)) if step.outvars else 0
    return sum(size(step) for step in all_steps(program.jaxpr) if step.primitive.name in ELEMENTWISE)


def _one(value: Any) -> np.ndarray:
    result = np.empty((), object)
    result[()] = value
    return result


def _is_whole(value: Any) -> bool:
    return not isinstance(value, Complex) and isinstance(value.type.element, ir.IntType)


def _is_zero(value: Any) -> bool:
    return (
        isinstance(value, ir.Constant)
        and isinstance(value.constant, list)
        and not any(c.constant if isinstance(c, ir.Constant) else c for c in value.constant)
    )


CALLS = frozenset(
    [
        "checkpoint",
        "closed_call",
        "core_call",
        "custom_jvp_call",
        "jit",
        "one_kernel",
        "pjit",
        "remat",
        "remat2",
        "unless_linearized",
    ]
)
SAME = frozenset(["copy", "copy_p", "mrjax_barrier", "optimization_barrier", "stop_gradient", "reduce_precision"])


def _convert(lanes: Lanes, params: dict, a: Any) -> Any:
    kind, b = np.dtype(params["new_dtype"]).kind, lanes.builder
    if kind == "c":
        return lanes.as_complex(a)
    a = a.real if isinstance(a, Complex) else a
    if kind == "f":
        if not _is_whole(a):
            return a
        return (b.uitofp if a.type.element.width == 1 else b.sitofp)(a, lanes.vector)
    whole = ir.VectorType(ir.IntType(32), lanes.n_lanes)
    if np.dtype(params["new_dtype"]) != np.int32:
        raise NotElementwise(f"a conversion to {params['new_dtype']}")
    if not _is_whole(a):
        return b.fptosi(a, whole)
    return b.zext(a, whole) if a.type.element.width == 1 else a


def _round(lanes: Lanes, params: dict, a: Any) -> Any:
    if int(params["rounding_method"]) != 1:
        raise NotElementwise("rounding other than to even numbers")
    return lanes.call("roundeven", a)


def _finite(lanes: Lanes, params: dict, a: Any) -> Any:
    return lanes.builder.fcmp_ordered("<", lanes.call("fabs", a), lanes.constant(np.inf))


def _abs(lanes: Lanes, params: dict, a: Any) -> Any:
    if not isinstance(a, Complex):
        return lanes.call("fabs", a)
    return lanes.call("sqrt", lanes.add(lanes.mul(a.real, a.real), lanes.mul(a.imag, a.imag)))


def _conj(lanes: Lanes, params: dict, a: Any) -> Any:
    return Complex(a.real, lanes.neg(a.imag)) if isinstance(a, Complex) else a


ELEMENTWISE: dict[str, Callable] = {
    "abs": _abs,
    "add": lambda lanes, params, a, b: lanes.add(a, b),
    "and": lambda lanes, params, a, b: lanes.builder.and_(a, b),
    "add_any": lambda lanes, params, a, b: lanes.add(a, b),
    "complex": lambda lanes, params, a, b: Complex(a, b),
    "conj": _conj,
    "convert_element_type": _convert,
    "div": lambda lanes, params, a, b: lanes.div(a, b),
    "eq": lambda lanes, params, a, b: lanes.compare("==", a, b),
    "ge": lambda lanes, params, a, b: lanes.compare(">=", a, b),
    "gt": lambda lanes, params, a, b: lanes.compare(">", a, b),
    "imag": lambda lanes, params, a: lanes.as_complex(a).imag,
    "is_finite": _finite,
    "integer_pow": lambda lanes, params, a: lanes.power(a, params["y"]),
    "le": lambda lanes, params, a, b: lanes.compare("<=", a, b),
    "lt": lambda lanes, params, a, b: lanes.compare("<", a, b),
    "max": lambda lanes, params, a, b: lanes.largest(a, b),
    "mul": lambda lanes, params, a, b: lanes.mul(a, b),
    "ne": lambda lanes, params, a, b: lanes.compare("!=", a, b),
    "neg": lambda lanes, params, a: lanes.neg(a),
    "not": lambda lanes, params, a: lanes.builder.not_(a),
    "or": lambda lanes, params, a, b: lanes.builder.or_(a, b),
    "real": lambda lanes, params, a: a.real if isinstance(a, Complex) else a,
    "rem": lambda lanes, params, a, b: lanes.builder.srem(a, b),
    "round": _round,
    "select_n": lambda lanes, params, which, no, yes: lanes.select(which, no, yes),
    "sqrt": lambda lanes, params, a: lanes.call("sqrt", a),
    "square": lambda lanes, params, a: lanes.mul(a, a),
    "sub": lambda lanes, params, a, b: lanes.sub(a, b),
}


def _without_voxels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1]


def _broadcast(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    shape, places = step.outvars[0].aval.shape, step.params["broadcast_dimensions"]
    if step.invars[0].aval.ndim == 0:
        return np.broadcast_to(a, _without_voxels(shape))
    if places and places[-1] != len(shape) - 1:
        raise NotElementwise("voxels on an axis that is not the last")
    middle = [1] * (len(shape) - 1)
    for place, size in zip(places[:-1], a.shape, strict=True):
        middle[place] = size
    return np.broadcast_to(a.reshape(middle), _without_voxels(shape))


def _reshape(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    before, after = step.invars[0].aval.shape, step.outvars[0].aval.shape
    if not before or not after:
        return a.reshape(_without_voxels(after) if after else ())
    if before[-1] != after[-1]:
        raise NotElementwise("a reshape of voxels")
    return a.reshape(_without_voxels(after))


def _sum(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    last = step.invars[0].aval.ndim - 1
    axes = [axis for axis in step.params["axes"] if axis != last]
    # over voxels the lanes hold partial sums, which are added after the last use
    for axis in sorted(axes, reverse=True):
        a = np.moveaxis(a, axis, 0)
        total = np.array(a[0:1], object)
        for row in range(1, len(a)):
            for place in np.ndindex(*total.shape[1:]):
                total[(0, *place)] = lanes.add(total[(0, *place)], a[(row, *place)])
        a = total[0:1].reshape(total.shape[1:])
    return a


def _pad(lanes: Lanes, step: Any, a: np.ndarray, filling: np.ndarray) -> np.ndarray:
    *before, last = step.params["padding_config"]
    if last != (0, 0, 0):
        raise NotElementwise("padding of voxels")
    for axis, (low, high, between) in enumerate(before):
        if between:
            raise NotElementwise("padding between")
        a = np.moveaxis(a, axis, 0)
        filled = lambda n: np.broadcast_to(filling, (max(n, 0), *a.shape[1:]))
        kept = a[max(-low, 0) : len(a) - max(-high, 0)]
        a = np.moveaxis(np.concatenate([filled(low), kept, filled(high)]), 0, axis)
    return a


def _slice(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    p = step.params
    strides = p["strides"] or [1] * len(p["start_indices"])
    parts = [slice(*bounds) for bounds in zip(p["start_indices"], p["limit_indices"], strides, strict=True)]
    if parts[-1] != slice(0, step.invars[0].aval.shape[-1], 1):
        raise NotElementwise("a slice of voxels")
    return a[tuple(parts[:-1])]


def _squeeze(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    shape = step.outvars[0].aval.shape
    return a.reshape(_without_voxels(shape) if shape else ())


def _update(lanes: Lanes, step: Any, a: np.ndarray, rows: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    if not all(isinstance(start[()], Whole) for start in starts):
        raise NotElementwise("an update of a place that is known only at run time")
    a = np.array(a, object)
    a[tuple(slice(start[()].value, start[()].value + n) for start, n in zip(starts, rows.shape, strict=False))] = rows
    return a


def _part(lanes: Lanes, step: Any, a: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    sizes = step.params["slice_sizes"]
    if not all(isinstance(start[()], Whole) for start in starts) or sizes[-1] != step.invars[0].aval.shape[-1]:
        raise NotElementwise("a slice at a place that is known only at run time, or of voxels")
    return a[
        tuple(slice(start[()].value, start[()].value + n) for start, n in zip(starts[:-1], sizes[:-1], strict=True))
    ]


def _concatenate(lanes: Lanes, step: Any, *parts: np.ndarray) -> np.ndarray:
    axis = step.params["dimension"]
    if axis == step.outvars[0].aval.ndim - 1:
        raise NotElementwise("voxels joined to voxels")
    return np.concatenate(parts, axis)


ELSEWHERE: dict[str, Callable] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dynamic_slice": _part,
    "dynamic_update_slice": _update,
    "expand_dims": _reshape,
    "pad": _pad,
    "reduce_sum": _sum,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
}
