"""Events that engines make of others for themselves."""

from types import MappingProxyType

from mrjax.sequence import AbstractEvent


class AbstractLoweredEvent(AbstractEvent):
    """An event that an engine prepares in the place of another.

    No timeline, diagram, scanner or file ever holds one.
    """

    units = MappingProxyType({})

    def steps(self):
        raise TypeError(f"{type(self).__name__} is an event within an engine, and no timeline shows it.")

    def described(self, in_units: bool) -> str:
        del in_units
        return type(self).__name__
