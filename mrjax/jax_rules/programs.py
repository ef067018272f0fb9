"""Programs taken apart step by step."""

from collections.abc import Iterator
from typing import Any


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
