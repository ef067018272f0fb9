"""Derivatives by a Jacobian that is computed together with the value.

Reverse mode of JAX stores what every step of a program needs. Where few parameters give many outputs, it is cheaper to compute
the Jacobian in forward mode and to contract with it afterwards. This uses `jax.custom_jvp` alone, with symbolic zeros to see
which parameters are differentiated, so it is part of plain JAX as well.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, PyTree


def by_jacobian(function: Callable, voxel_axes: Callable[[Any], Any]) -> Callable:
    """`function(parameters, others)`, differentiated in `parameters` by its Jacobian: one tangent of ones for each of them.

    Exact where a voxel's outputs depend on that voxel's parameters alone; `voxel_axes(outputs)` tells the voxel axis of each
    output.
    """

    @jax.custom_jvp
    def wrapped(parameters: PyTree, others: PyTree) -> PyTree:
        return function(parameters, others)

    def rule(primals: tuple, tangents: tuple) -> tuple:
        (parameters, others), (changes, other_changes) = primals, tangents
        if any(not _is_zero(change) for change in jax.tree.leaves(other_changes, is_leaf=_is_symbolic)):
            raise ValueError(
                "`gradient=ForwardJacobian()` differentiates in the tissue alone, but the sequence, the engine or the state "
                "is differentiated too; use `gradient=Checkpoints()`."
            )
        leaves, structure = jax.tree.flatten(parameters)
        changes = jax.tree.leaves(changes, is_leaf=_is_symbolic)
        moving = [i for i, change in enumerate(changes) if not _is_zero(change)]

        def along(direction: Array) -> tuple:
            unit = [jnp.zeros_like(leaf) for leaf in leaves]
            for place, i in enumerate(moving):
                unit[i] = jnp.full_like(leaves[i], direction[place])
            return jax.jvp(lambda p: function(p, others), (parameters,), (jax.tree.unflatten(structure, unit),))

        directions = jnp.eye(len(moving), dtype=jnp.result_type(*leaves))
        outputs, jacobian = jax.vmap(along, out_axes=(None, 0))(directions)
        contract = lambda columns, output, axis: _contracted(columns, output, axis, [changes[i] for i in moving])
        return outputs, jax.tree.map(contract, jacobian, outputs, voxel_axes(outputs))

    wrapped.defjvp(rule, symbolic_zeros=True)
    return wrapped


def _contracted(columns: Array, output: Array, axis: int, changes: list[Array]) -> Array:
    """The sum over parameters of Jacobian times change, along the voxel axis of the output."""
    if not jnp.issubdtype(output.dtype, jnp.inexact):
        return columns[0]
    others = [i for i in range(output.ndim) if i != axis]
    along_voxels = lambda change: jnp.expand_dims(change, others).astype(output.dtype)
    return reduce(add, (column * along_voxels(change) for column, change in zip(columns, changes, strict=True)))


def _is_symbolic(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


def _is_zero(change: Any) -> bool:
    return _is_symbolic(change) or change.dtype == jax.dtypes.float0
