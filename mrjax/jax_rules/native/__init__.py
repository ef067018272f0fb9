"""Loops over voxels in machine code of our own, made with LLVM where llvmlite is installed (`pip install mrjax[native]`)."""

from importlib.util import find_spec

IS_AVAILABLE = find_spec("llvmlite") is not None
"""Whether llvmlite is installed."""
