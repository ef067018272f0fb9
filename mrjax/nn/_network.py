"""All that a network holds, as arrays by name: its weights, running statistics, and the state of its random numbers."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PyTree


def parted(network: nnx.Module) -> tuple[nnx.GraphDef, PyTree, PyTree]:
    """The structure of a network, its weights, and its other state, such as running statistics and random numbers."""
    nnx.pop(network, nnx.Intermediate)  # what a call notes for its user is no state: it grows from call to call
    graph, weights, other = nnx.split(network, nnx.Param, ...)
    return graph, nnx.to_pure_dict(weights), nnx.to_pure_dict(other)


def joined(graph: nnx.GraphDef, weights: PyTree, other: PyTree) -> Any:
    """The network that `parted` took apart, with these arrays."""
    return nnx.merge(graph, nnx.State(weights), nnx.State(other))


def beside_weights(network: nnx.Module, known: PyTree) -> PyTree:
    """The state other than weights, of the names that `known` has."""
    names = {path for path, _ in nnx.to_flat_state(nnx.State(known))}
    return nnx.to_pure_dict(nnx.state(network, lambda path, value: path in names))


def plain(state: PyTree) -> PyTree:
    """The same arrays with the bits of random keys in the place of keys, as files can hold them."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def with_keys(state: PyTree, like: PyTree) -> PyTree:
    """What `plain` made numbers of, with keys again where `like` has them."""
    key = lambda bits, as_this: jax.random.wrap_key_data(bits, impl=jax.random.key_impl(as_this))
    return jax.tree.map(lambda leaf, as_this: key(leaf, as_this) if _is_key(as_this) else leaf, state, like)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
