"""Arterial inputs, times and labels of `mrjax fit tofts` and the like."""

import json

import numpy as np
import pytest

from mrjax.cli import model_help
from mrjax.cli.contrasts import CONTRASTS, Known
from mrjax.cli.fit import contrast_parser
from mrjax.io import FileError, write_nifti
from mrjax.signals.perfusion import parker_input


@pytest.fixture
def options_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_nifti("dce.nii", np.ones((2, 2, 1, 30)), np.eye(4))
    write_nifti("m0.nii", np.ones((2, 2, 1)), np.eye(4))

    def parsed(name, *words):
        return contrast_parser(CONTRASTS[name]).parse_args(["dce.nii", *words])

    return parsed


def model_of(name, options):
    contrast = CONTRASTS[name]
    return contrast.model(Known(contrast.acquired(options), options, {}))


def test_times_from_an_interval_a_list_or_a_sidecar(options_of, tmp_path):
    read = lambda *words: CONTRASTS["tofts"].acquired(options_of("tofts", "--aif", "population", *words))
    np.testing.assert_allclose(read("--interval", "2s").samples, 2.0 * np.arange(30))
    np.testing.assert_allclose(read("--time", "0s,3s,7s").samples, [0, 3, 7])
    with pytest.raises(FileError, match=r"neither VolumeTiming nor a RepetitionTime in s; write --interval 2s"):
        read()
    (tmp_path / "dce.json").write_text(json.dumps({"RepetitionTime": 4.5}))
    np.testing.assert_allclose(read().samples, 4.5 * np.arange(30))
    assert read().remarks == ("images are taken to be 4.5 s apart, RepetitionTime of the sidecar",)
    (tmp_path / "dce.json").write_text(json.dumps({"VolumeTiming": [1.0, 2.0, 4.0], "RepetitionTime": 4.5}))
    np.testing.assert_allclose(read().samples, [1, 2, 4])
    with pytest.raises(ValueError, match="--interval and --time say the same; give one of them"):
        read("--interval", "2s", "--time", "0s")


@pytest.mark.slow
def test_the_input_of_a_population_arrives_and_is_that_of_plasma(options_of):
    model = model_of("tofts", options_of("tofts", "--aif", "population", "--interval", "2s", "--arrival", "10s"))
    time = np.array([5.0, 20.25, 40.0])
    np.testing.assert_allclose(model.arterial(time), parker_input(time - 10.0) / (1 - 0.42), rtol=1e-6)
    assert model.arterial(time)[0] == 0


def test_a_measured_input(options_of, tmp_path):
    (tmp_path / "aif.csv").write_text("time,concentration\n0,0\n10,5\n60,1\n")
    words = ["--aif", "aif.csv", "--interval", "2s"]
    model = model_of("extended-tofts", options_of("extended-tofts", *words, "--haematocrit", "0.5"))
    np.testing.assert_allclose(model.arterial.concentration, [0, 10, 2])
    np.testing.assert_allclose(
        model_of("2cxm", options_of("2cxm", *words, "--haematocrit", "0")).arterial(np.array([5.0])), 2.5
    )


@pytest.mark.parametrize(
    ("table", "words", "sentence"),
    [
        ("0,0\n10,5\n", [], r"aif\.csv ends at 10 s, before the last image at 58 s"),
        ("0,0\n10,5000\n60,9\n", [], r"must hold concentrations in mM, but reaches 5000; is it in uM, or a signal\?"),
        ("0,0\n70,5\n60,1\n", [], r"must hold times that ascend, in s"),
        ("0,0,1\n70,5,1\n", [], r"must have two columns, time in s and concentration in mM, but has 3"),
        ("0,0\n70,5\n", ["--haematocrit", "42"], r"--haematocrit must be from 0 to below 1, but got 42"),
        ("0,0\n70,5\n", ["--arrival", "3s"], r"--arrival is that of --aif population"),
    ],
)
def test_a_wrong_input_is_named(options_of, tmp_path, table, words, sentence):
    (tmp_path / "aif.csv").write_text(table)
    with pytest.raises(ValueError, match=sentence):
        model_of("tofts", options_of("tofts", "--aif", "aif.csv", "--interval", "2s", *words))


def test_labels_of_both_kinds(options_of, tmp_path):
    words = ["--m0", "m0.nii", "--pld", "0.5s,1s,2s", "--labelling-duration", "1.8s"]
    model = model_of("asl", options_of("asl", *words))
    np.testing.assert_allclose(model.time, [2.3, 2.8, 3.8])
    assert model.labelling == "pcasl"
    (tmp_path / "dce.json").write_text(json.dumps({"ArterialSpinLabelingType": "PASL"}))
    model = model_of("asl", options_of("asl", *words))
    np.testing.assert_allclose(model.time, [0.5, 1, 2])
    assert (model.labelling, model.efficiency) == ("pasl", 0.98)
    (tmp_path / "dce.json").write_text(json.dumps({"ArterialSpinLabelingType": "VSASL"}))
    with pytest.raises(FileError, match="ArterialSpinLabelingType must be PCASL or PASL, but is VSASL"):
        model_of("asl", options_of("asl", *words))


def test_examples_of_help_are_command_lines():
    for contrast in CONTRASTS.values():
        contrast_parser(contrast).parse_args(model_help.example_words(contrast))
