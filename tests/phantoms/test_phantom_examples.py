import doctest

import pytest

from mrjax.phantoms import Phantom, brain, shepp_logan, tubes


@pytest.mark.parametrize("public", [Phantom, brain, shepp_logan, tubes])
def test_examples_in_docstrings_run(public):
    test = doctest.DocTestParser().get_doctest(public.__doc__, {}, public.__name__, None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
