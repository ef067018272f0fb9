"""What is said beside a sequence: labels of readouts and other notes, which take no time and move no spin."""

from types import MappingProxyType
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._quantities import BARE
from mrjax.sequence.base import AbstractContainer, AbstractEvent, checked_now, replace_checked
from mrjax.sequence.steps import Steps, no_steps


class AbstractNote(AbstractEvent):
    """An event that engines never see: it takes no time, and no timeline or diagram shows it."""

    printed_first = ("name",)

    @property
    def duration(self) -> float:
        """Zero."""
        return 0.0

    def steps(self) -> Steps:
        return no_steps()


class Label(AbstractNote):
    """A counter or a flag that says what the readouts after it are, such as line 12 of k-space.

    Engines, timelines and plots pass over it; Pulseq files keep it.

    **Arguments:**

    - `name`: Such as `"LIN"`, `"SLC"`, `"REP"` or `"NAV"`.
    - `value`: What it becomes, or what is added; a whole number. Scalar, or one entry per repetition inside a `Repeat`.
    - `increment`: Whether `value` is added to what it was.

    **Raises:** `ValueError` for a name that is empty or holds spaces, and a value that is not finite.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> line = mr.sequence.Label("LIN", 1, increment=True)
        >>> train = mr.Repeat(line, mr.Readout(64, dwell=10e-6), n_repetitions=32)
        >>> mr.Sequence(train).n_samples
        2048

        ```
    """

    units = MappingProxyType({"value": BARE})

    name: str = eqx.field(static=True)
    value: Float[Array, "..."]
    increment: bool = eqx.field(static=True)

    def __init__(self, name: str, value: Any, increment: bool = False):
        self.name = _one_word(name)
        self.value = _checks.real_array(value, "value")
        self.increment = bool(increment)
        checked_now(self)

    def checked(self, where: str) -> "Label":
        return replace_checked(self, where, value=_checks.finite)


class Annotation(AbstractNote):
    """A note for a scanner, such as a trigger, in the words of the file that it came from.

    **Arguments:**

    - `name`: Of the Pulseq extension, such as `"TRIGGERS"`.
    - `words`: What the file says, such as `("2", "1", "0", "2000")`.

    **Raises:** `ValueError` for a name or words that are empty or hold spaces.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> trigger = mr.sequence.Annotation("TRIGGERS", ("2", "1", "0", "2000"))
        >>> float(mr.Sequence(trigger, mr.Delay(2e-3)).duration)
        0.002...

        ```
    """

    units = MappingProxyType({})

    name: str = eqx.field(static=True)
    words: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, name: str, words: tuple[str, ...]):
        self.name = _one_word(name)
        self.words = tuple(map(_one_word, words))


def without_notes(container: AbstractContainer) -> AbstractContainer:
    """A sequence without its labels and annotations; as it is where it has none."""
    entries = []
    for entry in container.events:
        if isinstance(entry, AbstractContainer):
            inside = without_notes(entry)
            entries += [inside] if inside.events else []
        elif not isinstance(entry, AbstractNote):
            entries.append(entry)
    same = len(entries) == len(container.events) and all(
        new is old for new, old in zip(entries, container.events, strict=True)
    )
    return container if same else eqx.tree_at(lambda c: c.events, container, tuple(entries), is_leaf=_is_events)


def _is_events(node: Any) -> bool:
    return isinstance(node, tuple)


def _one_word(word: Any) -> str:
    if not isinstance(word, str) or len(word.split()) != 1 or word != word.strip():
        raise ValueError(f"Names and words of labels must be text without spaces, but got {word!r}.")
    return word
