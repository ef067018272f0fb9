"""Every example in a docstring runs, as a user would run it: every other one in float64, the rest in float32.

The first of each room runs with every test, the others where all tests run (`MRJAX_ALL_TESTS=1 pytest tests/test_examples.py`).
Each runs in one precision: the other would take as long again, for digits that are printed.
"""

import doctest
import importlib
import pkgutil

import jax
import pytest

import mrjax

MODULES = [module.name for module in pkgutil.walk_packages(mrjax.__path__, "mrjax.") if "__main__" not in module.name]


def _room(example):
    return example.name.split(".")[1]


WITH_EXAMPLES = [
    example
    for name in MODULES
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if example.examples
]


FIRST_OF_THEIR_ROOM = {_room(example): example.name for example in reversed(WITH_EXAMPLES)}.values()


def _how_often(example):
    return () if example.name in FIRST_OF_THEIR_ROOM else pytest.mark.exhaustive


@pytest.mark.parametrize(
    ("example", "x64"),
    [pytest.param(example, bool(i % 2), marks=_how_often(example)) for i, example in enumerate(WITH_EXAMPLES)],
    ids=lambda value: {True: "float64", False: "float32"}[value] if isinstance(value, bool) else value.name,
)
def test_example(example, x64):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with jax.enable_x64(x64), jax.numpy_rank_promotion("allow"):
        assert runner.run(example, clear_globs=False).failed == 0


def test_there_are_examples_in_every_room():
    rooms = {_room(example) for example in WITH_EXAMPLES}
    assert {"tissue", "sequence", "protocols", "physics", "signals", "inverse", "phantoms"} <= rooms
