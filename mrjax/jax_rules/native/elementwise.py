"""JAX's elementwise operations on vectors of voxels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from mrjax.jax_rules.native.lanes import Complex, Lanes, NotElementwise, is_whole


def _convert(lanes: Lanes, params: dict, a: Any) -> Any:
    kind, b = np.dtype(params["new_dtype"]).kind, lanes.builder
    if kind == "c":
        return lanes.as_complex(a)
    a = a.real if isinstance(a, Complex) else a
    if kind == "f":
        if not is_whole(a):
            return a
        return (b.uitofp if a.type.element.width == 1 else b.sitofp)(a, lanes.vector)
    whole = ir.VectorType(ir.IntType(32), lanes.n_lanes)
    if np.dtype(params["new_dtype"]) != np.int32:
        raise NotElementwise(f"a conversion to {params['new_dtype']}")
    if not is_whole(a):
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
    "min": lambda lanes, params, a, b: lanes.smallest(a, b),
    "mul": lambda lanes, params, a, b: lanes.mul(a, b),
    "ne": lambda lanes, params, a, b: lanes.compare("!=", a, b),
    "neg": lambda lanes, params, a: lanes.neg(a),
    "not": lambda lanes, params, a: lanes.builder.not_(a),
    "or": lambda lanes, params, a, b: lanes.builder.or_(a, b),
    "real": lambda lanes, params, a: a.real if isinstance(a, Complex) else a,
    "rem": lambda lanes, params, a, b: lanes.builder.srem(a, b),
    "round": _round,
    "select_n": lambda lanes, params, which, no, yes: lanes.select(which, no, yes),
    "sign": lambda lanes, params, a: lanes.sign(a),
    "sqrt": lambda lanes, params, a: lanes.call("sqrt", a),
    "square": lambda lanes, params, a: lanes.mul(a, a),
    "sub": lambda lanes, params, a, b: lanes.sub(a, b),
}
