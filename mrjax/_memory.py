"""What was made of an object, remembered as long as the object lives."""

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from mrjax import _checks

Value = TypeVar("Value")


def remembered(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """`function`, called once for each object, since modules never change; objects that hold traced numbers are not kept.

    Checking a sequence and a tissue takes two milliseconds, which every call of `simulate` would spend again.
    """
    known: dict[int, tuple[weakref.ref, Any]] = {}

    def recall(value: Value) -> Value:
        key = id(value)
        reference, kept = known.get(key, (lambda: None, None))
        if reference() is value:
            return value if kept is None else kept
        result = function(value)
        if all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((value, result))):
            # an object that is its own result must not keep itself alive
            kept = None if result is value else result
            known[key] = (weakref.ref(value, lambda _: known.pop(key, None)), kept)
        return result

    return recall
