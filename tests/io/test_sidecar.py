"""JSON files beside images."""

import json

import pytest

from mrjax.io import FileError, read_sidecar, sidecar_path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_sidecar_has_the_stem_of_the_image(tmp_path, ending):
    image = tmp_path / f"sub-01.echo-1{ending}"
    assert read_sidecar(image) == {}
    assert sidecar_path(str(image)) == tmp_path / "sub-01.echo-1.json"
    (tmp_path / "sub-01.echo-1.json").write_text(json.dumps({"EchoTime": 0.01}))
    assert read_sidecar(image) == {"EchoTime": 0.01}


@pytest.mark.parametrize(("text", "cause"), [("{", "is not a JSON file"), ("[1, 2]", "must hold a JSON object")])
def test_a_damaged_sidecar_is_named(tmp_path, text, cause):
    (tmp_path / "t2.json").write_text(text)
    with pytest.raises(FileError, match=rf"t2\.json {cause}"):
        read_sidecar(tmp_path / "t2.nii.gz")
