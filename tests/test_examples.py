"""Every example in a docstring runs, as a user would run it: every other one in float64, the rest in float32.

Both precisions of all (slow) take two minutes more; everything else is tested in float64 anyway.
"""

import doctest
import importlib
import pkgutil

import jax
import pytest

import mrjax

MODULES = [module.name for module in pkgutil.walk_packages(mrjax.__path__, "mrjax.") if "__main__" not in module.name]
WITH_EXAMPLES = [
    example
    for name in MODULES
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if example.examples
]


@pytest.mark.parametrize(
    ("example", "x64"),
    [
        pytest.param(example, x64, id=f"{example.name}-{precision}", marks=[pytest.mark.slow] * (x64 != bool(i % 2)))
        for i, example in enumerate(WITH_EXAMPLES)
        for x64, precision in ((False, "float32"), (True, "float64"))
    ],
)
def test_example(example, x64):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with jax.enable_x64(x64), jax.numpy_rank_promotion("allow"):
        assert runner.run(example, clear_globs=False).failed == 0


def test_there_are_examples_in_every_room():
    rooms = {example.name.split(".")[1] for example in WITH_EXAMPLES}
    assert {"tissue", "sequence", "protocols", "physics", "signals", "inverse", "phantoms"} <= rooms
