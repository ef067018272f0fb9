"""Data sets on disk: what is made, read and refused."""

import sys

import numpy as np
import pytest
import zarr
from data_sets import CHUNK, N, bytes_of, check_is_whole, counted, create, make, whole

from mrjax.synthesis import Store


@pytest.mark.exhaustive
def test_a_store_gives_back_what_was_made(tmp_path):
    attributes = {"seed": 1, "flip_angle": [0.1, 0.2]}
    created = create(tmp_path / "new" / "data", attributes=attributes)
    for store in (created, Store.open(str(tmp_path / "new" / "data"))):
        check_is_whole(store)
        assert store.names == ("signals", "t1", "tissue")
        assert store.attributes == attributes
        assert store["signals"].shape == (N, 3, 2)
        assert len(store["t1"]) == N
        part = store["signals"][3:12]
        assert isinstance(part, np.ndarray)
        np.testing.assert_array_equal(part, whole()["signals"][3:12])
        np.testing.assert_array_equal(store["signals"][4], whole()["signals"][4])


def test_each_block_is_made_once_and_in_order(tmp_path):
    calls = []
    create(tmp_path, counted(calls))
    assert [len(indices) for indices in calls] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate(calls), np.arange(N))


def test_any_reader_of_zarr_can_read_it(tmp_path):
    create(tmp_path)
    group = zarr.open_group(tmp_path / "arrays", mode="r")
    np.testing.assert_array_equal(group["t1"][:], whole()["t1"])
    assert group["signals"].chunks == (CHUNK, 3, 2)


def test_blocks_of_zeros_are_written(tmp_path):
    zeros = lambda indices: {"signals": np.zeros((len(indices), 2))}
    store = create(tmp_path, zeros)
    np.testing.assert_array_equal(store["signals"][:], 0)


@pytest.mark.parametrize("until", [2, None])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n": 24}, "`n` must be 23, as in the store begun in .*, but got 24; choose another folder"),
        ({"chunk": 6}, "`chunk` must be 5, as in the store begun in .*, but got 6"),
        ({"attributes": {"seed": 2}}, "`attributes` must be {}, as in the store begun in .*, but got {'seed': 2}"),
    ],
)
def test_other_arguments_than_before_are_refused(tmp_path, until, arguments, sentence):
    try:
        create(tmp_path, counted([], until))
    except KeyboardInterrupt:
        assert until
    before = bytes_of(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        create(tmp_path, **arguments)
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda made: {**made, "signals": made["signals"][:, :2]},
        lambda made: {**made, "t1": made["t1"].astype(np.float32)},
        lambda made: {**made, "t2": made["t1"]},
    ],
    ids=["shape", "dtype", "names"],
)
def test_other_arrays_than_before_are_refused(tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path, counted([], 2))
    with pytest.raises(ValueError, match="`make` must return arrays as in the blocks before"):
        create(tmp_path, lambda indices: change(make(indices)))
    check_is_whole(create(tmp_path))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({}, "`make` must return at least one array, but returned none"),
        ({"a/b": np.ones(CHUNK)}, "`make` must name its arrays as Python does, but got 'a/b'"),
        ({"t1": np.ones(4)}, r"with 5 samples on the first axis, but got 't1' of shape \(4,\) and float64"),
        ({"t1": 1.0}, r"with 5 samples on the first axis, but got 't1' of shape \(\)"),
        ({"t1": np.ones((CHUNK, 0))}, r"but got 't1' of shape \(5, 0\)"),
        ({"t1": np.array(["a"] * CHUNK)}, "must return arrays of numbers .* <U1"),
    ],
)
def test_what_make_returns_is_checked(tmp_path, made, sentence):
    with pytest.raises(ValueError, match=sentence):
        create(tmp_path, lambda indices: made)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n": 0}, "`n` must be an integer of at least 1, but got 0"),
        ({"chunk": -1}, "`chunk` must be an integer of at least 1, but got -1"),
        ({"attributes": {"f": make}}, "`attributes` must be what JSON can hold"),
        ({"attributes": {"f": np.nan}}, "`attributes` must be what JSON can hold"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        create(tmp_path, **{"n": N, **arguments})
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeyError, match=r"`t3` is not in the store in .*, which has signals, t1, tissue"):
        create(tmp_path)["t3"]


def test_progress_is_shown_unless_switched_off(tmp_path, capsys):
    Store.create(tmp_path / "shown", make, N, CHUNK)
    assert "making samples" in capsys.readouterr().out
    create(tmp_path / "silent")
    assert not capsys.readouterr().out


def test_a_missing_zarr_is_explained(tmp_path, monkeypatch):
    create(tmp_path / "made")
    monkeypatch.setitem(sys.modules, "zarr", None)
    for use in (create, Store.open):
        with pytest.raises(ImportError, match=r"pip install mrjax\[store\]"):
            use(tmp_path / "made")
    with pytest.raises(ImportError, match="Data sets on disk need Zarr"):
        create(tmp_path / "new")
    assert not (tmp_path / "new").exists()
