"""Ctrl-C is answered at once, also while XLA compiles or computes, which Python would wait for."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

NAME = "work of the mrjax command"
INTERVAL = 0.1
"""Seconds after which an interrupt is noticed, where the system does not wake who waits."""

Result = TypeVar("Result")


def interruptible(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; it is done by another thread, which after an interrupt nobody waits for."""
    outcome: dict[str, Any] = {}

    def do() -> None:
        try:
            outcome["result"] = work()
        except BaseException as error:
            outcome["error"] = error

    worker = threading.Thread(target=do, name=NAME, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(INTERVAL)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def work_goes_on() -> bool:
    """Whether there is work that an interrupt left behind, on which an orderly exit would wait."""
    return any(thread.name == NAME for thread in threading.enumerate())
