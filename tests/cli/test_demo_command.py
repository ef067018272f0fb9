"""`mrjax demo` end to end on a small slice: the maps are right, and all that is promised is written."""

import jax
import nibabel
import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import batches, fingerprinting, main
from mrjax.cli.batches import fit_in_batches
from mrjax.inverse import least_squares
from mrjax.phantoms import brain
from mrjax.protocols import published_fisp_schedule


@pytest.fixture(scope="module")
def compiled():
    """Names of programs, since the module began."""
    names = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **about: names.append(about.get("fun_name")) if "backend_compile" in event else None
    )
    return names


@pytest.fixture(scope="module")
def demo(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--shape", "40", "40", "--out", str(folder)]) == 0
    return folder


@pytest.mark.exhaustive
def test_dictionary_and_maps_are_played_by_one_program(demo, compiled):
    played = [name for name in compiled if "_program" in name]
    assert 1 <= len(played) <= 2  # and the scan by another


def read(folder, name):
    return np.squeeze(np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj))


@pytest.mark.parametrize(("parameter", "limit"), [("t1", 0.02), ("t2", 0.05)])
@pytest.mark.parametrize("tissue", ["white matter", "grey matter"])
def test_median_error_in_pure_voxels(demo, tissue, parameter, limit):
    pure = np.asarray(brain((40, 40)).fraction(tissue)) >= 0.95
    assert pure.sum() >= 10
    error = read(demo, parameter)[pure] / read(demo, f"{parameter}_true")[pure] - 1
    assert np.median(np.abs(error)) < limit


def test_error_bars_are_of_the_size_of_the_errors(demo):
    pure = np.asarray(brain((40, 40)).fraction("white matter")) >= 0.999
    z = (read(demo, "t1") - read(demo, "t1_true"))[pure] / read(demo, "t1_std")[pure]
    assert 0.6 < np.std(z) < 1.5


def test_figure_and_affine_are_written(demo):
    assert (demo / "demo.png").stat().st_size > 100_000
    np.testing.assert_allclose(nibabel.load(demo / "t1.nii.gz").affine, np.array(brain((40, 40)).affine))


def test_noise_must_be_positive(capsys):
    assert main(["demo", "--noise-std", "0"]) == 2
    assert capsys.readouterr().err == "mrjax demo: --noise-std must be positive, but got 0.\n"


@pytest.mark.exhaustive
def test_an_interrupt_keeps_the_voxels_that_are_done(tmp_path, monkeypatch):
    """The second batch is interrupted."""
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return least_squares(*arguments, **options)

    in_small_batches = lambda *arguments, **options: fit_in_batches(*arguments, **options | {"batch_size": 100})
    short = [entries[:100] for entries in published_fisp_schedule()]
    monkeypatch.setattr(batches, "least_squares", interrupted)
    monkeypatch.setattr(fingerprinting, "fit_in_batches", in_small_batches)
    monkeypatch.setattr(mr.protocols, "published_fisp_schedule", lambda: short)
    assert main(["demo", "--shape", "24", "24", "--out", str(tmp_path)]) == 130
    fitted = read(tmp_path, "t1") > 0
    assert fitted.sum() == 100 < np.asarray(brain((24, 24)).mask).sum()
    assert (tmp_path / "demo.png").exists()
