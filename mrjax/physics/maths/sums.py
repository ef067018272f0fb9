"""Sums of effects, some of which may be absent."""

from jaxtyping import Array


def sum_of_given(*terms: Array | None) -> Array | None:
    """The sum of the terms that are not None; None where all are."""
    given = [term for term in terms if term is not None]
    return sum(given[1:], start=given[0]) if given else None
