"""Programs taken apart step by step."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.core import eval_jaxpr
from jax.extend.core import ClosedJaxpr, Jaxpr


def all_steps(program: Any) -> Iterator[Any]:
    """All steps, also those of programs within the program."""
    for step in program.eqns:
        yield step
        for inner in programs_within(list(step.params.values())):
            yield from all_steps(inner)


def programs_within(found: Any) -> Iterator[Any]:
    """The programs among the parameters of a step."""
    if isinstance(found, tuple | list):
        for each in found:
            yield from programs_within(each)
    elif hasattr(found, "eqns"):
        yield getattr(found, "jaxpr", found)


def opened(program: ClosedJaxpr) -> ClosedJaxpr:
    """The same program, with its constants as arguments in front."""
    n = len(program.consts)
    if not n:
        return program
    inputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (*program.consts, *program.in_avals)]
    return jax.make_jaxpr(lambda *values: eval_jaxpr(program.jaxpr, values[:n], *values[n:]))(*inputs)


def step_as_program(body: Callable, carry: Any, inputs: Any) -> tuple[ClosedJaxpr, Any]:
    """The body of a `scan` as a program of the arrays of the state and of one input; and the structure of its outputs."""
    state, of_state = jax.tree.flatten(carry)
    numbers, of_inputs = jax.tree.flatten(inputs)
    structures = []

    def flat(*values: Any) -> list:
        given, now = values[: len(state)], values[len(state) :]
        after, outputs = body(jax.tree.unflatten(of_state, given), jax.tree.unflatten(of_inputs, now))
        found, structure = jax.tree.flatten(outputs)
        structures.append(structure)
        return [*jax.tree.leaves(after), *found]

    program = jax.make_jaxpr(flat)(*state, *(x[0] for x in numbers))
    return program, structures[0]


def step_of(program: ClosedJaxpr, n_carried: int, constants: Any) -> Callable:
    """The body of a `scan` of lists of arrays, with these constants."""

    def step(carry: list, now: list) -> tuple[list, list]:
        found = eval_jaxpr(program.jaxpr, constants, *carry, *now)
        return found[:n_carried], found[n_carried:]

    return step


def sizes_of_scan(step: Any) -> tuple[int, int]:
    """How many constants and how many arrays of state go into a `scan`, which JAX calls by other names in each version."""
    program = step.params["jaxpr"]
    longer = lambda atoms, avals: sum(len(x.aval.shape) > len(y.shape) for x, y in zip(atoms, avals, strict=True))
    n_carried = len(step.outvars) - longer(step.outvars, program.out_avals)
    return len(step.invars) - longer(step.invars, program.in_avals) - n_carried, n_carried


def rewritten(program: Jaxpr, change: Callable[[Any], Any]) -> Jaxpr:
    """A program with other steps: what `change(step)` gives, and where that is None the same step, rewritten within."""
    return program.replace(eqns=[_rewritten_step(step, change) for step in program.eqns])


def _rewritten_step(step: Any, change: Callable[[Any], Any]) -> Any:
    changed = change(step)
    if changed is not None:
        return changed
    params = dict(step.params)
    for name in ("jaxpr", "call_jaxpr"):
        inner = params.get(name)
        if isinstance(inner, ClosedJaxpr):
            params[name] = ClosedJaxpr(rewritten(inner.jaxpr, change), inner.consts)
        elif isinstance(inner, Jaxpr):
            params[name] = rewritten(inner, change)
    return step.replace(params=params)
