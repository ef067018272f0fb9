"""Values that are all computed before any is used."""

from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def _barrier() -> Primitive:
    """JAX 0.12 cannot transpose its own where some arguments are known and others linear."""
    primitive = Primitive("kept_together")
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


_together = _barrier()


def kept_together(values: Any) -> Any:
    """A tree of arrays of which the compiler uses none, and forgets none, before all are computed."""
    leaves, structure = jax.tree.flatten(values)
    return jax.tree.unflatten(structure, _together.bind(*leaves) if leaves else [])
