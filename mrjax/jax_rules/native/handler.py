"""The function that XLA calls: it reads where arrays lie, and has all threads of XLA do a part of the work each.

XLA hands over one structure, the call frame, as its header `xla/ffi/api/c_api.h` describes it, which jaxlib brings along. The
function answers one question besides doing its work: for which version of the header it was made.

Work comes in parts, and a thread that has nothing to do takes the next. The one that XLA has called takes parts like the others,
and waits only for parts that others have begun: so it does not matter whether any thread comes to help, and when. What all of
them share lies in memory that the last of them gives back.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from llvmlite import ir

from mrjax.jax_rules.native.building import INT, INT32, POINTER, Builder, new_function

NOTHING = ir.VoidType()

# bytes from the start of each structure of the header to what is read or written
EXTENSION, API, CONTEXT, ARGUMENTS, RESULTS = 8, 16, 24, 72, 112
KIND_OF_EXTENSION, METADATA_OF_EXTENSION = 8, 24
VERSION, TRAITS = (24, 28), 32
FUNCTIONS = 48
DATA_OF_BUFFER = 24
METADATA = 1

# and of what the threads share: the next part, parts that are done, threads that may still look, numbers, and pointers
NEXT, DONE, LOOKING, NUMBERS, POINTERS = 0, 8, 16, 24, 56
N_NUMBERS = 4

LOOKS_AWAKE, MICROSECONDS_ASLEEP = 100, 20
"""How often a thread that has nothing left to do looks whether the others are done, and how long it sleeps after that."""


class Work(NamedTuple):
    """What is to be done for voxels, in parts."""

    build: Callable[[ir.Module, str], int]
    """Adds a function of `numbers`, the part, arrays in, arrays out, and memory of its own.

    Gives how many bytes of memory each part needs.
    """
    n_arguments: int
    n_results: int

    @staticmethod
    def numbers(n_steps: Any, size: int, n_voxels: int, n_parts: int) -> Any:
        """The first argument of a call: the steps, a size of the arrays, voxels and parts."""
        numbers = (n_steps, size, n_voxels, n_parts)
        return (
            np.array(numbers, np.int32)
            if isinstance(n_steps, int)
            else jnp.stack([jnp.asarray(x, jnp.int32) for x in numbers])
        )


@functools.lru_cache(maxsize=1)
def _header() -> str:
    return (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text()


@functools.lru_cache(maxsize=1)
def header_version() -> tuple[int, int]:
    """Major and minor version of the call frame that this jaxlib uses."""
    number = lambda name: int(re.search(rf"#define XLA_FFI_API_{name} (\d+)", _header())[1])  # pyright: ignore
    return number("MAJOR"), number("MINOR")


@functools.lru_cache
def _place_of(name: str) -> int:
    """Bytes from the start of XLA's table of functions to one of them."""
    functions = re.findall(r"^  _XLA_FFI_API_STRUCT_FIELD\((\w+)\);", _header(), re.MULTILINE)
    return FUNCTIONS + 8 * functions.index(f"XLA_FFI_{name}")


def add_handler(module: ir.Module, work: Work) -> None:
    """Add the function `handler`."""
    memory = work.build(module, "work")
    module.globals["work"].attributes.add("noinline")
    _add_parts(module, work, memory)
    _add_leave(module)
    _add_help(module)
    handler, b = new_function(module, "handler", POINTER, POINTER)
    frame = handler.args[0]
    _answer(b, frame)
    shared = _shared(b, frame, work)
    n_parts = b.read(shared, NUMBERS + 8 * (N_NUMBERS - 1))
    with b.if_then(b.icmp_signed(">", n_parts, INT(1))):
        _ask_for_help(b, frame, shared, n_parts)
    b.call(module.globals["parts"], [shared])
    _wait(b, shared, n_parts)
    b.call(module.globals["leave"], [shared])
    b.ret(ir.Constant(POINTER, None))


def _answer(b: Builder, frame: Any) -> None:
    """Where XLA asks for the version, say it and return."""
    nothing = ir.Constant(POINTER, None)
    extension = b.read(frame, EXTENSION, POINTER)
    with b.if_then(b.icmp_unsigned("!=", extension, nothing)):
        asked = b.icmp_unsigned("==", b.read(extension, KIND_OF_EXTENSION, INT32), INT32(METADATA))
        with b.if_then(asked):
            metadata = b.read(extension, METADATA_OF_EXTENSION, POINTER)
            for offset, number in zip((*VERSION, TRAITS), (*header_version(), 0), strict=True):
                b.write(INT32(number), metadata, offset)
            b.ret(nothing)


def _shared(b: Builder, frame: Any, work: Work) -> Any:
    """What the threads share, for the arrays of a call."""

    def data_of(where: int, n: int) -> list:
        buffers = b.read(frame, where, POINTER)
        return [b.read(b.read(buffers, 8 * i, POINTER), DATA_OF_BUFFER, POINTER) for i in range(n)]

    numbers, *arrays = data_of(ARGUMENTS, 1 + work.n_arguments)
    arrays += data_of(RESULTS, work.n_results)
    shared = b.external("reserve", POINTER, INT(POINTERS + 8 * len(arrays)))
    for offset, value in ((NEXT, 0), (DONE, 0), (LOOKING, 1)):
        b.write(INT(value), shared, offset)
    for i in range(N_NUMBERS):
        b.write(b.zext(b.read(numbers, 4 * i, INT32), INT), shared, NUMBERS + 8 * i)
    for i, pointer in enumerate(arrays):
        b.write(pointer, shared, POINTERS + 8 * i)
    return shared


def _ask_for_help(b: Builder, frame: Any, shared: Any, n_parts: Any) -> None:
    """Have XLA's threads look for parts, as many as there are or as there are parts for."""
    found, nothing = b.on_stack(8), ir.Constant(POINTER, None)
    b.store(INT(1), found)
    _dropped(b, frame, _of_xla(b, frame, "ThreadPool_NumThreads", b.read(frame, CONTEXT, POINTER), found))
    n_threads = b.load(found, typ=INT)
    n_threads = b.select(b.icmp_signed("<", n_threads, n_parts), n_threads, n_parts)
    with b.counting(b.sub(n_threads, INT(1))):
        b.counted(shared, LOOKING)
        help_ = b.module.globals["help"]
        error = _of_xla(b, frame, "ThreadPool_Schedule", b.read(frame, CONTEXT, POINTER), help_, shared)
        with b.if_then(b.icmp_unsigned("!=", error, nothing)):
            b.counted(shared, LOOKING, -1)
        _dropped(b, frame, error)


def _of_xla(b: Builder, frame: Any, name: str, *arguments: Any) -> Any:
    """A call of a function of XLA with a structure of arguments, after its size and no extension; gives an error, or nothing."""
    values = [INT(8 * (2 + len(arguments))), ir.Constant(POINTER, None), *arguments]
    structure = b.on_stack(8 * len(values))
    for i, value in enumerate(values):
        b.write(value, structure, 8 * i)
    function = b.read(b.read(frame, API, POINTER), _place_of(name), POINTER)
    return b.indirect(function, POINTER, structure)


def _dropped(b: Builder, frame: Any, error: Any) -> None:
    """Give back an error: no help is none."""
    with b.if_then(b.icmp_unsigned("!=", error, ir.Constant(POINTER, None))):
        _of_xla(b, frame, "Error_Destroy", error)


def _wait(b: Builder, shared: Any, n_parts: Any) -> None:
    """Until all parts are done, which running threads have begun: at first awake, then asleep, or they would lack this core."""
    start = b.block
    look, awake, asleep, after = (b.append_basic_block(name) for name in ("look", "awake", "asleep", "after"))
    wait = b.append_basic_block("wait")
    b.branch(look)
    b.position_at_end(look)
    looked = b.phi(INT)
    done = b.load_atomic(b.at(shared, DONE), "acquire", 8, typ=INT)
    b.cbranch(b.icmp_signed("<", done, n_parts), wait, after)
    b.position_at_end(wait)
    b.cbranch(b.icmp_signed("<", looked, INT(LOOKS_AWAKE)), awake, asleep)
    for block, name, arguments in ((awake, "pause", ()), (asleep, "sleep", (INT32(MICROSECONDS_ASLEEP),))):
        b.position_at_end(block)
        b.external(name, INT32, *arguments)
        looked.add_incoming(b.add(looked, INT(1)), block)
        b.branch(look)
    looked.add_incoming(INT(0), start)
    b.position_at_end(after)


def _add_parts(module: ir.Module, work: Work, memory: int) -> None:
    """Add `parts`, which does parts as long as there are any."""
    parts, b = new_function(module, "parts", NOTHING, POINTER)
    shared = parts.args[0]
    own = b.on_stack(max(1, memory), alignment=64)
    numbers = [b.read(shared, NUMBERS + 8 * i) for i in range(N_NUMBERS)]
    given, results = b.at(shared, POINTERS), b.at(shared, POINTERS + 8 * work.n_arguments)
    look, do, after = (b.append_basic_block(name) for name in ("look", "do", "after"))
    b.branch(look)
    b.position_at_end(look)
    part = b.counted(shared, NEXT)
    b.cbranch(b.icmp_signed("<", part, numbers[-1]), do, after)
    b.position_at_end(do)
    b.call(module.globals["work"], [*numbers, part, given, results, own])
    b.counted(shared, DONE)
    b.branch(look)
    b.position_at_end(after)
    b.ret_void()


def _add_leave(module: ir.Module) -> None:
    """Add `leave`, by which a thread says that it looks no more."""
    leave, b = new_function(module, "leave", NOTHING, POINTER)
    shared = leave.args[0]
    with b.if_then(b.icmp_signed("==", b.counted(shared, LOOKING, -1), INT(1))):
        b.external("release", NOTHING, shared)
    b.ret_void()


def _add_help(module: ir.Module) -> None:
    """Add `help`, the task of another thread."""
    help_, b = new_function(module, "help", NOTHING, POINTER)
    shared = help_.args[0]
    b.call(module.globals["parts"], [shared])
    b.call(module.globals["leave"], [shared])
    b.ret_void()
