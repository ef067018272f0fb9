"""What a command is doing, step by step."""

from collections.abc import Callable
from typing import TypeVar

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mrjax._bars import CompilationColumn
from mrjax.cli.interrupts import interruptible

Result = TypeVar("Result")


def bars(**options) -> Progress:
    """Progress bars, as every command shows them: to use as a context."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, CompilationColumn(), **options)


def step(progress: Progress, name: str, work: Callable[[], Result]) -> Result:
    """Do one piece of work under a bar of its own; an interrupt ends it."""
    task = progress.add_task(name, total=None)
    done = interruptible(work)
    progress.update(task, total=1, completed=1)
    return done
