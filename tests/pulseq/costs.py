"""What a computation costs, counted: the same on every machine, however fast and however busy."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrjax

PACKAGE = str(Path(mrjax.__file__).parent)


def calls_of(function: Callable[[], Any]) -> int:
    """How many functions of this package, and how many of C from it, `function()` calls until it returns or raises.

    Checks of types, with which tests may wrap them, do not count.
    """
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call") and frame.f_code.co_filename.startswith(PACKAGE)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count
