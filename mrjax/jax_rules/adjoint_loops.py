"""Loops on a CPU whose reverse mode is a loop of the same kind, in machine code of our own.

JAX transposes a loop by itself, but stores what every step needs, and runs the transposed steps operation by operation. A loop
whose steps treat every voxel alike has an adjoint that can keep all of a few voxels in the first-level cache: for so many voxels
as fill a vector register it computes the states again, from one kept state to the next, and takes the cotangents back
(`native/loops.py`). Nothing but the arguments of the loop is remembered.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jaxtyping import Array

from mrjax.jax_rules import native
from mrjax.jax_rules.devices import on_one_cpu_device
from mrjax.jax_rules.linearization import with_adjoint

SHORTEST_LOOP = 4
"""Steps: of fewer JAX writes out the transpose."""


def scan_by_adjoint(body: Callable, carry: Any, inputs: Any, length: int, plain: Callable) -> tuple[Any, Any]:
    """`jax.lax.scan(body, carry, inputs, length)`, with an adjoint loop where reverse mode passes once.

    `plain(body, carry, inputs)` computes the same and is what JAX differentiates elsewhere: beyond first order, and where a step
    is no elementwise program over voxels.
    """
    state, of_state = jax.tree.flatten(carry)
    numbers, of_inputs = jax.tree.flatten(inputs)
    of_outputs = []

    def flat(*values: Array) -> list:
        after, outputs = body(
            jax.tree.unflatten(of_state, values[: len(state)]), jax.tree.unflatten(of_inputs, values[len(state) :])
        )
        found, structure = jax.tree.flatten(outputs)
        of_outputs.append(structure)
        return [*jax.tree.leaves(after), *found]

    are_numbers = all(isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.inexact) for x in (*state, *numbers))
    if not (native.IS_AVAILABLE and are_numbers and length >= SHORTEST_LOOP and on_one_cpu_device()):
        return plain(body, carry, inputs)
    from mrjax.jax_rules.native.calls import NativeLoop, NotElementwise, form_of, names_of

    program = jax.make_jaxpr(flat)(*state, *(x[0] for x in numbers))
    constants, n_voxels = list(program.consts), max((x.shape[-1] for x in state if x.ndim), default=0)
    try:
        form = form_of(program, len(state), n_voxels)
        names = names_of(form)
    except NotElementwise:
        return plain(body, carry, inputs)
    step = lambda constants: lambda carry, now: _cut(eval_jaxpr(program.jaxpr, constants, *carry, *now), len(state))
    by_steps = lambda constants, carry, inputs: plain(step(constants), carry, inputs)
    loop = NativeLoop(form, names, length, n_voxels, by_steps)
    run = with_adjoint(loop.values, loop.remembering, loop.adjoint, plain=by_steps)
    after, outputs = run(constants, state, numbers)
    return jax.tree.unflatten(of_state, after), jax.tree.unflatten(of_outputs[0], outputs)


def _cut(values: list, n: int) -> tuple[list, list]:
    return values[:n], values[n:]
