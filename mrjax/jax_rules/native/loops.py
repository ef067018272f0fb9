"""Loops over steps for voxels in lanes, forwards and adjoint, as functions of machine code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr
from llvmlite import ir

from mrjax.jax_rules.native.evaluation import evaluated
from mrjax.jax_rules.native.lanes import Lanes
from mrjax.jax_rules.native.memory import INT, Leaf, Memory, Scratch

POINTER = ir.PointerType()
SEGMENT = 32
"""Steps from one state that the adjoint keeps to the next."""


class LoopForm(NamedTuple):
    """A step as a program of constants, state and inputs, and the form of its arrays."""

    program: ClosedJaxpr
    back: ClosedJaxpr
    """From those three, and cotangents of the state after the step and of the outputs, to cotangents of the three."""
    fixed: list[Leaf]
    carry: list[Leaf]
    varying: list[Leaf]
    outputs: list[Leaf]
    dtype: Any
    n_lanes: int

    @property
    def given(self) -> list[Leaf]:
        """What goes in."""
        return [*self.fixed, *self.carry, *self.varying]


@contextmanager
def counting(builder: ir.IRBuilder, count: Any) -> Iterator[Any]:
    """A loop from zero; gives its counter."""
    start = builder.block
    head = builder.append_basic_block("head")
    inside = builder.append_basic_block("inside")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    counter = builder.phi(INT)
    counter.add_incoming(INT(0), start)
    builder.cbranch(builder.icmp_signed("<", counter, count), inside, after)
    builder.position_at_end(inside)
    yield counter
    counter.add_incoming(builder.add(counter, INT(1)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


def forward(form: LoopForm, module: ir.Module, name: str) -> None:
    """`scan` for all voxels: constants, state and inputs in, the state in the end and the outputs of all steps out."""
    kernel = _Kernel(form, module, name, len(form.given), len(form.carry) + len(form.outputs))
    of_state, of_outputs = _cut(kernel.results, len(form.carry))
    with kernel.blocks() as block:
        kernel.begin(block)
        with counting(kernel.builder, kernel.n_steps) as i:
            for leaf, base, value in zip(form.outputs, of_outputs, kernel.advance(block, i), strict=True):
                kernel.memory.store(leaf, base, value, block, i)
        for leaf, base, value in zip(form.carry, of_state, kernel.state.get(), strict=True):
            kernel.memory.store(leaf, base, value, block)
    kernel.builder.ret_void()


def adjoint(form: LoopForm, module: ir.Module, name: str) -> None:
    """The transpose of the derivative of `forward`.

    In come constants, state and inputs, then cotangents of the state in the end and of the outputs. Out come those of what went
    in, where sums over voxels have one entry for each lane and must be zero before, and scratch.
    """
    n_given = len(form.given)
    kernel = _Kernel(form, module, name, n_given + len(form.carry) + len(form.outputs), n_given + 1)
    b, memory = kernel.builder, kernel.memory
    of_given, (scratch,) = _cut(kernel.results, n_given)
    within = Scratch(memory, form.carry, scratch)
    begins = Scratch(memory, form.carry, within.address(INT(SEGMENT), 0))
    n_segments = b.sdiv(b.add(kernel.n_steps, INT(SEGMENT - 1)), INT(SEGMENT))
    with kernel.blocks() as block:
        kernel.begin(block)
        with counting(b, n_segments) as segment:
            begins.put(kernel.state.get(), segment)
            start, size = kernel.extent(segment)
            with counting(b, size) as j:
                kernel.advance(block, b.add(start, j))
        kernel.end(block)
        with counting(b, n_segments) as behind:
            segment = b.sub(b.sub(n_segments, INT(1)), behind)
            start, size = kernel.extent(segment)
            kernel.state.put(begins.get(segment))
            with counting(b, size) as j:
                within.put(kernel.state.get(), j)
                kernel.advance(block, b.add(start, j))
            with counting(b, size) as j:
                j = b.sub(b.sub(size, INT(1)), j)
                kernel.go_back(block, b.add(start, j), within.get(j), of_given)
        kernel.write(block, of_given)
    b.ret_void()


class _Kernel:
    """A function of machine code, and what it has at hand."""

    def __init__(self, form: LoopForm, module: ir.Module, name: str, n_given: int, n_results: int):
        kind = ir.FunctionType(ir.VoidType(), [INT, INT, POINTER, POINTER])
        function = ir.Function(module, kind, name)
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.n_steps, n_voxels, given, results = function.args
        self.n_blocks = self.builder.sdiv(n_voxels, INT(form.n_lanes))
        self.form, self.lanes = form, Lanes(self.builder, form.n_lanes, form.dtype)
        self.memory = Memory(self.lanes, self.builder, n_voxels)
        given, self.results = self._pointers(given, n_given), self._pointers(results, n_results)
        self.of_fixed_given, rest = _cut(given, len(form.fixed))
        self.of_carry_given, rest = _cut(rest, len(form.carry))
        self.of_varying_given, self.cotangents = _cut(rest, len(form.varying))
        stack = lambda leaves: Scratch.on_stack(self.memory, leaves)
        self.state, self.of_state, self.of_fixed = stack(form.carry), stack(form.carry), stack(form.fixed)

    def _pointers(self, array: Any, n: int) -> list:
        place = lambda i: self.builder.gep(array, [INT(i)], source_etype=POINTER)
        return [self.builder.load(place(i), typ=POINTER) for i in range(n)]

    @contextmanager
    def blocks(self) -> Iterator[Any]:
        """All blocks of voxels; gives the first voxel of each."""
        with counting(self.builder, self.n_blocks) as number:
            yield self.builder.mul(number, INT(self.form.n_lanes))

    def extent(self, segment: Any) -> tuple[Any, Any]:
        """The first step of a segment, and how many it has."""
        start = self.builder.mul(segment, INT(SEGMENT))
        left = self.builder.sub(self.n_steps, start)
        return start, self.builder.select(self.builder.icmp_signed("<", left, INT(SEGMENT)), left, INT(SEGMENT))

    def begin(self, block: Any) -> None:
        """The constants and the state of a block."""
        self.fixed = self._loaded(self.form.fixed, self.of_fixed_given, block)
        self.state.put(self._loaded(self.form.carry, self.of_carry_given, block))

    def advance(self, block: Any, i: Any) -> list[np.ndarray]:
        """One step of the state; gives its outputs."""
        now = self._loaded(self.form.varying, self.of_varying_given, block, i)
        found = evaluated(self.lanes, self.form.program.jaxpr, [*self.fixed, *self.state.get(), *now])
        state, outputs = _cut(found, len(self.form.carry))
        self.state.put(state)
        return outputs

    def end(self, block: Any) -> None:
        """The cotangents in the end."""
        self.of_state.put(self._loaded(self.form.carry, self.cotangents, block))
        self.of_fixed.zero()

    def go_back(self, block: Any, i: Any, state: list[np.ndarray], of_given: list) -> None:
        """One step of the adjoint."""
        form = self.form
        now = self._loaded(form.varying, self.of_varying_given, block, i)
        of_outputs = self._loaded(form.outputs, self.cotangents[len(form.carry) :], block, i)
        arguments = [*self.fixed, *state, *now, *self.of_state.get(), *of_outputs]
        of_fixed, found = _cut(evaluated(self.lanes, form.back.jaxpr, arguments), len(form.fixed))
        of_state, of_varying = _cut(found, len(form.carry))
        self.of_fixed.put(list(map(self.lanes.sum_of, self.of_fixed.get(), of_fixed)))
        self.of_state.put(of_state)
        bases = of_given[len(form.fixed) + len(form.carry) :]
        for leaf, base, value in zip(form.varying, bases, of_varying, strict=True):
            self._written(leaf, base, value, block, i)

    def write(self, block: Any, of_given: list) -> None:
        """The cotangents of constants and of the state at the start."""
        leaves = [*self.form.fixed, *self.form.carry]
        values = [*self.of_fixed.get(), *self.of_state.get()]
        for leaf, base, value in zip(leaves, of_given, values, strict=False):
            self._written(leaf, base, value, block, None)

    def _written(self, leaf: Leaf, base: Any, value: np.ndarray, block: Any, i: Any) -> None:
        if leaf.of_voxels:
            self.memory.store(leaf, base, value, block, i)
        else:
            self.memory.add_partial(leaf, base, value, i)

    def _loaded(self, leaves: list[Leaf], bases: list, block: Any, i: Any = None) -> list[np.ndarray]:
        return [self.memory.load(leaf, base, block, i) for leaf, base in zip(leaves, bases, strict=False)]


def _cut(values: list, n: int) -> tuple[list, list]:
    return values[:n], values[n:]
