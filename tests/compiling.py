"""How tests compile a program of which they ask neither speed nor last bits: derivatives, above all.

A derivative is compared with differences, to six digits or so, and whether it is right is decided before XLA sees it.
Its program is large, and compiles in two thirds of the time where XLA does not optimise. (Its older emitters as well would
halve that again, but with both a signal of isochromats that diffuse under long pulses is wrong in the seventh digit.)
Programs of values, of memory and of bits are compiled as users compile them.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import jax

WITHOUT_OPTIMISATION = {"xla_backend_optimization_level": 0}


def compiled_quickly(function):
    """`jax.jit` for derivatives in tests; inside of another program, where JAX takes no options, it is `jax.jit`."""
    quickly, within = jax.jit(function, compiler_options=WITHOUT_OPTIMISATION), jax.jit(function)

    @functools.wraps(function)
    def call(*arguments):
        is_traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments))
        return (within if is_traced else quickly)(*arguments)

    return call


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the programs that JAX makes ready meanwhile, from a cache on disk or by XLA."""
    names: list[str] = []
    _counting.append(names)
    try:
        yield names
    finally:
        # by identity: lists that are equal are not the same
        _counting[:] = [other for other in _counting if other is not names]


_counting: list[list[str]] = []


def _listen(event: str, duration: float, **about) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        for names in _counting:
            names.append(about.get("fun_name", "a program"))


# once and for all: JAX 0.8 has no function that takes a listener back
jax.monitoring.register_event_duration_secs_listener(_listen)
