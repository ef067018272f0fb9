"""Machine code from LLVM instructions, as functions that XLA calls."""

import ctypes
import functools
import hashlib
import os
import threading
from typing import Any

import jax
import llvmlite.binding as llvm
from llvmlite import ir

from mrjax.jax_rules.native.handler import Work, add_handler

_kept: dict[str, Any] = {}
_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def _target() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, function in _of_the_system().items():
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3
    )


def registered(work: Work) -> str:
    """The name by which XLA calls machine code. XLA gives it one argument more, in front: `work.numbers`."""
    module = ir.Module()
    add_handler(module, work)
    text = str(module)
    name = f"mrjax_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    with _lock:
        if name not in _kept:
            _kept[name] = _engine(text)
            address = _kept[name].get_function_address("handler")
            jax.ffi.register_ffi_target(name, _capsule(address), platform="cpu", api_version=1)
    return name


def _of_the_system() -> dict[str, Any]:
    """Functions that machine code calls."""
    if os.name == "nt":
        pause = sleep = ctypes.CDLL("kernel32").SwitchToThread  # which reads no argument
    else:
        pause, sleep = ctypes.CDLL(None).sched_yield, ctypes.CDLL(None).usleep
    return {
        "pause": pause,
        "sleep": sleep,
        "reserve": ctypes.pythonapi.PyMem_RawMalloc,
        "release": ctypes.pythonapi.PyMem_RawFree,
    }


def _engine(text: str) -> Any:
    # written as it should be: LLVM's passes before instructions are selected take time and gain none
    module = llvm.parse_assembly(text)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, _target())
    engine.finalize_object()
    return engine


def _capsule(address: int) -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(address, None, None)
