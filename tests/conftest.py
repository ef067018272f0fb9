"""Every test runs in float64 unless it says otherwise; comparisons of arrays with different ranks are errors."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def reference_data():
    """`reference_data("epg/cpmg_exact.npz")` is the path of a reference file; the test is skipped where it is absent.

    The folder is `MRJAX_DATA`, or `../shared/data` beside the project.
    """

    def locate(name: str) -> Path:
        root = Path(os.environ.get("MRJAX_DATA", Path(__file__).parents[2] / "shared" / "data"))
        if not (root / name).exists():
            pytest.skip(f"reference data {name} not found; set MRJAX_DATA to the folder that holds it")
        return root / name

    return locate


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)
