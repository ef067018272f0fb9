"""Folders that hold a damaged data set, none, or something else."""

import json
from pathlib import Path

import numpy as np
import pytest
from data_sets import N, bytes_of, create, whole

from mrjax.synthesis import Store


def damage(folder, what):
    chunk = folder / "arrays" / "t1" / "c" / "3"
    match what:
        case "settings":
            (folder / "settings.json").write_text("{")
        case "entries":
            (folder / "settings.json").write_text("{}")
        case "log":
            (folder / "finished.jsonl").write_text("nonsense\n" * 5)
        case "names":
            lines = (folder / "finished.jsonl").read_text().splitlines()
            (folder / "finished.jsonl").write_text("\n".join([*lines[:-1], '{"t1": 5}', ""]))
        case "metadata":
            (folder / "arrays" / "t1" / "zarr.json").write_text("{")
        case "no metadata":
            (folder / "arrays" / "t1" / "zarr.json").unlink()
        case "shape":
            path = folder / "arrays" / "t1" / "zarr.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "shape": [24]}))
        case "missing":
            chunk.unlink()
        case "short":
            chunk.write_bytes(chunk.read_bytes()[:-1])


DAMAGES = {
    "settings": "settings.json cannot be read",
    "entries": "settings.json lacks entries",
    "log": "finished.jsonl cannot be read",
    "names": "finished.jsonl names other arrays in some blocks",
    "metadata": "array 't1' cannot be opened",
    "no metadata": "array 't1' cannot be opened",
    "shape": r"array 't1' has shape \(24,\) in chunks of \(5,\)",
    "missing": "block 3 of array 't1' is missing or cut short",
    "short": "block 3 of array 't1' is missing or cut short",
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("use", [Store.open, create], ids=["open", "create"])
def test_a_damaged_store_is_refused(tmp_path, what, use):
    create(tmp_path)
    damage(tmp_path, what)
    with pytest.raises(ValueError, match=f"The store in {tmp_path} is damaged: {DAMAGES[what]}; delete the folder"):
        use(tmp_path)


def test_a_flipped_bit_is_found_where_it_is_read(tmp_path):
    create(tmp_path)
    chunk = tmp_path / "arrays" / "t1" / "c" / "3"
    content = bytearray(chunk.read_bytes())
    content[9] ^= 1
    chunk.write_bytes(content)
    store = Store.open(tmp_path)
    np.testing.assert_array_equal(store["t1"][:15], whole()["t1"][:15])
    with pytest.raises(ValueError, match=f"The store in {tmp_path} is damaged: array 't1' cannot be read .*checksum"):
        store["t1"][16:18]


def test_an_index_out_of_range_is_no_damage(tmp_path):
    store = create(tmp_path)
    for index in (N, slice(None, None, -1)):
        with pytest.raises(IndexError):
            store["t1"][index]


def test_a_folder_without_a_store_is_refused_by_open(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match=f"{folder} holds no store; make one with `Store.create`"):
            Store.open(folder)


def test_a_store_of_another_format_is_refused(tmp_path):
    create(tmp_path)
    settings = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps({**settings, "format": 2}))
    for use in (Store.open, create):
        with pytest.raises(ValueError, match=f"{tmp_path} holds a store of format 2, but this version reads 1"):
            use(tmp_path)


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match=f"`folder` must be new, empty or hold a store, but {tmp_path} holds 'thesis"):
        create(tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must be a folder, but .*thesis.txt is a file"):
        create(tmp_path / "thesis.txt")
    assert bytes_of(tmp_path) == {Path("thesis.txt"): b"precious"}
