"""What `Scanner.utilisation` says of imaging sequences is what pypulseqpp says of their files, to a percent."""

import json

import numpy as np
import pytest

from benchmarks.scanner_limits import RESULTS, SHOWN, figures, sequence_called

ROWS = {row["name"]: row for row in json.loads((RESULTS / "scanner_limits.json").read_text())}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "spiral" else pytest.mark.exhaustive) for name in ROWS],
)
def test_figures_are_those_of_another_program(name):
    theirs = ROWS[name]["pypulseqpp"]
    assert theirs["timing"]
    ours = figures(sequence_called(name))
    assert set(ours) == set(SHOWN)
    for figure, found in ours.items():
        np.testing.assert_allclose(found, theirs[figure], rtol=0.01, atol=1e-9, err_msg=figure)
