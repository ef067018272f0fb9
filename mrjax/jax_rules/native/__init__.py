"""Loops over voxels in machine code of our own, made with LLVM where llvmlite is installed and new enough."""

from importlib.metadata import PackageNotFoundError, version

OLDEST = (0, 45)
"""Version of llvmlite that writes down pointers as LLVM reads them."""


def _is_available() -> bool:
    try:
        major, minor, *_ = version("llvmlite").split(".")
        return (int(major), int(minor)) >= OLDEST
    except (PackageNotFoundError, ValueError):
        return False


IS_AVAILABLE = _is_available()
"""Whether loops may become machine code."""
