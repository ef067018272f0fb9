"""The base of what users build: sequences, tissues, engines."""

import functools
import inspect
from typing import TYPE_CHECKING, Any

import equinox as eqx

from mrjax import _names


class Module(eqx.Module):
    """An `equinox.Module` that answers misspelt names, and knows whether its numbers are those it was built with."""

    def __new__(cls, *args: Any, **kwargs: Any):
        if kwargs:
            _names.refuse_unknown_keywords(kwargs, _signature(cls), cls.__name__.lstrip("_"))
        return super().__new__(cls)

    def __check_init__(self):
        # No field, so that no transformation of JAX carries it: what `jax.grad` returns in this form is built from leaves
        # alone, and holds no times and angles but derivatives by them.
        object.__setattr__(self, "_is_constructed", True)

    if not TYPE_CHECKING:  # or type checkers would take any attribute

        def __getattr__(self, name: str) -> Any:
            if name in dir(type(self)):  # a property that raised an AttributeError of its own, which is raised again
                return object.__getattribute__(self, name)
            return _names.refuse_unknown_attribute(self, name)


@functools.cache
def _signature(kind: type) -> inspect.Signature:
    """That of a constructor; a file may hold ten thousand events of one kind."""
    return inspect.signature(kind.__init__)


def is_constructed(module: eqx.Module) -> bool:
    """Whether a module was built by its constructor, so that its numbers are in the units of its fields.

    What a transformation of JAX returns in its form may be that as well, or hold derivatives: nothing tells them apart.
    """
    return "_is_constructed" in vars(module)
