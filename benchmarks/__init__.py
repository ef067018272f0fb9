"""How fast is mrjax, and beside what? See README.md of this folder.

`--threads n` binds the process to n cores here, because this file runs before any script of the folder: XLA, PyTorch and
OpenMP count the cores when they are imported, and mrjax when it is called.
"""

import argparse
import os


def bind_to_cores() -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--threads", type=int)
    threads = parser.parse_known_args()[0].threads
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


bind_to_cores()
