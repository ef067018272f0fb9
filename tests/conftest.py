"""Every test runs in float64 unless it says otherwise; comparisons of arrays with different ranks are errors.

Tests marked `slow` take longest for what they add to the others, and those marked `exhaustive` try more of the same.
`MRJAX_ALL_TESTS=1 pytest` runs them too, and `.ci/run` the slow ones.

Three quarters of the time of the tests is XLA's, which compiles. What it compiled is kept in a folder of pytest's cache
that both workers and the programs that tests start share: they compile nothing twice, and the next run takes a third.
XLA is told to compile a program in one piece, not in the 32 that it compiles side by side: beside the other worker there is
no core for them, and one piece takes a seventh less.
"""

import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "d" / "compiled"  # `pytest --cache-clear` empties it
MOST_BYTES = 2**30  # ten times what all tests compile; a program that changed leaves its old form behind
# the environment is for the programs that tests start, the configuration for this one, where JAX may be imported already
for name, value in (
    ("jax_compilation_cache_dir", str(COMPILED)),
    ("jax_persistent_cache_min_compile_time_secs", "0"),
    ("jax_persistent_cache_min_entry_size_bytes", "-1"),
):
    value = os.environ.setdefault(name.upper(), value)
    jax.config.update(name, value if name.endswith("dir") else float(value) if name.endswith("secs") else int(value))

# read when JAX first looks for devices, which no test has done yet
os.environ["XLA_FLAGS"] = f"--xla_cpu_parallel_codegen_split_count=1 {os.environ.get('XLA_FLAGS', '')}"

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    is_worker = hasattr(config, "workerinput")
    if not is_worker and sum(file.stat().st_size for file in COMPILED.glob("*")) > MOST_BYTES:
        shutil.rmtree(COMPILED)


def pytest_collection_modifyitems(items):
    if os.environ.get("MRJAX_ALL_TESTS") == "1":
        return
    for item in items:
        for mark in ("slow", "exhaustive"):
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"{mark}; set MRJAX_ALL_TESTS=1 to run every test"))


MAPS = Path("/proc/self/maps")
MANY_MAPS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _programs_do_not_pile_up():
    """Forgets what was compiled before it is too much.

    A compiled program takes some ten memory maps and some megabytes. Linux allows a process 65530 maps
    (vm.max_map_count), and XLA crashes when it compiles beyond; all tests of one process would come to more than that.
    """
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture
def reference_data():
    """`reference_data("epg/cpmg_exact.npz")` is the path of a reference file; the test is skipped where it is absent.

    The folder is `MRJAX_DATA`, or `../shared/data` beside the project.
    """

    def locate(name: str) -> Path:
        root = Path(os.environ.get("MRJAX_DATA", Path(__file__).parents[2] / "shared" / "data"))
        if not (root / name).exists():
            pytest.skip(f"reference data {name} not found; set MRJAX_DATA to the folder that holds it")
        return root / name

    return locate


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)
