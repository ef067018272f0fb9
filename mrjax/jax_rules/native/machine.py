"""Machine code from LLVM instructions, as functions that XLA calls.

XLA hands a function one structure, the call frame, as its header `xla/ffi/api/c_api.h` describes it, which jaxlib brings along.
The function answers one question besides doing its work: for which version of the header it was made.
"""

import ctypes
import functools
import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import llvmlite.binding as llvm
from llvmlite import ir

INT, INT32, POINTER = ir.IntType(64), ir.IntType(32), ir.PointerType()

# bytes from the start of each structure of the header to what is read or written
EXTENSION, STAGE, ARGUMENTS, RESULTS = 8, 32, 72, 112
KIND_OF_EXTENSION, METADATA_OF_EXTENSION = 8, 24
VERSION, TRAITS = (24, 28), 32
DATA_OF_BUFFER = 24
METADATA = 1

_kept: dict[str, Any] = {}
_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def _target() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3
    )


@functools.lru_cache(maxsize=1)
def header_version() -> tuple[int, int]:
    """Major and minor version of the call frame that this jaxlib uses."""
    header = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text()
    number = lambda name: int(re.search(rf"#define XLA_FFI_API_{name} (\d+)", header)[1])  # pyright: ignore
    return number("MAJOR"), number("MINOR")


def registered(build: Callable[[ir.Module, str], None], n_arguments: int, n_results: int) -> str:
    """The name by which XLA calls a function that `build(module, name)` adds to a module.

    That function takes the numbers of steps and of voxels, and the arrays in and out. XLA gives it one argument more, in front:
    both numbers, as 32-bit integers.
    """
    module = ir.Module()
    build(module, "work")
    _add_handler(module, n_arguments, n_results)
    text = str(module)
    name = f"mrjax_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    with _lock:
        if name not in _kept:
            _kept[name] = _engine(text)
            address = _kept[name].get_function_address("handler")
            jax.ffi.register_ffi_target(name, _capsule(address), platform="cpu", api_version=1)
    return name


def _engine(text: str) -> Any:
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(_target(), llvm.PipelineTuningOptions(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, _target())
    engine.finalize_object()
    return engine


def _capsule(address: int) -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(address, None, None)


def _add_handler(module: ir.Module, n_arguments: int, n_results: int) -> None:
    handler = ir.Function(module, ir.FunctionType(POINTER, [POINTER]), "handler")
    builder = ir.IRBuilder(handler.append_basic_block("entry"))
    frame, nothing = handler.args[0], ir.Constant(POINTER, None)
    at = lambda base, offset: builder.gep(base, [INT(offset)], source_etype=ir.IntType(8))
    read = lambda base, offset, kind: builder.load(at(base, offset), typ=kind)

    extension = read(frame, EXTENSION, POINTER)
    with builder.if_then(builder.icmp_unsigned("!=", extension, nothing)):
        asked = builder.icmp_unsigned("==", read(extension, KIND_OF_EXTENSION, INT32), INT32(METADATA))
        with builder.if_then(asked):
            metadata = read(extension, METADATA_OF_EXTENSION, POINTER)
            for offset, number in zip((*VERSION, TRAITS), (*header_version(), 0), strict=True):
                builder.store(INT32(number), at(metadata, offset))
            builder.ret(nothing)

    def data_of(where: int, n: int) -> list:
        buffers = read(frame, where, POINTER)
        return [read(read(buffers, 8 * i, POINTER), DATA_OF_BUFFER, POINTER) for i in range(n)]

    def array_of(pointers: list) -> Any:
        array = builder.alloca(POINTER, INT(max(1, len(pointers))))
        for i, pointer in enumerate(pointers):
            builder.store(pointer, at(array, 8 * i))
        return array

    numbers, *arguments = data_of(ARGUMENTS, 1 + n_arguments)
    n_steps, n_voxels = (builder.zext(read(numbers, offset, INT32), INT) for offset in (0, 4))
    given, results = array_of(arguments), array_of(data_of(RESULTS, n_results))
    builder.call(module.get_global("work"), [n_steps, n_voxels, given, results])
    builder.ret(nothing)
