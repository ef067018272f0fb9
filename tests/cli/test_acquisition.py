"""Echo times, flip angles and the like, from the command line and from sidecars."""

import argparse
import json
import re

import numpy as np
import pytest

from mrjax.cli import acquisition, quantities
from mrjax.io import FileError
from mrjax.units import deg, ms

CONTRASTS = {
    "t2": (acquisition.TE,),
    "ir": (acquisition.TI, (), (acquisition.TR_OF_INVERSIONS,)),
    "vfa": (acquisition.FLIP_ANGLE, (acquisition.TR_OF_EXCITATIONS,)),
}
"""What differs from image to image, what else is needed and what may be given."""


@pytest.fixture
def read(tmp_path):
    def of(contrast, contents, **given):
        paths = [tmp_path / f"{i}.nii.gz" for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            if content is not None:
                (tmp_path / path.name.replace(".nii.gz", ".json")).write_text(json.dumps(content))
        options = argparse.Namespace(data=paths, te=None, ti=None, flip_angle=None, tr=None)
        return acquisition.read(argparse.Namespace(**vars(options) | given), *CONTRASTS[contrast])

    return of


def test_one_sidecar_an_image(read):
    played = read("t2", [{"EchoTime": 0.01}, {"EchoTime": 0.03}, {"EchoTime": 0.02}])
    np.testing.assert_allclose(played.samples, [0.01, 0.03, 0.02])
    assert played.remarks == ("--te is EchoTime of the sidecars (0.01, 0.03, 0.02 s)",)


def test_one_sidecar_with_lists_in_the_units_of_bids(read):
    played = read("vfa", [{"FlipAngle": [2, 5, 12], "RepetitionTime": 0.0054}])
    np.testing.assert_allclose(played.samples, [2 * deg, 5 * deg, 12 * deg])
    np.testing.assert_allclose(played.tr, [5.4 * ms] * 3)


def test_repetition_times_of_their_own(read):
    """That between excitations counts for flip angles, that between inversions for inversion times."""
    times = {"RepetitionTime": 1.0, "RepetitionTimeExcitation": 0.005, "RepetitionTimePreparation": 6.0}
    first, second = {"FlipAngle": 2, "InversionTime": 0.1, **times}, {"FlipAngle": 9, "InversionTime": 2, **times}
    np.testing.assert_allclose(read("vfa", [first, second | {"RepetitionTimeExcitation": 0.006}]).tr, [0.005, 0.006])
    np.testing.assert_allclose(read("ir", [first, second]).tr, 6.0)
    assert np.isinf(read("ir", [{"InversionTime": 0.1}, {"InversionTime": 2}]).tr).all()


def test_the_command_line_wins_and_a_disagreement_is_said(read):
    contents = [{"EchoTime": 0.01}, {"EchoTime": 0.02}]
    played = read("t2", contents, te=[0.01, 0.025])
    np.testing.assert_allclose(played.samples, [0.01, 0.025])
    assert played.remarks == (
        "--te (0.01, 0.025 s) differs from EchoTime of the sidecars (0.01, 0.02 s); the command line is used",
    )
    assert read("t2", contents, te=[0.01, 0.02000001]).remarks == ()
    assert read("t2", [{"EchoTime": 0.01}, {"EchoTime": "n/a"}], te=[0.01, 0.02]).remarks == ()
    # milliseconds in a sidecar do not matter to who gives the times
    assert "differs" in read("t2", [{"EchoTime": 10}, {"EchoTime": 20}], te=[0.01, 0.02]).remarks[0]


def test_the_sidecar_of_a_series_may_hold_its_first_value_alone(read):
    assert read("t2", [{"EchoTime": 0.01}], te=[0.01, 0.02]).remarks == ()
    assert "differs" in read("t2", [{"EchoTime": 0.015}], te=[0.01, 0.02]).remarks[0]


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (
            [{"EchoTime": 0.01}, None],
            r"--te is not given and there is no .*1\.json with EchoTime; write --te 4ms 8ms 12ms\.",
        ),
        ([{"EchoTime": 0.01}, {}], r"--te is not given and .*1\.json has no EchoTime"),
        ([{"EchoTime": 10}, {"EchoTime": 20}], r"\(10, 20 s\) must be in s, from 0 to 3; correct it or pass --te\."),
        ([{"EchoTime": "10ms"}], r"0\.json: EchoTime must be a number or a list of numbers, but is '10ms'\."),
        ([{"EchoTime": True}], r"must be a number or a list of numbers, but is True\."),
    ],
)
def test_what_a_sidecar_lacks_is_named(read, contents, sentence):
    with pytest.raises(FileError, match=sentence):
        read("t2", contents)


def test_flip_angles_need_a_repetition_time(read):
    with pytest.raises(FileError, match=re.escape("--tr is not given and there is no")):
        read("vfa", [None], flip_angle=[0.1, 0.2])


@pytest.mark.parametrize("words", ["10ms 20ms 0.03s", "10ms,20ms,30ms", "10ms, 20ms, 30ms", "10ms,20ms 30ms,"])
def test_blanks_and_commas_separate(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--te", nargs="+", type=quantities.listed(quantities.time), action=quantities.Listed)
    np.testing.assert_allclose(parser.parse_args(["--te", *words.split()]).te, [0.01, 0.02, 0.03])


@pytest.mark.parametrize("word", ["10,20ms", ",", "10ms,x"])
def test_a_list_with_something_else_is_refused(word):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time with a unit"):
        quantities.listed(quantities.time)(word)


def test_ranges_of_images():
    assert quantities.listed(quantities.numbers)("1,3-5") == [1, 3, 4, 5]
    for wrong in ("0", "3-2", "-2", "2-", "a", "1.5"):
        with pytest.raises(argparse.ArgumentTypeError, match="no number or range of images"):
            quantities.numbers(wrong)
