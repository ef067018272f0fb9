"""Every model of `mrjax fit`: what help says of it, and parameters that come back from the images that they make."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.cli import main, map_files, model_help
from mrjax.cli.acquisition import Acquisition
from mrjax.cli.contrasts import CONTRASTS, Known
from mrjax.cli.fit import contrast_parser
from mrjax.inverse import FitStatus
from mrjax.io import read_nifti, write_nifti
from mrjax.signals import models

SHAPE = (3, 2, 1)
AFFINE = np.diag([-2.0, 2.0, 3.0, 1.0])
ILL_CONDITIONED = ("multi-exponential", "myelin-water", "2cxm", "qmt")
"""Whose parameters other ones fit as well, to the digits of single precision."""


NO_IMAGES = {models.Spectrum, models.DampedExponentials}
"""Fitted to signals over time, each with a basis or starts of its own: a task for Python."""

OF_WAVEFORMS = {models.PulsedMagnetizationTransfer}
"""The waveform of the pulses is nothing that sidecars hold."""


def test_every_signal_model_can_be_fitted():
    known = {contrast.model_class for contrast in CONTRASTS.values()}
    every = {one for one in vars(models).values() if isinstance(one, type) and issubclass(one, models.SignalModel)}
    assert every - known == {models.SignalModel} | NO_IMAGES | OF_WAVEFORMS


def test_help_lists_what_models_need_and_give(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for contrast in CONTRASTS.values():
        assert f"\n  {contrast.name}" in text
        assert contrast.help in text
    assert "needs nominal flip angles (rad), repetition time (s)" in text
    assert "gives t1 (s), inversion_efficiency, m0 (signal)" in text
    assert "FA, MD (m^2/s)" in text


def test_help_of_one_model_lists_its_options(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "molli", "--help"])
    text = capsys.readouterr().out
    assert "usage: mrjax fit molli" in text or "usage: mrjax fit look-locker" in text
    assert "--ti" in text
    assert "--te" not in text
    assert "gives t1 (s), t1star (s), steady_state (signal)" in text


def truth_of(model, rng):
    """Parameters `SHAPE` between those that a fit tries."""

    def one(parameter):
        if parameter.is_amplitude:
            middle = 100.0
        elif parameter.name.startswith("w_"):
            middle = parameter.trials[0]
        elif len(parameter.trials) > 1:
            middle = parameter.trials[len(parameter.trials) // 2]
        else:
            middle = parameter.trials[0] or 1e-11
        return middle * rng.uniform(0.95, 1.05, SHAPE)

    return {parameter.name: one(parameter) for parameter in model.parameters}


def written_example(contrast, folder, rng):
    """Images of an example in a folder, the words that fit them, and the truth."""
    words = model_help.example_words(contrast)
    options = contrast_parser(contrast).parse_args(words)
    values = contrast.example_values
    played = Acquisition(dict(values), "", ()) if values else contrast.acquired(options)
    model = contrast.model(Known(played, options, {}, AFFINE))
    truth = truth_of(model, rng)
    signals = np.asarray(model({name: jnp.asarray(value) for name, value in truth.items()}))
    write_nifti(folder / "images.nii.gz", signals, AFFINE)
    write_nifti(folder / "mask.nii", np.ones(SHAPE), AFFINE)
    for name in contrast.needed_maps:  # as the model has it where no map is given
        write_nifti(folder / f"{name}.nii", np.ones(SHAPE), AFFINE)
    if "bval" in values:
        np.savetxt(folder / "images.bval", 1e-6 * values["bval"][None])
    if "bvec" in values:
        np.savetxt(folder / "images.bvec", values["bvec"].T)
    if "--phase" in words:
        words = words[: words.index("--phase")]
    return [*words, "--mask", "mask.nii"], truth, signals


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CONTRASTS)
def test_parameters_come_back(name, tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    contrast = CONTRASTS[name]
    words, truth, signals = written_example(contrast, tmp_path, rng)
    assert main(["fit", name, *words, "--out", "maps"]) in (0, 1)
    found = {key: read_nifti(f"maps/{map_files.map_name(contrast, key)}.nii.gz").data for key in truth}
    residual = read_nifti("maps/residualmap.nii.gz").data
    assert np.all(residual < 2e-3 * np.abs(signals).max())
    if name not in ILL_CONDITIONED:
        for key, value in truth.items():
            scale = np.abs(truth["d_xx"]) if key.startswith("d_") else np.abs(value)
            scale = np.maximum(scale, 0.5) if key.startswith("w_") else scale
            assert np.all(np.abs(found[key].reshape(SHAPE) - value) < 0.03 * scale), key
    told = json.loads((tmp_path / "maps" / f"{map_files.map_name(contrast, next(iter(truth)))}.json").read_text())
    assert {"Units", "Description", "EstimationReference"} <= set(told)
    assert (tmp_path / "maps" / "report.html").stat().st_size > 10_000
    assert not (tmp_path / "maps" / "unfinished").exists()
    status = read_nifti("maps/statusmap.nii.gz").data
    assert np.isin(status, (FitStatus.CONVERGED, FitStatus.AT_BOUND, FitStatus.MAX_ITERATIONS)).all()
