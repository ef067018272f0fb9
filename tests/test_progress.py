"""What JAX compiles is said, where it takes long, as the stream allows."""

import io
import threading
import time

import jax
import jax.numpy as jnp
import pytest
from rich.progress import Progress

import mrjax as mr
from mrjax import _progress
from mrjax._bars import CompilationColumn

COMPILING = next(event for event, word in _progress.STAGES.items() if word == "compiling")
TRACING = next(event for event, word in _progress.STAGES.items() if word == "tracing")


@pytest.fixture
def watch(monkeypatch):
    """One that finds everything worth a word."""
    monkeypatch.setattr(_progress, "WORTH_A_WORD", 0.0)
    monkeypatch.setattr(_progress, "INTERVAL", 0.01)
    return _progress.watch()


def begin(event, name):
    jax.monitoring.record_scalar(event, time.time(), fun_name=name)


def end(event):
    jax.monitoring.record_event_duration_secs(event, 1.0, fun_name="any")


def test_the_outermost_stage_counts(watch):
    assert watch.longest() is None
    begin(TRACING, "outer")
    begin(TRACING, "inner")
    what, seconds = watch.longest()
    assert what == "tracing outer"
    assert 0 <= seconds < 60
    end(TRACING)
    assert watch.longest()[0] == "tracing outer"
    end(TRACING)
    assert watch.longest() is None


def test_of_two_threads_the_one_that_began_first_counts(watch):
    begin(COMPILING, "jit(first)")

    def second():
        begin(COMPILING, "jit(second)")
        assert watch.longest()[0] == "compiling jit(first)"
        end(COMPILING)

    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    end(COMPILING)
    assert watch.longest() is None


def test_what_jax_says_is_understood(watch, capsys):
    """A function that takes its time to trace, since what JAX compiles may lie in a cache."""
    heard = []

    @jax.jit
    def slow(x):
        heard.append(watch.longest()[0])
        time.sleep(0.3)
        return x + 1

    with mr.progress():
        slow(jnp.ones(2))
    assert heard == ["tracing slow"]
    assert "tracing slow ..." in capsys.readouterr().err.splitlines()
    assert watch.longest() is None


def test_nothing_is_said_of_what_is_quick(capsys):
    with mr.progress():
        begin(COMPILING, "jit(f)")
        time.sleep(2 * _progress.INTERVAL)
        end(COMPILING)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_line_that_is_erased():
    stream = io.StringIO()
    tell = _progress._on_one_line(stream)
    for now in [None, ("compiling jit(f)", 1.9), ("compiling jit(f)", 2.1), ("compiling jit(f)", 10.0), None, None]:
        tell(now)
    assert stream.getvalue() == "\rcompiling jit(f), 2 s\rcompiling jit(f), 10 s\r" + " " * 22 + "\r"


def test_a_file_gets_a_line_for_each_program():
    stream = io.StringIO()
    tell = _progress._line_by_line(stream)
    for now in [
        ("compiling jit(f)", 2.1),
        ("compiling jit(f)", 3.0),
        ("compiling jit(g)", 1.0),
        ("compiling jit(g)", 9.0),
    ]:
        tell(now)
    assert stream.getvalue() == "compiling jit(f) ...\ncompiling jit(g) ...\n"


def test_a_bar_says_it_until_it_is_finished(watch):
    column = CompilationColumn()
    with Progress(disable=True) as progress:
        task = progress.add_task("fitting", total=1)
        assert str(column(progress.tasks[0])) == ""
        begin(COMPILING, "jit(f)")
        assert str(column(progress.tasks[0])) == "compiling jit(f), 0 s"
        progress.update(task, completed=1)
        assert str(column(progress.tasks[0])) == ""
        end(COMPILING)
