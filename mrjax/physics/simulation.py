"""The public entry: a sequence, a tissue and an engine give signals."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax.physics import interpreter
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.epg import EPG
from mrjax.sequence import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.walk import validated
from mrjax.tissue import Tissue

CACHE_BYTES = 2**17
"""Size of the state of one chunk of voxels on a CPU: with its copies and coefficients it stays in the second-level cache."""


def simulate(
    sequence: AbstractContainer,
    tissue: Tissue,
    engine: AbstractEngine | None = None,
    *,
    batch_size: int | None = None,
) -> Complex[Array, "*voxels n_samples"]:
    r"""The signal of every voxel at every `Sample` of a sequence, from thermal equilibrium.

    **Arguments:**

    - `sequence`: A `Sequence` (or `Repeat`); any float leaf can be differentiated.
    - `tissue`: Tissue parameters of shape `(*voxels)`; any leaf can be differentiated.
    - `engine`: How spins answer: `EPG(...)` (the default, exact), `Isochromats(...)`.
    - `batch_size`: Voxels computed at once. By default as many as stay in the cache of a CPU, or all on other devices.

    **Returns:**

    Complex signal of shape `(*voxels, n_samples)`, in units of `m0`. Computed in the widest of the dtypes of `sequence`
    and `tissue`: float32 gives complex64.

    Works under `jit`, `vmap`, `grad` and `jvp`; reverse mode stores about the square root of the number of states. New
    values do not recompile; new shapes, and effects that were absent before, do. For few parameters per voxel
    `mrjax.inverse.per_voxel_jacobian` costs less than reverse mode.

    **Raises:** `ValueError` that names the event or the tissue parameter, for shapes and options at once, for traced
    values when they are known. Warns where the engine's discretisation is too coarse for the sequence.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> fid = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Delay(10e-3), mr.Sample())
        >>> mr.simulate(fid, mr.Tissue(t1=1.0, t2=jnp.array([0.05, 0.1]))).imag.round(3).tolist()
        [[-0.81...], [-0.90...]]

        ```
    """
    signal, state, engine = _simulated(sequence, tissue, engine, None, batch_size, keeps_state=False)
    if _checks.is_concrete(signal):
        engine.report(as_sequence(sequence), state)
    return signal


def play(
    sequence: AbstractContainer,
    tissue: Tissue,
    engine: AbstractEngine | None = None,
    *,
    state: State | None = None,
    batch_size: int | None = None,
) -> tuple[Complex[Array, "*voxels n_samples"], State]:
    """As `simulate`, but from a given state, and with the final state, so that long experiments are played in parts.

    **Arguments:**

    - `sequence`, `tissue`, `engine`, `batch_size`: As for `simulate`.
    - `state`: What an earlier `play` returned, for the same voxels; thermal equilibrium by default.

    **Returns:**

    The signal, `(*voxels, n_samples)`, and the state of the engine after the last event: an `EPGState` or
    `IsochromatState`, voxels on the last axes, relative to `m0`. Differentiable in the given state.

    **Raises:** as `simulate`, and `ValueError` where the state does not fit the voxels or the engine.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> tissue = mr.Tissue(t1=1.0, t2=0.1)
        >>> _, state = mr.play(mr.Sequence(mr.Pulse(3.141592653589793), mr.Delay(0.5)), tissue)
        >>> round(float(state.z[0].real), 4)
        -0.2131

        ```
    """
    signal, state, engine = _simulated(sequence, tissue, engine, state, batch_size, keeps_state=True)
    return signal, state


def _simulated(sequence, tissue, engine, state, batch_size, keeps_state) -> tuple[Array, State, AbstractEngine]:
    """Check, compile and run; returns the engine with its sizes filled in as well."""
    engine = EPG() if engine is None else engine
    _require_kind(sequence, AbstractContainer, "sequence")
    _require_kind(tissue, Tissue, "tissue")
    _require_kind(engine, AbstractEngine, "engine")
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"`batch_size` must be a positive integer, but got {batch_size!r}.")
    sequence = validated(as_sequence(sequence))
    tissue = tissue.checked()
    engine = engine.sized(sequence, tissue, state, keeps_state)
    engine, sequence, tissue, state = _in_one_dtype((engine, sequence, tissue, state))
    signal, state = _compiled(engine, sequence, tissue, state, batch_size)
    return signal, state, engine


def _require_kind(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        due = {AbstractContainer: "a Sequence", Tissue: "a Tissue", AbstractEngine: "an engine such as EPG()"}[kind]
        if isinstance(value, type):
            raise ValueError(
                f"`{name}` must be {due}, but got the class {value.__name__}; write `{value.__name__}(...)`."
            )
        raise ValueError(f"`{name}` must be {due}, but got {type(value).__name__}.")


def _in_one_dtype(trees: Any) -> Any:
    """All arrays in the widest of their dtypes; loops need one dtype throughout."""
    is_number = lambda x: eqx.is_array(x) and jnp.issubdtype(x.dtype, jnp.inexact)
    widest = jnp.result_type(*filter(is_number, jax.tree.leaves(trees)))
    real = jnp.promote_types(jnp.finfo(widest).dtype, jnp.float32)

    def cast(x):
        if not is_number(x):
            return x
        return x.astype(jnp.result_type(real, 1j) if jnp.issubdtype(x.dtype, jnp.complexfloating) else real)

    return jax.tree.map(cast, trees)


@eqx.filter_jit
def _compiled(engine, sequence, tissue, state, batch_size):
    shape = tissue.voxel_shape
    flat = tissue.flattened()
    n_voxels = math.prod(shape)
    if state is not None:
        state = jax.tree.map(lambda x: _one_voxel_axis(x, shape), engine.adopted(state, sequence, tissue))

    def played(tissue, state):
        begin = engine.init(sequence, tissue) if state is None else state
        return interpreter.run(engine, sequence, tissue, begin)

    size = batch_size or _voxels_in_cache(engine, sequence, flat, n_voxels)
    state, samples = played(flat, state) if n_voxels <= size else _in_chunks(played, flat, state, n_voxels, size)
    if samples is None:
        samples = jnp.zeros((0, n_voxels), jnp.result_type(tissue.t1, 1j))
    signal = samples * flat.m0[None] if tissue.has("m0") else samples
    state = jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *shape), state)
    return signal.T.reshape(*shape, -1 if n_voxels else signal.shape[0]), state


def _one_voxel_axis(leaf: Array, shape: tuple[int, ...]) -> Array:
    leading = leaf.shape[: leaf.ndim - len(shape)]
    if leaf.shape != (*leading, *shape):
        raise ValueError(f"`state` must have the voxel shape {shape} on its last axes, but got {leaf.shape}.")
    return leaf.reshape(*leading, -1)


def _voxels_in_cache(engine: AbstractEngine, sequence: AbstractContainer, tissue: Tissue, n_voxels: int) -> int:
    if jax.default_backend() != "cpu":
        return max(1, n_voxels)
    state = jax.tree.leaves(jax.eval_shape(engine.init, sequence, tissue))
    bytes_per_voxel = sum(leaf.size * leaf.dtype.itemsize for leaf in state) / max(1, n_voxels)
    return max(16, round(CACHE_BYTES / max(1.0, bytes_per_voxel)))


def _in_chunks(played, tissue: Tissue, state: State | None, n_voxels: int, size: int):
    """Play chunk after chunk of voxels; reverse mode recomputes a chunk instead of storing its states."""
    n_chunks = -(-n_voxels // size)
    size = -(-n_voxels // n_chunks)

    def split(leaf):
        padding = [(0, 0)] * (leaf.ndim - 1) + [(0, n_chunks * size - n_voxels)]
        chunks = jnp.pad(leaf, padding, mode="edge").reshape(*leaf.shape[:-1], n_chunks, size)
        return jnp.moveaxis(chunks, -2, 0)

    def join(chunks):
        leaf = jnp.moveaxis(chunks, 0, -2)
        return leaf.reshape(*leaf.shape[:-2], n_chunks * size)[..., :n_voxels]

    maps, same = eqx.partition((tissue, state), lambda x: eqx.is_array(x) and x.shape[-1] == n_voxels)
    chunks = jax.lax.map(jax.checkpoint(lambda chunk: played(*eqx.combine(chunk, same))), jax.tree.map(split, maps))
    return jax.tree.map(join, chunks)
