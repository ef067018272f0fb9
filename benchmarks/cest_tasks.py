"""Which saturation experiments does every contestant of `benchmarks.cest` get, and how is it timed?

Plain NumPy, so that any environment can import it. The experiments are those of the reference data, in the folder that
`MRJAX_DATA` names, `../shared/data` by default.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TRAINS = ("apt001_2p_creatine", "apt001_3p_MT_Lor", "bmsim_case7")
"""36 pulses of 200 samples for each offset: two and three pools, and five."""

CONTINUOUS = "bmsim_case3"
SPIN_LOCKS = "mrf002_2p_larg"


def data(name: str) -> Path:
    """A file of the reference data, or the same compressed."""
    path = Path(os.environ.get("MRJAX_DATA", "../shared/data")) / "cest" / name
    return path if path.exists() else path.with_name(f"{path.name}.gz")


@dataclass(frozen=True)
class Protocol:
    """One experiment: what is played, event by event, and the result of an independent computation."""

    table: dict[str, np.ndarray]
    meta: dict[str, Any]

    @classmethod
    def called(cls, name: str) -> "Protocol":
        with np.load(data(f"protocols/{name}.npz")) as content:
            table = {key: content[key] for key in content.files if key != "meta"}
            return cls(table, json.loads(str(content["meta"])))

    @property
    def pools(self) -> Path:
        return data(f"yaml/{self.meta['yaml']}")

    @property
    def sequence(self) -> Path:
        return data(f"seq/{self.meta['seq']}")

    @property
    def exact(self) -> np.ndarray:
        """The longitudinal magnetisation of the water at every readout."""
        return self.table["mz_exact"]

    def measurements(self) -> list[range]:
        """The rows of the event table that make up each measurement, its readout the last."""
        ends = 1 + np.flatnonzero(self.table["ev_type"] == 3)
        return [range(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def least(call: Callable[[], Any], seconds: float, fewest: int = 3) -> tuple[Any, dict[str, float]]:
    """The last result, and the least CPU and wall time in s of as many calls as take so many seconds.

    Whatever else a machine does makes a call longer and never shorter, hence the least. CPU time is that of all threads.
    """
    begin = time.perf_counter()
    result, (cpu_s, wall_s) = timed(call)
    n_calls = 1
    while n_calls < fewest or time.perf_counter() - begin < seconds:
        result, (cpu, wall) = timed(call)
        cpu_s, wall_s, n_calls = min(cpu_s, cpu), min(wall_s, wall), n_calls + 1
    return result, {"cpu_s": cpu_s, "wall_s": wall_s, "n_calls": n_calls}


def timed(call: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, (time.process_time() - cpu, time.perf_counter() - wall)
