"""What was made of an object, remembered as long as the object lives."""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, ParamSpec, TypeVar

import jax

from mrjax import _checks

Value = TypeVar("Value")
Settings = ParamSpec("Settings")
Result = TypeVar("Result")


def remembered_together(function: Callable[..., Result]) -> Callable[..., Result]:
    """`function` of two objects and of hashable settings, called once for each pair of objects that lives; see `remembered`.

    What it returns must not hold the objects themselves.
    """
    known: dict[Hashable, tuple[weakref.ref, weakref.ref, Any]] = {}

    @functools.wraps(function)
    def recall(first: Any, second: Any, *settings: Any) -> Any:
        key = (id(first), id(second), settings)
        if (found := known.get(key)) is not None and found[0]() is first and found[1]() is second:
            return found[2]
        result = function(first, second, *settings)
        if all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((first, second, result))):
            forget = lambda _: known.pop(key, None)
            known[key] = (weakref.ref(first, forget), weakref.ref(second, forget), result)
        return result

    return recall


def remembered(
    function: Callable[Concatenate[Value, Settings], Result],
) -> Callable[Concatenate[Value, Settings], Result]:
    """`function`, called once for each object, since modules never change; objects that hold traced numbers are not kept.

    Checking a sequence and a tissue takes two milliseconds, which every call of `simulate` would spend again. Further
    arguments are hashable, and remembered by their values.
    """
    known: dict[Hashable, tuple[weakref.ref, Any]] = {}

    @functools.wraps(function)
    def recall(value: Value, *settings: Settings.args, **named: Settings.kwargs) -> Any:
        key = (id(value), settings, *named.items())
        reference, kept = known.get(key, (lambda: None, None))
        if reference() is value:
            return value if kept is None else kept
        result = function(value, *settings, **named)
        if all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((value, result))):
            # an object that is its own result must not keep itself alive
            kept = None if result is value else result
            known[key] = (weakref.ref(value, lambda _: known.pop(key, None)), kept)
        return result

    return recall
