"""Whether what a Pulseq file refers to is there."""

from collections.abc import Collection, Mapping

from mrjax.pulseq.errors import Source
from mrjax.pulseq.events import Extension
from mrjax.pulseq.sections import Section, Table
from mrjax.pulseq.shapes import Shape


def check(
    read: Table, column: str, known: Collection[int], target: str, present: Collection[str], source: Source
) -> None:
    """Every id in a column must be known; 0 and less stand for none.

    **Arguments:**

    - `read`, `column`: Where the ids stand.
    - `known`: The ids that there are.
    - `target`: Name of the section that holds them; where it is missing from `present`, the message says so.

    **Raises:** `PulseqError` at the line of the first that is not known.
    """
    if column not in read.columns:
        return
    for identifier, line in zip(read.whole(column), read.lines, strict=True):
        if identifier > 0 and identifier not in known:
            missing = "" if any(name in present for name in target.split(" or ")) else ", a section that is missing"
            listed = " or ".join(f"[{name}]" for name in target.split(" or "))
            raise source.error(line, f"{column} refers to id {identifier}, which is not in {listed}{missing}.")


def check_samples(read: Table, shapes: Mapping[int, Shape], source: Source) -> None:
    """An RF pulse needs a magnitude; its phase and its times may be left out, or have as many samples."""
    for identifier, line in zip(read.whole("magnitude_shape"), read.lines, strict=True):
        if identifier == 0:
            raise source.error(line, "magnitude_shape of an RF event must be the id of a shape, but is 0.")
    lengths = {identifier: shape.n_samples for identifier, shape in shapes.items()}
    for column in ("phase_shape", "time_shape"):
        if column not in read.columns:
            continue
        for magnitude, other, line in zip(read.whole("magnitude_shape"), read.whole(column), read.lines, strict=True):
            if other > 0 and lengths[other] != lengths[magnitude]:
                raise source.error(
                    line,
                    f"magnitude_shape {magnitude} has {lengths[magnitude]} samples, but {column} {other} has "
                    f"{lengths[other]}; they must have as many.",
                )


def check_distinct(trapezoids: Table, gradients: Collection[int], source: Source) -> None:
    """Trapezoids and other gradients share their ids."""
    for identifier, line in zip(trapezoids.whole("id"), trapezoids.lines, strict=True):
        if identifier in gradients:
            raise source.error(line, f"id {identifier} of [TRAP] is in [GRADIENTS] too; they share their ids.")


def check_chains(links: Mapping[int, Extension], section: Section, source: Source) -> None:
    """Lists of extensions must end."""
    ends = {0}
    for first in links:
        passed: dict[int, None] = {}
        link = first
        while link not in ends:
            if link in passed:
                raise source.error(section.line, f"the list of extensions that starts at id {first} never ends.")
            passed[link] = None
            link = links[link].next
        ends.update(passed)
