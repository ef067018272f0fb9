"""Loops over steps for voxels in lanes, forwards and adjoint, as functions of machine code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr
from llvmlite import ir

from mrjax.jax_rules.native.building import INT, POINTER, new_function
from mrjax.jax_rules.native.evaluation import evaluated
from mrjax.jax_rules.native.lanes import Lanes
from mrjax.jax_rules.native.memory import Leaf, Memory, Scratch
from mrjax.jax_rules.native.order import put_in_order_of_use


class LoopForm(NamedTuple):
    """A step as a program of constants, state and inputs, and the form of its arrays."""

    program: ClosedJaxpr
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


def forward(form: LoopForm, module: ir.Module, name: str) -> int:
    """`scan` for a part of the voxels: constants, state and inputs in, the state in the end and the outputs of all steps out.

    The size is how many steps there are outputs of; those of steps that are not played are zero. Gives the bytes of memory that
    each part needs.
    """
    kernel = _Kernel(form, module, name, len(form.given), len(form.carry) + len(form.outputs))
    b = kernel.builder
    of_state, of_outputs = _cut(kernel.results, len(form.carry))
    with kernel.blocks() as block:
        kernel.begin(block)
        with kernel.steps(kernel.n_steps) as i:
            for leaf, base, value in zip(form.outputs, of_outputs, kernel.advance(block, i), strict=True):
                kernel.memory.store(leaf, base, value, block, i)
        with kernel.steps(b.sub(kernel.size, kernel.n_steps)) as i:
            for leaf, base in zip(form.outputs, of_outputs, strict=True):
                kernel.memory.store(leaf, base, kernel.memory.zeros(leaf), block, b.add(kernel.n_steps, i))
        for leaf, base, value in zip(form.carry, of_state, kernel.state.get(), strict=True):
            kernel.memory.store(leaf, base, value, block)
    return kernel.finished()


def adjoint(form: LoopForm, back: ClosedJaxpr, module: ir.Module, name: str) -> int:
    """The transpose of the derivative of `forward`, by the program of a step back.

    In come constants, state and inputs, then cotangents of the state in the end and of the outputs. Out come those of what went
    in, where sums over voxels have one entry for each part and lane and must be zero before, and scratch for each part. The size
    is how many steps lie between states that are kept.
    """
    n_given = len(form.given)
    kernel = _Kernel(form, module, name, n_given + len(form.carry) + len(form.outputs), n_given + 1)
    b, memory = kernel.builder, kernel.memory
    of_given, (scratch,) = _cut(kernel.results, n_given)
    of_given = kernel.of_this_part(of_given)
    n_segments = b.sdiv(b.add(kernel.n_steps, b.sub(kernel.size, INT(1))), kernel.size)
    within = Scratch(memory, form.carry, scratch)
    within = Scratch(memory, form.carry, within.address(b.mul(kernel.part, b.add(kernel.size, n_segments)), 0))
    begins = Scratch(memory, form.carry, within.address(kernel.size, 0))
    with kernel.blocks() as block:
        kernel.begin(block)
        with b.counting(n_segments) as segment:
            begins.put(kernel.state.get(), segment)
            start, size = kernel.extent(segment)
            is_last = b.icmp_signed("==", segment, b.sub(n_segments, INT(1)))
            with kernel.steps(b.select(is_last, INT(0), size)) as j:
                kernel.advance(block, b.add(start, j))
        kernel.end(block)
        with b.counting(n_segments) as behind:
            segment = b.sub(b.sub(n_segments, INT(1)), behind)
            start, size = kernel.extent(segment)
            kernel.state.put(begins.get(segment))
            with kernel.steps(size) as j:
                within.put(kernel.state.get(), j)
                kernel.advance(block, b.add(start, j))
            with kernel.steps(size) as j:
                j = b.sub(b.sub(size, INT(1)), j)
                kernel.go_back(back, block, b.add(start, j), within.get(j), of_given)
        kernel.write(block, of_given)
    return kernel.finished()


class _Kernel:
    """A function of machine code, and what it has at hand."""

    def __init__(self, form: LoopForm, module: ir.Module, name: str, n_given: int, n_results: int):
        kind = [INT, INT, INT, INT, INT, POINTER, POINTER, POINTER]
        function, self.builder = new_function(module, name, ir.VoidType(), *kind)
        self.n_steps, self.size, n_voxels, n_parts, self.part, given, results, self.own = function.args
        n_blocks = self.builder.sdiv(n_voxels, INT(form.n_lanes))
        border = lambda part: self.builder.sdiv(self.builder.mul(part, n_blocks), n_parts)
        self.first, self.last = border(self.part), border(self.builder.add(self.part, INT(1)))
        self.form, self.lanes = form, Lanes(self.builder, form.n_lanes, form.dtype)
        self.memory = Memory(self.lanes, self.builder, n_voxels)
        given, self.results = self._pointers(given, n_given), self._pointers(results, n_results)
        self.of_fixed_given, rest = _cut(given, len(form.fixed))
        self.of_carry_given, rest = _cut(rest, len(form.carry))
        self.of_varying_given, self.cotangents = _cut(rest, len(form.varying))
        self.state, self.of_state, self.of_fixed = map(self._kept, (form.carry, form.carry, form.fixed))

    def _pointers(self, array: Any, n: int) -> list:
        place = lambda i: self.builder.gep(array, [INT(i)], source_etype=POINTER)
        return [self.builder.load(place(i), typ=POINTER) for i in range(n)]

    def _kept(self, leaves: list[Leaf]) -> Scratch:
        """Values in memory of this part's own."""
        scratch = Scratch(self.memory, leaves, self.own, fixed=True)
        self.own = scratch.address(None, scratch.size)
        return scratch

    def finished(self) -> int:
        """The end of the function; gives the bytes of memory that each part needs."""
        self.builder.ret_void()
        return sum(x.size for x in (self.state, self.of_state, self.of_fixed)) * self.lanes.n_lanes * self.memory.item

    def of_this_part(self, bases: list) -> list:
        """Where this part's sums over voxels lie, for those of the arrays that went in which are the same for all voxels."""
        n, b = len(self.form.fixed) + len(self.form.carry), self.builder
        result = []
        for i, (leaf, base) in enumerate(zip(self.form.given, bases, strict=True)):
            size = b.mul(INT(leaf.n_vectors), INT(1) if i < n else self.n_steps)
            offset = b.mul(b.mul(self.part, size), INT(self.lanes.n_lanes))
            result.append(base if leaf.of_voxels else b.gep(base, [offset], source_etype=self.lanes.scalar))
        return result

    @contextmanager
    def blocks(self) -> Iterator[Any]:
        """All blocks of voxels of this part; gives the first voxel of each."""
        with self.builder.counting(self.builder.sub(self.last, self.first)) as number:
            yield self.builder.mul(self.builder.add(self.first, number), INT(self.form.n_lanes))

    @contextmanager
    def steps(self, count: Any) -> Iterator[Any]:
        """A loop over steps; gives the number of each."""
        with self.builder.counting(count) as number:
            yield number
            put_in_order_of_use(self.builder.block)

    def extent(self, segment: Any) -> tuple[Any, Any]:
        """The first step of a segment, and how many it has."""
        start = self.builder.mul(segment, self.size)
        left = self.builder.sub(self.n_steps, start)
        return start, self.builder.select(self.builder.icmp_signed("<", left, self.size), left, self.size)

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

    def go_back(self, back: ClosedJaxpr, block: Any, i: Any, state: list[np.ndarray], of_given: list) -> None:
        """One step of the adjoint."""
        form = self.form
        now = self._loaded(form.varying, self.of_varying_given, block, i)
        of_outputs = self._loaded(form.outputs, self.cotangents[len(form.carry) :], block, i)
        arguments = [*self.fixed, *state, *now, *self.of_state.get(), *of_outputs]
        of_fixed, found = _cut(evaluated(self.lanes, back.jaxpr, arguments), len(form.fixed))
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
