"""What is happening while nothing can be seen: JAX traces, lowers and compiles a program before it runs it."""

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "compiling",
}
"""Of a program, by the names that JAX gives them when they begin and end."""
WORTH_A_WORD = 2.0
"""Seconds after which a stage is mentioned."""
INTERVAL = 0.2
"""Seconds between two looks."""


class CompilationWatch:
    """Listens to JAX, and knows what every thread is tracing, lowering or compiling, and since when."""

    def __init__(self):
        self._stages: dict[int, list[tuple[str, float]]] = {}
        jax.monitoring.register_scalar_listener(self._begun)
        jax.monitoring.register_event_duration_secs_listener(self._ended)

    def _begun(self, event: str, value: float | int, **about: Any) -> None:
        if event in STAGES:
            # within a stage there may be others, of programs in the program
            stages = self._stages.setdefault(threading.get_ident(), [])
            stages.append((f"{STAGES[event]} {about.get('fun_name', 'a program')}", time.monotonic()))

    def _ended(self, event: str, duration_secs: float | int, **about: Any) -> None:
        if event in STAGES and self._stages.get(threading.get_ident()):
            self._stages[threading.get_ident()].pop()

    def longest(self) -> tuple[str, float] | None:
        """What takes longest of all that is going on, in words, and its seconds so far; None where nothing is."""
        outermost = [stages[0] for stages in self._stages.copy().values() if stages[:1]]
        if not outermost:
            return None
        what, since = min(outermost, key=lambda stage: stage[1])
        return what, time.monotonic() - since


@functools.cache
def watch() -> CompilationWatch:
    """The one of this process; JAX forgets no listener."""
    return CompilationWatch()


@contextmanager
def progress() -> Iterator[None]:
    """Say on stderr what JAX is compiling, and for how long, wherever that takes more than two seconds.

    A terminal or a notebook shows it on one line that counts the seconds; a file gets one line for each program.

    **Returns:** a context.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> with mr.progress():
        ...     signal = mr.simulate(mr.protocols.spin_echo(te=0.05), mr.Tissue(t1=1.0, t2=0.1))

        ```
    """
    compiling, done = watch(), threading.Event()
    say = _on_one_line if _can_go_back(sys.stderr) else _line_by_line

    def look() -> None:
        told = say(sys.stderr)
        while not done.wait(INTERVAL):
            told(compiling.longest())
        told(None)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()


Teller = Callable[[tuple[str, float] | None], None]


def in_words(now: tuple[str, float] | None) -> str:
    """Such as "compiling jit(_play), 3 s"; empty where nothing takes long."""
    return f"{now[0]}, {now[1]:.0f} s" if now is not None and now[1] >= WORTH_A_WORD else ""


def _can_go_back(stream: Any) -> bool:
    """Whether a line can be written over: in a terminal, or a notebook, whose stream does not say that it is one."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel")


def _on_one_line(stream: Any) -> Teller:
    length = 0

    def tell(now: tuple[str, float] | None) -> None:
        nonlocal length
        text = in_words(now)
        if text or length:
            stream.write(f"\r{text:{length}}" + ("" if text else "\r"))
            stream.flush()
        length = len(text)

    return tell


def _line_by_line(stream: Any) -> Teller:
    last = ""

    def tell(now: tuple[str, float] | None) -> None:
        nonlocal last
        what = "" if now is None else now[0]
        if in_words(now) and what != last:
            print(f"{what} ...", file=stream, flush=True)
            last = what

    return tell
