"""The switch that turns off everything below the public functions of JAX, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plain_numbers import numbers

PROGRAM = Path(__file__).with_name("plain_numbers.py")


@pytest.mark.exhaustive
def test_plain_jax_gives_the_same_numbers(tmp_path):
    command = [sys.executable, str(PROGRAM), str(tmp_path / "plain.npz")]
    subprocess.run(command, env=os.environ | {"MRJAX_PLAIN_JAX": "1"}, check=True)
    plain = dict(np.load(tmp_path / "plain.npz"))
    assert set(plain.pop("imported")) == {
        f"mrjax.jax_rules.{name}" for name in ("batching", "derivatives", "devices", "plain")
    }
    assert np.all(np.isnan(plain.pop("negative")))
    expected = numbers()
    assert set(plain) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(plain[name], array, rtol=1e-10, atol=1e-13 * np.abs(array).max(), err_msg=name)
