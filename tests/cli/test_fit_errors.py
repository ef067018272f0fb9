"""What `mrjax fit` says where images and settings do not fit its models: a sentence, before anything is compiled."""

import json

import numpy as np
import pytest

from mrjax.cli import main
from mrjax.cli.contrasts import CONTRASTS
from mrjax.cli.fit import contrast_parser
from mrjax.io import write_nifti

SHAPE = (3, 3, 2)
ECHOES = "10ms,20ms,30ms,40ms,50ms,60ms,70ms"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_nifti("real.nii", np.ones((*SHAPE, 7)), np.eye(4))
    write_nifti("complex.nii", np.ones((*SHAPE, 7), complex), np.eye(4))
    write_nifti("one.nii", np.ones(SHAPE), np.eye(4))
    write_nifti("large.nii", np.full(SHAPE, 9000.0), np.eye(4))
    write_nifti("milliseconds.nii", np.ones((*SHAPE, 2)), np.eye(4))
    (tmp_path / "milliseconds.json").write_text(json.dumps({"EchoTime": [10, 20]}))
    (tmp_path / "few.bval").write_text("0 1000 1000")
    (tmp_path / "real.bval").write_text("0 1000 1000 1000 1000 1000 1000")
    (tmp_path / "small.bval").write_text("0 1 1 1 1 1 1")
    (tmp_path / "few.bvec").write_text("0 1\n0 0\n0 0")
    return tmp_path


MP2RAGE = "--ti 0.7s,2.5s --flip-angle 4deg,5deg --echo-spacing 7ms --tr 5s --readouts 80 80"
WRONG = {
    "epg-t2 real.nii --te 10ms,20ms,30ms,50ms,60ms,70ms,80ms": "epg-t2 needs all echoes of a train in order, at 1, 2, 3, ... "
    "times their spacing, but --te gives 10, 20, 30, 50, 60, 70, 80 ms; fit others by `mrjax fit t2`.",
    "t2 milliseconds.nii": "EchoTime of the sidecars (10, 20 s) must be in s, from 0 to 3; correct it or pass --te.",
    f"t2 real.nii --te {ECHOES} --magnitude rician": "--magnitude rician needs --noise, the standard deviation of the noise in "
    "real or imaginary part.",
    f"t2star-field real.nii --te {ECHOES}": "t2star-field needs complex images, but real.nii is real; pass magnitudes and "
    "--phase.",
    f"t2star-field complex.nii --te {ECHOES} --phase real.nii": "complex.nii is complex already; leave out --phase.",
    "myelin-water complex.nii --te 5ms,10ms,15ms,20ms": "myelin-water fits 10 parameters and needs as many images, with two "
    "numbers each, but --te has 4 values.",
    f"biexponential real.nii --te {ECHOES} --t2-limits 1ms,1s": "--t2-limits must be three times, lowest, between and highest, "
    "but got 2.",
    f"multi-exponential real.nii --te {ECHOES} --t2-limits 100ms,20ms,2s": "Limits of T2 (s) must be positive, ascend and not "
    "overlap, but got ((0.1, 0.02), (0.02, 2.0)).",
    f"mp2rage one.nii {MP2RAGE}": "mp2rage needs --mask: a uniform image does not tell where there is tissue.",
    f"mp2rage large.nii --mask one.nii {MP2RAGE}": "large.nii must be a uniform image, from -0.5 to 0.5 or 0 to 4095, but runs "
    "from 9000 to 9000.",
    "qmt real.nii --offset-frequency 1kHz,2kHz,3kHz,5kHz,8kHz,10kHz,20kHz --t1 one.nii": "--rf-amplitude is not given, and "
    "sidecars have no name for it; write --rf-amplitude 2uT 2uT 2uT 6uT 6uT 6uT.",
    "qmt real.nii --offset-frequency 1kHz,2kHz,3kHz,5kHz,8kHz,10kHz,20kHz --rf-amplitude 2uT,3uT --t1 one.nii": "--rf-amplitude "
    "has 2 values of amplitude of the continuous wave of equal power, for each image or for all for 7 images; pass "
    "--rf-amplitude.",
    "adc complex.nii": "complex.bval does not exist or is no file; put it beside the image, or name it by --bval.",
    "adc real.nii --bval few.bval": "real.nii has 7 images (shape (3, 3, 2, 7)), but few.bval gives 3 values; give one for "
    "each, in order.",
    "adc real.nii --bval small.bval": "small.bval must hold b-values in s/mm^2, the largest from 50 to 50,000, but it is 1; "
    "multiply those in ms/um^2 by 1000.",
    "dti real.nii": "real.bvec does not exist or is no file; put it beside the image, or name it by --bvec.",
    "dti real.nii --bvec few.bvec": "few.bvec must hold three rows of 7 numbers, one for each b-value, but holds 3 rows of 2.",
    "dki real.nii --noise 3": "dki finds the noise from what the fit leaves; leave out --noise.",
    "tofts complex.nii --interval 2s --aif population": "tofts needs real images, but complex.nii is complex.",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_what_does_not_fit_ends_the_command_with_one_sentence(arguments, folder, capsys):
    assert main(["fit", *arguments.split()]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"mrjax fit: {WRONG[arguments]}"
    assert not (folder / "mrjax_fit").exists()


def test_a_missing_map_that_a_model_needs_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "qmt", "images.nii", "--offset-frequency", "1kHz"])
    assert "the following arguments are required: --t1" in capsys.readouterr().err


def test_b_values_that_do_not_ascend_are_told(folder):
    (folder / "turned.bval").write_text("1000 0 500")
    contrast = CONTRASTS["adc"]
    played = contrast.acquired(contrast_parser(contrast).parse_args(["real.nii", "--bval", "turned.bval"]))
    assert played.remarks == ("the b-values of turned.bval do not ascend; each goes with the image of its place",)
    np.testing.assert_allclose(played.samples, [1e9, 0, 5e8])
