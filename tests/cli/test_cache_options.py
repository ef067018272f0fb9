"""The command keeps what it compiles, unless it is told not to or cannot."""

import jax
import pytest

from mrjax import _cache
from mrjax.cli import main

REFUSED = ["demo", "--noise-std", "0"]
"""A command that ends before it compiles anything."""


@pytest.fixture(autouse=True)
def _setting_is_restored():
    before = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_enable_compilation_cache", True)
    _cache._keep_in(before)


@pytest.mark.parametrize("behind", [False, True])
def test_a_folder_may_be_chosen_anywhere_on_the_line(tmp_path, behind):
    option = ["--cache", str(tmp_path / "kept")]
    assert main([*REFUSED, *option] if behind else [*option, *REFUSED]) == 2
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "kept")


def test_by_default_it_is_that_of_jax_or_of_the_user(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    assert main(REFUSED) == 2
    assert jax.config.jax_compilation_cache_dir == before
    _cache._keep_in(None)
    monkeypatch.setattr(_cache, "_of_user", lambda: tmp_path / "of user")
    assert main(REFUSED) == 2
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "of user")


def test_it_may_be_told_not_to():
    assert main(["--no-cache", *REFUSED]) == 2
    assert not jax.config.jax_enable_compilation_cache


def test_both_at_once_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--no-cache", "--cache", str(tmp_path), *REFUSED])
    assert end.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_and_survived(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--cache", str(tmp_path / "file"), *REFUSED]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"mrjax: Compiled programs are not kept, since {tmp_path / 'file'} cannot be written")
    assert second.startswith("mrjax demo: --noise-std must be positive")
