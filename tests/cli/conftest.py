"""What tests of commands share."""

import pytest


@pytest.fixture
def no_report(monkeypatch):
    """Fits without their report page, whose pictures take longer than the fit of a few voxels; test_fit_report draws it."""
    monkeypatch.setattr("mrjax.cli.report.write", lambda contrast, known, *rest: known.options.out / "report.html")
