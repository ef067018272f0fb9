"""Loops in machine code as functions of arrays, and their adjoint."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array

from mrjax.jax_rules.devices import available_cores
from mrjax.jax_rules.native.evaluation import n_instructions
from mrjax.jax_rules.native.forms import BYTES_OF_VECTOR, adjoint_name, back_of, forward_name
from mrjax.jax_rules.native.handler import Work
from mrjax.jax_rules.native.loops import LoopForm
from mrjax.jax_rules.native.memory import Leaf
from mrjax.jax_rules.native.operation import native_operation
from mrjax.jax_rules.native.spreading import gathered_array, spread_array, spread_form

Arrays = list[Array]

PARTS_PER_CORE = 2
"""Of the work of a call, so that a core that has other work to do holds up less of it."""

SEGMENT = 32
"""Steps from one state that the adjoint keeps to the next, in long loops of large states."""

MOST_BYTES_KEPT = 2**18
"""Of the states of one register of voxels that the adjoint keeps anyhow: they fit a second-level cache."""

MOST_SCRATCH = 2**26
"""Bytes of states that the parts of an adjoint keep together."""

LEAST_OF_PART = 2**16
"""Instructions in a part at least: some 20 microseconds, in which another thread has woken up."""


class ForwardLoop(NamedTuple):
    """A loop in machine code."""

    form: LoopForm
    length: int
    n_voxels: int

    def __call__(self, *arrays: Array, n_played: Array | None = None) -> Arrays:
        """From constants, state and inputs to the state in the end and the outputs of all steps; those not played give zeros."""
        form = self.form
        results = [self.padded_shape(leaf, None) for leaf in form.carry]
        results += [self.padded_shape(leaf, self.length) for leaf in form.outputs]
        n_parts = self.n_parts(form.program)
        n_steps = self.length if n_played is None else n_played
        numbers = Work.numbers(n_steps, self.length, self.n_padded, n_parts)
        found = self.called(forward_name(form), form.given, arrays, results, numbers)
        return [self.cut(x) for x in found]

    def n_parts(self, program: ClosedJaxpr, scratch: int = 1) -> int:
        """In how many parts of the voxels so many steps of a program are done, which need bytes of scratch each."""
        n_blocks = self.n_padded // self.form.n_lanes
        worth = n_instructions(program) * self.length * n_blocks // LEAST_OF_PART
        n_cores = available_cores()
        most = PARTS_PER_CORE * n_cores if n_cores > 1 else 1
        return max(1, min(n_blocks, worth, most, MOST_SCRATCH // scratch))

    @property
    def n_padded(self) -> int:
        """Voxels that fill registers."""
        return -(-self.n_voxels // self.form.n_lanes) * self.form.n_lanes

    def called(
        self,
        name: str,
        leaves: list[Leaf],
        arrays: Any,
        results: list,
        numbers: Any,
        zeros: Any = (),
    ) -> Arrays:
        """What machine code makes of arrays; `zeros` are those of its results that are to be zero before."""
        padded = [
            self._padded(x, "edge" if i < len(self.form.given) else "constant") if leaf.of_voxels else x
            for i, (x, leaf) in enumerate(zip(arrays, leaves, strict=True))
        ]
        begin = [jnp.zeros(results[i].shape, results[i].dtype) for i in zeros]
        aliases = {1 + len(padded) + place: i for place, i in enumerate(zeros)}
        call = jax.ffi.ffi_call(name, results, input_output_aliases=aliases)
        return list(call(numbers, *padded, *begin))

    def _padded(self, array: Array, mode: str) -> Array:
        """With voxels that fill the last register: copies of the last, whose cotangents are zero."""
        more = self.n_padded - self.n_voxels
        return array if not more else jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, more)], mode=mode)

    def cut(self, array: Array) -> Array:
        """Without the voxels that fill the last register."""
        return array[..., : self.n_voxels]

    def padded_shape(self, leaf: Leaf, length: int | None) -> jax.ShapeDtypeStruct:
        """That of an array of voxels, of so many steps or of none."""
        lead = () if length is None else (length,)
        return jax.ShapeDtypeStruct((*lead, *leaf.shape[:-1], self.n_padded), self.dtype(leaf))

    def dtype(self, leaf: Leaf) -> Any:
        """That of an array."""
        return jnp.result_type(self.form.dtype, 1j) if leaf.is_complex else self.form.dtype


class NativeLoop(NamedTuple):
    """A loop in machine code, and its adjoint."""

    forward: ForwardLoop
    back: ClosedJaxpr
    plain: Callable
    """`scan` of lists of constants, state and inputs, as JAX differentiates it."""

    @classmethod
    def of(cls, form: LoopForm, length: int, n_voxels: int, plain: Callable) -> "NativeLoop":
        """With machine code that is made now, if it can be."""
        back = back_of(form)
        forward_name(form)
        adjoint_name(form, back)
        return cls(ForwardLoop(form, length, n_voxels), back, plain)

    def values(self, constants: Arrays, carry: Arrays, inputs: Arrays) -> tuple[Arrays, Arrays]:
        """The state in the end, and the outputs of all steps."""
        flat = lambda *arrays: jax.tree.leaves(self.plain(*self._parts(arrays)))
        outputs = [
            jax.ShapeDtypeStruct((self.forward.length, *x.shape), self.forward.dtype(x))
            for x in self.forward.form.outputs
        ]
        given, results = [*constants, *carry, *inputs], [*carry, *outputs]
        found = native_operation(self._forward, flat, given, results, self._spread_forward)
        return found[: len(carry)], found[len(carry) :]

    def remembering(self, *arguments: Arrays) -> tuple[tuple[Arrays, Arrays], tuple[Arrays, ...]]:
        """The same, and the arguments."""
        return self.values(*arguments), arguments

    def adjoint(self, arguments: tuple[Arrays, ...], cotangents: tuple[Arrays, Arrays]) -> tuple[Arrays, ...]:
        """The cotangents of what went in."""
        given = jax.tree.leaves(arguments)

        def flat(*arrays: Array) -> list:
            pull = jax.vjp(self.plain, *self._parts(arrays[: len(given)]))[1]
            of_carry, of_outputs = arrays[len(given) :][: len(arguments[1])], arrays[len(given) + len(arguments[1]) :]
            return jax.tree.leaves(pull((list(of_carry), list(of_outputs))))

        values = [*given, *jax.tree.leaves(cotangents)]
        found = native_operation(self._adjoint, flat, values, given, self._spread_adjoint)
        return self._parts(found)

    def _parts(self, arrays: Any) -> tuple[Arrays, ...]:
        """Constants, state and inputs."""
        form = self.forward.form
        n, m = len(form.fixed), len(form.fixed) + len(form.carry)
        return list(arrays[:n]), list(arrays[n:m]), list(arrays[m:])

    def _spread_forward(self, size: int) -> Callable[..., list]:
        """For arrays with an axis of `vmap` in front."""
        form = self.forward.form
        return self._spread(size, form.given, [*form.carry, *form.outputs], lambda loop: loop._forward)

    def _spread_adjoint(self, size: int) -> Callable[..., list]:
        form = self.forward.form
        return self._spread(size, [*form.given, *form.carry, *form.outputs], form.given, lambda loop: loop._adjoint)

    def _spread(self, size: int, given: list[Leaf], results: list[Leaf], way: Callable) -> Callable[..., list]:
        n_voxels = self.forward.n_voxels
        form = spread_form(self.forward.form, size * n_voxels)
        loop = self._replace(forward=ForwardLoop(form, self.forward.length, size * n_voxels))

        def run(*arrays: Array) -> list:
            spread = [spread_array(x, leaf, n_voxels) for x, leaf in zip(arrays, given, strict=True)]
            found = way(loop)(*spread)
            return [gathered_array(x, leaf, n_voxels) for x, leaf in zip(found, results, strict=True)]

        return run

    def _forward(self, *arrays: Array) -> list:
        return self.forward(*arrays)

    def _adjoint(self, *arrays: Array) -> list:
        loop, form, segment = self.forward, self.forward.form, self._segment()
        kept = (segment + -(-loop.length // segment), sum(leaf.n_vectors for leaf in form.carry), form.n_lanes)
        n_parts = loop.n_parts(self.back, math.prod(kept) * form.dtype.itemsize)
        lengths = [None] * (len(form.fixed) + len(form.carry)) + [loop.length] * len(form.varying)
        results = [
            loop.padded_shape(leaf, n) if leaf.of_voxels else self._sums_shape(leaf, n, n_parts)
            for leaf, n in zip(form.given, lengths, strict=True)
        ]
        scratch = jax.ShapeDtypeStruct((n_parts, *kept), form.dtype)
        leaves = [*form.given, *form.carry, *form.outputs]
        sums = {i: i for i, leaf in enumerate(form.given) if not leaf.of_voxels}
        name = adjoint_name(form, self.back)
        numbers = Work.numbers(loop.length, segment, loop.n_padded, n_parts)
        found = loop.called(name, leaves, arrays, [*results, scratch], numbers, sums)[:-1]
        return [
            loop.cut(x) if leaf.of_voxels else self._summed(x, leaf, n)
            for x, leaf, n in zip(found, form.given, lengths, strict=True)
        ]

    def _segment(self) -> int:
        """Steps from one kept state to the next: all of them where their states fit a cache."""
        form, length = self.forward.form, self.forward.length
        n_bytes = length * sum(leaf.n_vectors for leaf in form.carry) * BYTES_OF_VECTOR
        return length if n_bytes <= MOST_BYTES_KEPT else min(SEGMENT, length)

    def _sums_shape(self, leaf: Leaf, length: int | None, n_parts: int) -> jax.ShapeDtypeStruct:
        lead = () if length is None else (length,)
        form = self.forward.form
        return jax.ShapeDtypeStruct((n_parts, *lead, leaf.n_vectors, form.n_lanes), form.dtype)

    def _summed(self, lanes: Array, leaf: Leaf, length: int | None) -> Array:
        total = lanes.sum(axis=(0, -1))
        if leaf.is_complex:
            total = total[..., : leaf.n_rows] + 1j * total[..., leaf.n_rows :]
        return total.reshape(leaf.shape if length is None else (length, *leaf.shape))
