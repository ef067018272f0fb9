"""Loops in machine code as functions of arrays, and their adjoint."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array

from mrjax.jax_rules.native.evaluation import n_instructions, require_lanes
from mrjax.jax_rules.native.lanes import NotElementwise
from mrjax.jax_rules.native.loops import SEGMENT, LoopForm, adjoint, forward
from mrjax.jax_rules.native.machine import registered
from mrjax.jax_rules.native.memory import Leaf
from mrjax.jax_rules.native.operation import native_operation

Arrays = list[Array]

BYTES_OF_VECTOR = 64
"""What a vector register holds; processors with smaller ones take several."""

MOST_INSTRUCTIONS = 16_000
"""Of one step of the adjoint: more take seconds to compile."""


def form_of(program: ClosedJaxpr, n_carried: int, n_voxels: int) -> LoopForm:
    """The form of a loop, where its steps can be put into lanes."""
    n_fixed = len(program.consts)
    like = lambda avals: [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in avals]
    given, results = like([*program.consts, *program.in_avals]), like(program.out_avals)
    real = {jnp.finfo(x.dtype).dtype for x in (*given, *results) if jnp.issubdtype(x.dtype, jnp.inexact)}
    numbers = all(jnp.issubdtype(x.dtype, jnp.inexact) for x in (*given, *results))
    if not numbers or len(real) != 1 or any(x.shape and x.shape[-1] not in (1, n_voxels) for x in (*given, *results)):
        raise NotElementwise("other arrays than numbers of voxels")
    (dtype,) = real
    call = lambda *values: eval_jaxpr(program.jaxpr, values[:n_fixed], *values[n_fixed:])
    opened = jax.make_jaxpr(call)(*given)
    require_lanes(opened)
    back = jax.make_jaxpr(lambda values, cotangents: jax.vjp(call, *values)[1](cotangents))(given, results)
    if n_instructions(back) > MOST_INSTRUCTIONS:
        raise NotElementwise("too many instructions")
    leaves = [Leaf.of(x, n_voxels) for x in given]
    outputs = [Leaf.of(x, n_voxels) for x in results[n_carried:]]
    if not all(leaf.of_voxels for leaf in (*leaves[n_fixed : n_fixed + n_carried], *outputs)):
        raise NotElementwise("a state or outputs that are the same for all voxels")
    fixed, carried, varying = leaves[:n_fixed], leaves[n_fixed : n_fixed + n_carried], leaves[n_fixed + n_carried :]
    return LoopForm(opened, back, fixed, carried, varying, outputs, dtype, BYTES_OF_VECTOR // dtype.itemsize)


class Names(NamedTuple):
    """What XLA calls the two directions of a loop."""

    forward: str
    adjoint: str


_names: dict[str, Names] = {}


def names_of(form: LoopForm) -> Names:
    """The names of a loop's machine code, which is made where there is none yet."""
    text = f"{form.program} {form.back} {form[2:]}"
    if text not in _names:
        n_given, n_ends = len(form.given), len(form.carry) + len(form.outputs)
        forwards = registered(partial(forward, form), n_given, n_ends)
        _names[text] = Names(forwards, registered(partial(adjoint, form), n_given + n_ends, n_given + 1))
    return _names[text]


class NativeLoop(NamedTuple):
    """A loop in machine code, forwards and adjoint."""

    form: LoopForm
    names: Names
    length: int
    n_voxels: int
    plain: Callable
    """`scan` of lists of constants, state and inputs, as JAX differentiates it."""

    def values(self, constants: Arrays, carry: Arrays, inputs: Arrays) -> tuple[Arrays, Arrays]:
        """The state in the end, and the outputs of all steps."""
        flat = lambda *arrays: jax.tree.leaves(self.plain(*self._parts(arrays)))
        outputs = [jax.ShapeDtypeStruct((self.length, *x.shape), self._dtype(x)) for x in self.form.outputs]
        found = native_operation(self._forward, flat, [*constants, *carry, *inputs], [*carry, *outputs])
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

        found = native_operation(self._adjoint, flat, [*given, *jax.tree.leaves(cotangents)], given)
        return self._parts(found)

    def _parts(self, arrays: Any) -> tuple[Arrays, ...]:
        """Constants, state and inputs."""
        n, m = len(self.form.fixed), len(self.form.fixed) + len(self.form.carry)
        return list(arrays[:n]), list(arrays[n:m]), list(arrays[m:])

    def _forward(self, *arrays: Array) -> list:
        form = self.form
        results = [self._padded_shape(leaf, None) for leaf in form.carry]
        results += [self._padded_shape(leaf, self.length) for leaf in form.outputs]
        found = self._called(self.names.forward, form.given, arrays, results)
        return [self._cut(x) for x in found]

    def _adjoint(self, *arrays: Array) -> list:
        form = self.form
        lengths = [None] * (len(form.fixed) + len(form.carry)) + [self.length] * len(form.varying)
        results = [
            self._padded_shape(leaf, n) if leaf.of_voxels else self._sums_shape(leaf, n)
            for leaf, n in zip(form.given, lengths, strict=True)
        ]
        n_kept = SEGMENT + -(-self.length // SEGMENT)
        scratch = jax.ShapeDtypeStruct((n_kept, sum(x.n_vectors for x in form.carry), form.n_lanes), form.dtype)
        leaves = [*form.given, *form.carry, *form.outputs]
        sums = {i: i for i, leaf in enumerate(form.given) if not leaf.of_voxels}
        found = self._called(self.names.adjoint, leaves, arrays, [*results, scratch], sums)[:-1]
        return [
            self._cut(x) if leaf.of_voxels else self._summed(x, leaf, n)
            for x, leaf, n in zip(found, form.given, lengths, strict=True)
        ]

    @property
    def _n_padded(self) -> int:
        return -(-self.n_voxels // self.form.n_lanes) * self.form.n_lanes

    def _called(self, name: str, leaves: list[Leaf], arrays: Any, results: list, zeros: Any = ()) -> Arrays:
        numbers = np.array([self.length, self._n_padded], np.int32)
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
        more = self._n_padded - self.n_voxels
        return array if not more else jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, more)], mode=mode)

    def _cut(self, array: Array) -> Array:
        return array[..., : self.n_voxels]

    def _padded_shape(self, leaf: Leaf, length: int | None) -> jax.ShapeDtypeStruct:
        lead = () if length is None else (length,)
        return jax.ShapeDtypeStruct((*lead, *leaf.shape[:-1], self._n_padded), self._dtype(leaf))

    def _dtype(self, leaf: Leaf) -> Any:
        return jnp.result_type(self.form.dtype, 1j) if leaf.is_complex else self.form.dtype

    def _sums_shape(self, leaf: Leaf, length: int | None) -> jax.ShapeDtypeStruct:
        lead = () if length is None else (length,)
        return jax.ShapeDtypeStruct((*lead, leaf.n_vectors, self.form.n_lanes), self.form.dtype)

    def _summed(self, lanes: Array, leaf: Leaf, length: int | None) -> Array:
        total = lanes.sum(axis=-1)
        if leaf.is_complex:
            total = total[..., : leaf.n_rows] + 1j * total[..., leaf.n_rows :]
        return total.reshape(leaf.shape if length is None else (length, *leaf.shape))
