"""The page of the signal models says what the models say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fits(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(sys, "argv", sys.argv[:1])  # what the benchmarks read when they are imported
    from benchmarks import fits

    return fits


def test_the_page_is_of_these_models(fits):
    page = fits.RESULTS.with_suffix(".md").read_text()
    columns = lambda text: [line.split(" | ")[:4] for line in text.splitlines() if line.startswith("| `")]
    assert columns(page) == columns(fits.table({"cases": {}})), "run `python -m benchmarks.fits --table`"
    for model in fits.ready_models():
        assert f"| `{model.__name__}` |" in page


def test_every_case_draws_what_its_model_gives(fits):
    for name, case in fits.CASES.items():
        assert set(case.voxels) == set(case.model.names), name
        assert case.goal is None or case.n_voxels > case.goal / 10
