"""Batches that are kept until all are fitted."""

import functools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.progress import Progress

from mrjax.cli import batches, unfinished
from mrjax.inverse import FitStatus
from mrjax.io import read_nifti, write_nifti
from mrjax.signals import models, relaxation
from mrjax.units import deg, ms

TE = np.array([0.01, 0.03, 0.06], np.float32)


class Counted:
    """Something that takes the place of a fit: results that are known, and how often it was asked."""

    def __init__(self, fails_at=None):
        self.calls, self.fails_at = 0, fails_at

    def __call__(self, model, data, init, bounds, noise_std):
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        values = {"t2": data[:, 0] / 3, "m0": data[:, 1]}
        status = np.full(len(data), FitStatus.CONVERGED)
        return batches.BatchFit(values, {name: value / 7 for name, value in values.items()}, data[:, 2], status)


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """Fits in batches of four by what is given, keeping what is finished."""

    def run(fit, data, te=TE, settings="t2"):
        monkeypatch.setattr(batches, "_of_batch", lambda found: found)
        keeping = functools.partial(unfinished.keeping, folder=tmp_path / unfinished.FOLDER, settings=settings)
        return batches.fit_in_batches(
            models.Decay(te), data, Progress(disable=True), batch_size=4, estimator=fit, keeping=keeping
        )

    return run


def test_what_is_finished_is_not_fitted_again(fitted, tmp_path, rng):
    data = rng.random((11, 3)).astype(np.float32)
    first = Counted(fails_at=3)
    assert fitted(first, data).finished.tolist() == [True] * 8 + [False] * 3
    assert unfinished.count(tmp_path) == 2
    second, whole = Counted(), Counted()
    result = fitted(second, data)
    assert second.calls == 1
    unfinished.forget(tmp_path)
    assert unfinished.count(tmp_path) == 0
    expected = fitted(whole, data)
    assert whole.calls == 3
    for name in ("t2", "m0"):
        np.testing.assert_array_equal(result.parameters[name], expected.parameters[name])
        np.testing.assert_array_equal(result.standard_deviation[name], expected.standard_deviation[name])
    np.testing.assert_array_equal(result.residual_rms, expected.residual_rms)


def test_other_data_settings_or_models_are_fitted_afresh(fitted, rng):
    data = rng.random((4, 3)).astype(np.float32)
    fitted(Counted(), data)
    for changed in ({"data": data + 1e-6}, {"te": 1.001 * TE}, {"settings": "t2 rician"}):
        again = Counted()
        fitted(again, **{"data": data} | changed)
        assert again.calls == 1, changed


def test_a_file_that_was_cut_short_is_not_taken_up(fitted, tmp_path, rng):
    """A batch is written under another name first."""
    data = rng.random((4, 3)).astype(np.float32)
    (tmp_path / unfinished.FOLDER).mkdir()
    (tmp_path / unfinished.FOLDER / "0123.1.partial").write_bytes(b"PK")
    again = Counted()
    fitted(again, data)
    assert again.calls == 1
    assert unfinished.count(tmp_path) == 1
    assert not list((tmp_path / unfinished.FOLDER).glob(f"*.{os.getpid()}.partial"))


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_a_fit_that_is_killed_goes_on_to_the_same_maps(tmp_path, rng):
    angles, shape = np.array([2.0, 5.0, 12.0, 20.0]), (60, 50, 40)
    t1 = rng.uniform(0.3, 3.0, shape).astype(np.float32)
    signals = np.asarray(relaxation.spgr(angles * deg, 5.4 * ms, t1, m0=1000.0))
    write_nifti(tmp_path / "vfa.nii", signals + rng.normal(0, 1.0, signals.shape), np.eye(4))
    words = ["vfa", "vfa.nii", "--flip-angle", "2deg,5deg,12deg,20deg", "--tr", "5.4ms"]
    command = lambda out: [sys.executable, "-m", "mrjax.cli", "fit", *words, "--out", out]
    started = subprocess.Popen(command("killed"), cwd=tmp_path, stdout=subprocess.DEVNULL)
    give_up = time.monotonic() + 300
    while unfinished.count(tmp_path / "killed") < 2 and started.poll() is None and time.monotonic() < give_up:
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert unfinished.count(tmp_path / "killed") >= 2
    assert not list((tmp_path / "killed").glob("*.nii.gz"))
    for out in ("killed", "whole"):
        subprocess.run(command(out), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    names = sorted(path.name for path in (tmp_path / "whole").glob("*.nii.gz"))
    assert "T1map.nii.gz" in names
    for name in names:
        killed, whole = (read_nifti(tmp_path / out / name).data for out in ("killed", "whole"))
        np.testing.assert_array_equal(killed, whole, name)
    assert not (tmp_path / "killed" / "unfinished").exists()
