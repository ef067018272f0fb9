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

from mrjax.jax_rules import native
from mrjax.jax_rules.devices import on_one_cpu_device
from mrjax.jax_rules.linearization import with_adjoint
from mrjax.jax_rules.programs import opened, step_as_program, step_of

SHORTEST_LOOP = 4
"""Steps: of fewer JAX writes out the transpose."""


def scan_by_adjoint(body: Callable, carry: Any, inputs: Any, length: int, plain: Callable) -> tuple[Any, Any]:
    """`jax.lax.scan(body, carry, inputs, length)`, with an adjoint loop where reverse mode passes once.

    `plain(body, carry, inputs)` computes the same and is what JAX differentiates elsewhere: beyond first order, and where a step
    is no elementwise program over voxels.
    """
    state, numbers = jax.tree.leaves(carry), jax.tree.leaves(inputs)
    are_numbers = all(isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.inexact) for x in (*state, *numbers))
    if not (native.IS_AVAILABLE and are_numbers and length >= SHORTEST_LOOP and on_one_cpu_device()):
        return plain(body, carry, inputs)
    from mrjax.jax_rules.native.calls import NativeLoop
    from mrjax.jax_rules.native.forms import form_of, n_voxels_of
    from mrjax.jax_rules.native.lanes import NotElementwise

    program, of_outputs = step_as_program(body, carry, inputs)
    constants = list(program.consts)
    by_steps = lambda constants, carry, inputs: plain(step_of(program, len(state), constants), carry, inputs)
    try:
        n_voxels = n_voxels_of(state)
        form = form_of(opened(program), len(constants), len(state), n_voxels)
        loop = NativeLoop.of(form, length, n_voxels, by_steps)
    except NotElementwise:
        return plain(body, carry, inputs)
    run = with_adjoint(loop.values, loop.remembering, loop.adjoint, plain=by_steps)
    after, outputs = run(constants, state, numbers)
    return jax.tree.unflatten(jax.tree.structure(carry), after), jax.tree.unflatten(of_outputs, outputs)
