"""LLVM instructions for numbers in structures, for loops, and for calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

INT, INT32, BYTE, POINTER = ir.IntType(64), ir.IntType(32), ir.IntType(8), ir.PointerType()


class Builder(ir.IRBuilder):
    """Instructions on structures."""

    def at(self, base: Any, offset: Any) -> Any:
        return self.gep(base, [INT(offset) if isinstance(offset, int) else offset], source_etype=BYTE)

    def read(self, base: Any, offset: int, kind: Any = INT) -> Any:
        return self.load(self.at(base, offset), typ=kind)

    def write(self, value: Any, base: Any, offset: int) -> None:
        self.store(value, self.at(base, offset))

    def on_stack(self, n_bytes: int, alignment: int = 8) -> Any:
        """Memory until the function returns."""
        memory = self.alloca(ir.ArrayType(BYTE, n_bytes))
        memory.align = alignment  # pyright: ignore[reportAttributeAccessIssue]
        memory.type = POINTER  # where it is allocated, llvmlite knows a type of what lies there
        return memory

    def counted(self, base: Any, offset: int, by: int = 1) -> Any:
        """What stood there, where no other thread has read the same."""
        return self.atomic_rmw("add", self.at(base, offset), INT(by), "seq_cst")

    def external(self, name: str, result: Any, *arguments: Any) -> Any:
        """A call of a function from outside."""
        known = self.module.globals
        kind = ir.FunctionType(result, [x.type for x in arguments])
        return self.call(known[name] if name in known else ir.Function(self.module, kind, name), arguments)

    def indirect(self, function: Any, result: Any, *arguments: Any) -> Any:
        """A call of the function at an address."""
        callee = self.at(function, 0)
        # llvmlite reads from the type of a callee what it takes, though pointers have none any more
        callee.type = ir.FunctionType(result, [x.type for x in arguments]).as_pointer()
        return self.call(callee, arguments)

    @contextmanager
    def counting(self, count: Any) -> Iterator[Any]:
        """A loop from zero; gives its counter."""
        start = self.block
        head = self.append_basic_block("head")
        inside = self.append_basic_block("inside")
        after = self.append_basic_block("after")
        self.branch(head)
        self.position_at_end(head)
        counter = self.phi(INT)
        counter.add_incoming(INT(0), start)
        self.cbranch(self.icmp_signed("<", counter, count), inside, after)
        self.position_at_end(inside)
        yield counter
        counter.add_incoming(self.add(counter, INT(1)), self.block)
        self.branch(head)
        self.position_at_end(after)


def new_function(module: ir.Module, name: str, result: Any, *arguments: Any) -> tuple[ir.Function, Builder]:
    """A function to be added to a module, and the builder of its instructions."""
    function = ir.Function(module, ir.FunctionType(result, list(arguments)), name)
    return function, Builder(function.append_basic_block("entry"))
