"""Systems and methods by name: each is a file of its name in `systems/` or `methods/`, and is found by being there."""

import pkgutil
from importlib import import_module
from types import ModuleType

from mrjax.zoo import methods, systems
from mrjax.zoo.system import Method, System


def system_names() -> tuple[str, ...]:
    """All that can be trained.

    !!! example

        ```python
        >>> from mrjax import zoo
        >>> "blochnet" in zoo.system_names()
        True

        ```
    """
    return _names(systems)


def system_called(name: str) -> System:
    """The system of that name; `ValueError` lists all where there is none.

    !!! example

        ```python
        >>> from mrjax import zoo
        >>> zoo.system_called("drone").source[:8]
        'O. Cohen'

        ```
    """
    if name in _names(methods):
        raise ValueError(f"{name} has nothing to train; `mrjax evaluate {name}` scores it.")
    if name not in system_names():
        raise ValueError(f"The system must be one of {', '.join(system_names())}, but got {name!r}.")
    return import_module(f"{systems.__name__}.{name}").SYSTEM


def method_called(name: str) -> Method | None:
    """The method of that name that needs no training; None where there is none."""
    return import_module(f"{methods.__name__}.{name}").METHOD if name in _names(methods) else None


def _names(package: ModuleType) -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))
