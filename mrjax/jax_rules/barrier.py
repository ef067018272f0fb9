"""JAX's optimization barrier, with derivatives for every version of JAX that mrjax supports.

`jax.lax.optimization_barrier` makes the compiler compute a group of values before it uses any of them. Its rules for
derivatives are experimental (https://github.com/jax-ml/jax/pull/27174), and their treatment of zeros has changed
(https://github.com/jax-ml/jax/pull/39429): `jax.linear_transpose` of JAX 0.12 fails where some of the values are known and the
others linear, which JAX 0.8 to 0.10 transpose. So the barrier here has derivatives of its own.
"""

from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def _barrier() -> Primitive:
    primitive = Primitive("mrjax_barrier")
    primitive.multiple_results = True
    primitive.def_impl(jax.jit(lambda *values: primitive.bind(*values)))
    primitive.def_abstract_eval(lambda *values: values)
    together = mlir.lower_fun(lambda *values: jax.lax.optimization_barrier(values), multiple_results=True)
    mlir.register_lowering(primitive, together)
    batching.primitive_batchers[primitive] = lambda values, axes: (primitive.bind(*values), axes)

    # zeros become arrays, since `scan` of JAX 0.10 cannot transpose what is zero by its structure
    passed = lambda values: primitive.bind(*map(ad.instantiate_zeros, values))
    ad.primitive_jvps[primitive] = lambda primals, tangents: (primitive.bind(*primals), passed(tangents))
    ad.primitive_transposes[primitive] = lambda cotangents, *values: passed(cotangents)
    return primitive


_primitive = _barrier()


def optimization_barrier(values: Any) -> Any:
    """A tree of arrays, of which the compiler computes all before it uses any, and removes none."""
    leaves, structure = jax.tree.flatten(values)
    return values if not leaves else jax.tree.unflatten(structure, _primitive.bind(*leaves))
