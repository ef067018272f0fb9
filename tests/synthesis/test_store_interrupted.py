"""Data sets on disk that were interrupted or killed, and go on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from data_sets import CHUNK, N, bytes_of, check_is_whole, counted, create

from mrjax.synthesis import Store


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("until", [0, 1, 4])
def test_an_interrupted_store_goes_on_where_it_stopped(tmp_path, until, error):
    create(tmp_path / "uninterrupted")
    with pytest.raises(error, match="stop"):
        create(tmp_path / "data", counted([], until, error))
    with pytest.raises(ValueError, match=f"incomplete, {until} of 5 blocks are finished"):
        Store.open(tmp_path / "data")
    calls = []
    check_is_whole(create(tmp_path / "data", counted(calls)))
    np.testing.assert_array_equal(np.concatenate(calls), np.arange(until * CHUNK, N))
    assert bytes_of(tmp_path / "data") == bytes_of(tmp_path / "uninterrupted")


def test_a_complete_store_is_returned_without_making_anything(tmp_path):
    create(tmp_path)
    check_is_whole(create(tmp_path, counted([], 0)))


KILLED = """
import os, signal, sys
import numpy as np
from mrjax.synthesis import Store
def make(indices):
    if indices[0] >= 10:
        open(sys.argv[2], "w").close()
        signal.pause()
    return {"t1": np.sin(indices), "signals": np.cos(np.outer(indices, np.arange(1, 4)))}
Store.create(sys.argv[1], make, 23, 5, progress=False)
"""


def sines(indices):
    return {"t1": np.sin(indices), "signals": np.cos(np.outer(indices, np.arange(1, 4)))}


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_loses_no_finished_block(tmp_path):
    reached = tmp_path / "reached"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "data"), str(reached)])
    try:
        while not reached.exists() and process.poll() is None:
            time.sleep(0.1)
        assert reached.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    calls = []

    def counting(indices):
        calls.append(indices)
        return sines(indices)

    create(tmp_path / "data", counting)
    np.testing.assert_array_equal(np.concatenate(calls), np.arange(10, N))
    create(tmp_path / "uninterrupted", sines)
    assert bytes_of(tmp_path / "data") == bytes_of(tmp_path / "uninterrupted")


def test_a_kill_at_any_write_is_repaired(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path, counted([], 2))
    chunk = tmp_path / "arrays" / "t1" / "c" / "2"
    chunk.write_bytes(b"half")
    with (tmp_path / "finished.jsonl").open("a") as log:
        log.write('{"signals": 1')
    calls = []
    check_is_whole(create(tmp_path, counted(calls)))
    assert calls[0][0] == 10


def test_a_kill_before_the_first_block_is_repaired(tmp_path):
    (tmp_path / "settings.json.part").write_text("{")
    create(tmp_path / "other", lambda indices: {"old": indices}, n=1)
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "data", counted([], 0))
    os.rename(tmp_path / "other" / "arrays", tmp_path / "data" / "arrays")
    check_is_whole(create(tmp_path / "data"))
    assert not (tmp_path / "data" / "arrays" / "old").exists()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "settings.json.part").write_text("{")
    check_is_whole(create(tmp_path / "half"))
