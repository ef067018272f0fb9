"""What the scanner plays."""

from .containers import Repeat as Repeat, Sequence as Sequence
from .events import (
    AbstractContainer as AbstractContainer,
    AbstractEvent as AbstractEvent,
    Delay as Delay,
    Dephase as Dephase,
    Pulse as Pulse,
    Sample as Sample,
    Spoil as Spoil,
)
