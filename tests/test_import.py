"""What `import mrjax` brings, and what waits until it is asked for."""

import subprocess
import sys

import pytest

import mrjax as mr


def test_networks_are_imported_on_demand():
    code = "import sys, mrjax; assert 'flax' not in sys.modules; mrjax.nn.BlochDecoder; assert 'flax' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"nn", "zoo", "simulate"} <= set(dir(mr))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'mrjax' has no attribute 'nerves'"):
        mr.nerves  # noqa: B018
