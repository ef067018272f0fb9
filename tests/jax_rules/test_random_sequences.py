"""No sequence ends the process: loops within loops are differentiated in every mode, in processes of their own.

The first once ended in an abort of XLA.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("random_sequences.py")
MANY = [("all", 3), ("all", 4), *(("few", *range(first, first + 5)) for first in range(0, 50, 5))]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "arguments", [("few", 0), *(pytest.param(each, marks=pytest.mark.exhaustive) for each in MANY)]
)
def test_derivatives_compile_and_agree(arguments):
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    last = child.stdout.splitlines()[-1:]
    assert child.returncode == 0, f"ended with {child.returncode} at {last}:\n{child.stderr[-3000:]}"
