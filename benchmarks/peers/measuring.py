"""How long does a call take, and how much memory has the process used?"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def measured(call: Callable[[], Any], repeats: int) -> tuple[Any, dict[str, float]]:
    """The last result of `call`, and its wall times in s: of the first call alone, then of `repeats` further ones."""
    first, result = timed(call)
    times = []
    for _ in range(repeats):
        del result  # two results at once would count double in the memory
        elapsed, result = timed(call)
        times.append(elapsed)
    return result, {"median_s": statistics.median(times), "min_s": min(times), "first_s": first}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def peak_memory() -> float | None:
    """The largest resident memory of this process so far, in MiB; None where the platform does not tell.

    `resource.getrusage` comes second because on Linux it starts from the memory of the process that started this one.
    """
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def report(**values: Any) -> None:
    """One line of JSON."""
    print(json.dumps(values), flush=True)
