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


compiled_quickly = functools.partial(
    jax.jit, compiler_options={option: value for option, value in HASTE.items() if _is_known(option)}
)
"""`jax.jit` for derivatives in tests; not inside of another `jit`, where JAX takes no options."""
