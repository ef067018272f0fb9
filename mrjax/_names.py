"""Names are imported when they are first used, and misspelt ones are answered with the nearest one that exists."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest of `known`, whatever its case; empty where none is near."""
    by_lower = {other.lower(): other for other in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean `{by_lower[found[0]]}`?" if found else ""


def refuse_unknown_keywords(given: Iterable[str], signature: inspect.Signature, called: str) -> None:
    """Raise a `TypeError` for the first keyword that a signature does not have."""
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    known = [name for name in signature.parameters if name != "self"]
    for name in given:
        if name not in known:
            nearest = did_you_mean(name, known) or f" It takes {', '.join(known) or 'none'}."
            raise TypeError(f"`{called}` has no argument `{name}`.{nearest}")


def answers_misspelt_keywords(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function that answers a keyword it does not know with the nearest one."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        refuse_unknown_keywords(kwargs, signature, function.__name__)
        return function(*args, **kwargs)

    return checked


def refuse_unknown_attribute(owner: Any, name: str) -> NoReturn:
    """Raise an `AttributeError` that names the nearest public attribute of an object."""
    known = [other for other in dir(owner) if not other.startswith("_")]
    called = f"module {owner.__name__!r}" if inspect.ismodule(owner) else f"{type(owner).__name__!r} object"
    # with a name but no object, Python does not look for the nearest a second time
    raise AttributeError(f"{called} has no attribute {name!r}.{did_you_mean(name, known)}", name=name)


def on_demand(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that imports some of its names when they are first used.

    `homes` says for each such name the module that holds it, or that it is.
    """
    module = sys.modules[package]

    def get(name: str) -> Any:
        if name not in homes:
            refuse_unknown_attribute(module, name)
        home = import_module(homes[name])
        value = home if homes[name].endswith(f".{name}") else getattr(home, name)
        setattr(module, name, value)  # from now on Python finds it without asking
        return value

    return get, lambda: sorted({*vars(module), *homes})
