"""How tests compile a program of which they ask neither speed nor last bits: derivatives, above all.

A derivative is compared with differences, to six digits or so, and whether it is right is decided before XLA sees it.
Its program is large, and compiles in a third of the time where XLA neither optimises nor fuses by its newer emitters.
Programs of values, of memory and of bits are compiled as users compile them.
"""

import functools

import jax

HASTE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def _is_known(option: str) -> bool:
    """Whether this version of XLA has the option; newer ones have lost the second."""
    try:
        jax.jit(lambda x: x, compiler_options={option: HASTE[option]})(1.0)
    except jax.errors.JaxRuntimeError:
        return False
    return True


OPTIONS = {option: value for option, value in HASTE.items() if _is_known(option)}


def compiled_quickly(function):
    """`jax.jit` for derivatives in tests; inside of another program, where JAX takes no options, it is `jax.jit`."""
    quickly, within = jax.jit(function, compiler_options=OPTIONS), jax.jit(function)

    @functools.wraps(function)
    def call(*arguments):
        is_traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments))
        return (within if is_traced else quickly)(*arguments)

    return call
