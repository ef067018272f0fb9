"""What is compiled is kept on disk, wherever that can be; where it cannot, one sentence says so and all goes on."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import mrjax as mr
from mrjax import _cache

SESSION = """
import collections, sys
import jax
import mrjax as mr
assert jax.config.jax_compilation_cache_dir is None  # importing sets nothing
folder = mr.cache()
events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: events.update([event.rpartition("/")[2]]))
train = mr.protocols.mrf_fisp([0.3] * 60, tr=0.012, te=0.005, inversion_time=0.02)
tissue = mr.Tissue(t1=jax.numpy.linspace(0.5, 2.0, 50), t2=0.08)
engine = mr.EPG(20)
for gradient in (None, mr.gradient.Direct()):
    mr.simulate(train, tissue, engine, gradient=gradient)
echoes = jax.numpy.array([0.01, 0.03, 0.06])
decay = lambda p: mr.signals.relaxation.t2_decay(echoes, p["t2"], p["m0"])
mr.inverse.least_squares(decay, decay({"t2": jax.numpy.full(3, 0.05), "m0": jax.numpy.ones(3)}), {"t2": 0.07, "m0": 1.0})
print(folder, events["compile_requests_use_cache"], events["cache_hits"])
"""
"""A marked loop, one that is not, and a fit, whose checks are not to call back."""


@pytest.fixture
def _setting_is_restored():
    before = jax.config.jax_compilation_cache_dir
    yield
    _cache._keep_in(before)


in_this_process = pytest.mark.usefixtures("_setting_is_restored")


def session(home: Path) -> subprocess.Popen:
    """A process of its own, whose user has set nothing and has the given folder of caches."""
    own = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    own |= {"XDG_CACHE_HOME": str(home), "LOCALAPPDATA": str(home), "MRJAX_PLAIN_JAX": "0"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", SESSION], env=own, text=True, **streams)


@pytest.mark.skipif(sys.platform == "darwin", reason="the folder there is not named by the environment")
def test_the_next_process_compiles_nothing(tmp_path):
    """Nor do two that start at once get into each other's way."""
    for at_once in (2, 1):
        for process in [session(tmp_path) for _ in range(at_once)]:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            assert err == ""
    folder, requests, hits = out.split()
    assert folder == str(tmp_path / "mrjax" / "compiled")
    assert int(requests) == int(hits) > 5


def compiled(constant: float) -> None:
    """Compile a program that no other test has."""
    jax.block_until_ready(jax.jit(lambda x: x * constant + 1)(jnp.ones(3)))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-cache"))


@in_this_process
def test_it_serves_after_something_was_compiled(tmp_path):
    mr.cache(tmp_path / "before")
    compiled(1.25)
    assert mr.cache(tmp_path / "a" / "b") == str(tmp_path / "a" / "b")
    compiled(1.75)
    assert entries(tmp_path / "a" / "b")


def read_only(*args, **kwargs):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@in_this_process
@pytest.mark.parametrize("trouble", ["file in the way", "read-only", "full disk"])
def test_a_folder_that_cannot_be_written_is_named_once(tmp_path, monkeypatch, trouble):
    folder = tmp_path / "folder"
    if trouble == "file in the way":
        folder.write_text("")
    elif trouble == "read-only":
        monkeypatch.setattr(_cache.tempfile, "TemporaryFile", read_only)
    else:
        monkeypatch.setattr(_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.warns(UserWarning, match="Compiled programs are not kept") as told:
        assert mr.cache(folder) is None
    assert len(told) == 1
    message = str(told[0].message)
    assert str(folder) in message
    assert "mr.cache(" in message
    compiled(2.25)  # a warning more would be an error
    assert jax.config.jax_compilation_cache_dir is None


@in_this_process
@pytest.mark.parametrize("damage", [lambda entry: entry[: len(entry) // 2], lambda _: b"", lambda _: b"no entry"])
def test_a_damaged_entry_is_compiled_again_and_mended(tmp_path, damage):
    mr.cache(tmp_path)
    compiled(2.75)
    whole = {file: file.read_bytes() for file in entries(tmp_path)}
    for file, content in whole.items():
        file.write_bytes(damage(content))
    jax.clear_caches()
    mr.cache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(2.75)
    assert whole
    assert all(_cache._is_whole(file.read_bytes()) for file in whole)


@in_this_process
def test_what_has_been_looked_through_is_not_again(tmp_path, monkeypatch):
    mr.cache(tmp_path)
    compiled(3.25)
    for file in entries(tmp_path):
        os.utime(file, (1e9, 1e9))
    looked_at = []
    monkeypatch.setattr(_cache, "_is_whole", lambda entry: looked_at.append(entry) or True)
    mr.cache(tmp_path)
    assert not looked_at


def test_entries_that_zstandard_packed(monkeypatch):
    def decompress(entry):
        if not entry.endswith(b"end"):
            raise RuntimeError("cut off")

    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "zstandard", SimpleNamespace(decompress=decompress))
    assert _cache._is_whole(_cache.ZSTANDARD + b"end")
    assert not _cache._is_whole(_cache.ZSTANDARD + b"en")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert _cache._is_whole(_cache.ZSTANDARD + b"who knows")


@in_this_process
def test_the_oldest_go_first_and_nothing_else_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "MOST_BYTES", 5000)
    monkeypatch.setattr(_cache, "_is_whole", lambda entry: True)
    for age in range(8):
        file = tmp_path / f"jit_f-{age:064x}-cache"
        file.write_bytes(bytes(1000))
        os.utime(file, (1e9 - age, 1e9 - age))
    others = [tmp_path / "letters", tmp_path / "browser-cache"]
    for file in others:
        file.write_bytes(bytes(10_000))
        os.utime(file, (0, 0))
    mr.cache(tmp_path)
    assert all(file.exists() for file in others)
    kept = [age for age in range(8) if (tmp_path / f"jit_f-{age:064x}-cache").exists()]
    assert kept == [0, 1, 2, 3]


@in_this_process
def test_the_folder_that_jax_was_given_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "MOST_BYTES", 0)
    _cache._keep_in(str(tmp_path))
    file = tmp_path / f"jit_f-{1:064x}-cache"
    file.write_bytes(b"damaged")
    assert mr.cache() == str(tmp_path) == jax.config.jax_compilation_cache_dir
    assert file.exists()
    _cache._keep_in("gs://bucket/of/mine")
    assert mr.cache() == "gs://bucket/of/mine" == jax.config.jax_compilation_cache_dir


@in_this_process
@pytest.mark.parametrize("by_the_user", ["0.5", None])
def test_small_programs_are_kept_unless_the_environment_says_otherwise(tmp_path, monkeypatch, by_the_user):
    variable, option = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "jax_persistent_cache_min_compile_time_secs"
    monkeypatch.delenv(variable) if by_the_user is None else monkeypatch.setenv(variable, by_the_user)
    before = getattr(jax.config, option)
    jax.config.update(option, 0.5)
    mr.cache(tmp_path)
    seconds = getattr(jax.config, option)
    jax.config.update(option, before)
    assert seconds == float(by_the_user or 0)


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/scratch"}, "/scratch"),
        ("darwin", {"HOME": "/Users/me", "XDG_CACHE_HOME": "/scratch"}, "/Users/me/Library/Caches"),
    ],
)
def test_the_folder_of_the_user(monkeypatch, platform, variables, folder):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _cache._of_user() == Path(folder, "mrjax", "compiled")
