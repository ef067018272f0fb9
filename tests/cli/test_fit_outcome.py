"""What `mrjax fit` says of voxels that were not fitted, or not well, and decays that end on a floor."""

import csv

import numpy as np
import pytest

from mrjax.cli import fit_figure, main, outcome
from mrjax.cli.batches import Result
from mrjax.cli.measurement import Measurement, maps_of
from mrjax.inverse import FitStatus
from mrjax.io import read_nifti, write_nifti
from mrjax.signals import relaxation

pytestmark = pytest.mark.usefixtures("no_report")

STATUSES = list(FitStatus)[:6]


def result(statuses, finished=True):
    values = np.arange(1.0, len(statuses) + 1)
    parameters = {"t2": values, "m0": 10 * values}
    deviations = {name: value / 10 for name, value in parameters.items()}
    return Result(parameters, deviations, values / 100, np.array(statuses), np.full(len(statuses), finished))


def measured(n, n_excluded=0):
    mask = np.arange(n + n_excluded) < n
    return Measurement(np.ones((n, 3)), {}, mask, np.eye(4), None, ~mask)


def test_only_fits_have_values():
    """Stalled fits and those that could not begin are where they started, which is no result."""
    maps = maps_of(result(STATUSES))
    known = [status not in (FitStatus.NOT_FINITE, FitStatus.STALLED) for status in STATUSES]
    for name in ("t2", "t2_std", "m0", "m0_std", "residual_rms"):
        np.testing.assert_array_equal(np.isfinite(maps[name]), known, name)
    np.testing.assert_array_equal(maps["status"], STATUSES)


@pytest.mark.parametrize(
    ("statuses", "n_excluded", "sentence"),
    [
        ([0, 0, 1, 1], 0, None),
        ([0, 1, 1, 1], 0, "only 1 of 4 voxels converged (3 at bound)"),
        (
            [5, 3, 4, 2, 0, 0],
            1,
            "only 2 of 7 voxels converged (1 max iterations, 1 not finite, 1 unidentifiable, 1 stalled",
        ),
        ([0, 0, 0], 4, "only 3 of 7 voxels converged (4 excluded)"),
    ],
)
def test_a_fit_of_less_than_half_of_the_voxels_fails(statuses, n_excluded, sentence, capsys):
    status = outcome.exit_status("fit", measured(len(statuses), n_excluded), result(statuses))
    assert status == (0 if sentence is None else 1)
    error = capsys.readouterr().err
    assert error == "" if sentence is None else f"mrjax fit: {sentence}" in error


def test_a_summary_of_fits_whose_noise_is_unknown():
    of_two = result([FitStatus.CONVERGED] * 2)
    for values in of_two.standard_deviation.values():
        values[:] = np.nan
    table = outcome.summary("t2", of_two)
    assert list(table.columns[-1].cells) == ["unknown", "unknown"]
    assert list(table.columns[2].cells) == ["1.5", "15"]


def test_an_interrupt_has_a_status_of_its_own():
    assert outcome.exit_status("fit", measured(2), result([6, 6], finished=False)) == 130


@pytest.mark.exhaustive
def test_magnitudes_that_are_fitted_as_signed_end_with_a_sentence(tmp_path, rng, capsys):
    time = np.array([0.05, 0.3, 0.8, 1.6])
    images = 800 * np.abs(relaxation.inversion_recovery(time, rng.uniform(0.9, 2.0, (4, 3, 2)), tr=6.0))
    images[0, 0, 0, 1] = np.nan
    write_nifti(tmp_path / "ir.nii", images, np.eye(4))
    words = ["--ti", "50ms,300ms,800ms,1.6s", "--tr", "6s", "--signed", "--out", str(tmp_path / "maps")]
    assert main(["fit", "ir", str(tmp_path / "ir.nii"), *words]) == 1
    captured = capsys.readouterr()
    assert "mrjax fit: only 0 of 24 voxels converged (" in captured.err
    assert "the images are signed, as the command line says" in captured.out
    assert "not fitted: 1 with signals that are not finite" in captured.out
    status = read_nifti(tmp_path / "maps" / "statusmap.nii.gz").data
    assert status[0, 0, 0] == FitStatus.EXCLUDED
    assert np.isnan(read_nifti(tmp_path / "maps" / "T1map.nii.gz").data[0, 0, 0])
    assert not np.any(status == FitStatus.CONVERGED)


def test_the_figure_shows_what_converged_alone():
    mask = np.ones((3, 2, 1), bool)
    mask[0, 0] = False
    status = np.where(mask, FitStatus.CONVERGED, FitStatus.OUTSIDE_MASK)
    status[2, 1] = FitStatus.AT_BOUND
    t2 = np.where(status == FitStatus.AT_BOUND, 20.0, 0.06)
    figure = fit_figure.draw("t2", mask, {"t2": t2, "t2_std": t2 / 50, "m0": 1e4 * t2, "status": status})
    for panel in figure.axes[:3]:
        drawn = panel.images[0].get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn), status[..., 0].T != FitStatus.CONVERGED)
    # in ms; the voxel at its bound of 20 s does not set the scale
    assert figure.axes[0].images[0].get_clim() == pytest.approx((0.0, 60.0))
    assert figure.get_suptitle() == "slice 1 of 1: 4 of 5 fitted voxels converged; the others are blank"


def fitted_table(folder, signals, *words):
    np.savetxt(folder / "decay.csv", signals, delimiter=",")
    echoes = ",".join(f"{10 * (i + 1)}ms" for i in range(signals.shape[-1]))
    assert main(["fit", "t2", str(folder / "decay.csv"), "--te", echoes, *words, "--out", str(folder)]) == 0
    with (folder / "t2.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "voxel"}


@pytest.mark.exhaustive
def test_the_noise_floor_of_magnitudes_is_no_signal(tmp_path, rng):
    """M0 is 25 times the noise, and the last echoes of a T2 of 30 ms are noise."""
    decay = 25 * np.exp(-np.arange(1, 17) * 10e-3 / 0.03) * np.ones((300, 1))
    noise = rng.standard_normal((2, *decay.shape))
    magnitude = np.abs(decay + noise[0] + 1j * noise[1])
    right = fitted_table(tmp_path, magnitude, "--magnitude", "rician", "--noise", "1")
    spread = right["t2"].std() / np.sqrt(300)
    np.testing.assert_allclose(right["t2"].mean(), 0.03, atol=4 * spread)
    np.testing.assert_allclose(right["t2_std"].mean(), right["t2"].std(), rtol=0.2)
    assert fitted_table(tmp_path, magnitude)["t2"].mean() > 0.032


@pytest.mark.exhaustive
def test_a_constant_below_the_decay_can_be_fitted(tmp_path):
    t2 = np.array([0.03, 0.05])
    decay = 25 * np.exp(-np.arange(1, 17)[None] * 10e-3 / t2[:, None])
    found = fitted_table(tmp_path, decay + np.array([[3.0], [-1.0]]), "--offset")
    np.testing.assert_allclose(found["t2"], t2, rtol=1e-3)
    np.testing.assert_allclose(found["m0"], 25, rtol=1e-3)
    np.testing.assert_allclose(found["offset"], [3.0, -1.0], rtol=1e-2)


def test_rice_needs_the_noise(tmp_path, capsys):
    np.savetxt(tmp_path / "decay.csv", np.ones((1, 2)), delimiter=",")
    assert main(["fit", "t2", str(tmp_path / "decay.csv"), "--te", "10ms,20ms", "--magnitude", "rician"]) == 2
    assert capsys.readouterr().err == (
        "mrjax fit: --magnitude rician needs --noise, the standard deviation of the noise in real or imaginary part.\n"
    )
