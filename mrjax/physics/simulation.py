"""The public entry: a sequence, a tissue and an engine give signals."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax._memory import remembered
from mrjax._names import answers_misspelt_keywords
from mrjax.jax_rules import on_one_cpu_device
from mrjax.physics.engine import AbstractEngine, Plan, State, require_effects_known
from mrjax.physics.epg.engine import EPG
from mrjax.physics.execution.dispatch import execute
from mrjax.physics.execution.interpreter import Simulation
from mrjax.physics.gradient import AbstractGradient, Checkpoints
from mrjax.sequence import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.labels import without_notes
from mrjax.sequence.walk import events_of, validated
from mrjax.tissue import Tissue


@answers_misspelt_keywords
def simulate(
    sequence: AbstractContainer,
    tissue: Tissue,
    engine: AbstractEngine | None = None,
    *,
    batch_size: int | None = None,
    gradient: AbstractGradient | None = None,
) -> Complex[Array, "*voxels n_samples"]:
    r"""The signal of every voxel at every `Sample` of a sequence, from thermal equilibrium.

    **Arguments:**

    - `sequence`: A `Sequence` (or `Repeat`); any float leaf can be differentiated.
    - `tissue`: Tissue parameters of shape `(*voxels)`; any leaf can be differentiated.
    - `engine`: How spins answer: `EPG(...)` (the default, exact), `Isochromats(...)`, or
      `BlochMcConnell(...)` where the tissue has pools or RF lasts.
    - `batch_size`: Voxels computed at once. By default as many as stay in the cache of a CPU, or all on other devices.
    - `gradient`: How derivatives are computed, if any are: `mrjax.gradient.Checkpoints()` (the default),
      `mrjax.gradient.ForwardJacobian()` for losses over few tissue parameters, `mrjax.gradient.Direct()`.

    **Returns:**

    Complex signal of shape `(*voxels, n_samples)`, in units of `m0`. Computed in the widest of the dtypes of `sequence`
    and `tissue`: float32 gives complex64.

    Works under `jit`, `vmap`, `grad` and `jvp`; reverse mode stores about the square root of the number of states. New
    values do not recompile; new shapes, and effects that were absent before, do. For few parameters per voxel
    `mrjax.inverse.per_voxel_jacobian` costs less than reverse mode.

    A tissue whose voxel axes are spread over devices (`jax.sharding.NamedSharding`) is played where it lies, and the signal
    is spread alike. On a CPU that is one device, a call outside `jit` runs on all cores.

    **Raises:** `ValueError` that names the event or the tissue parameter, for shapes and options at once, for traced
    values when they are known; also for a sequence without samples. Warns where the engine's discretisation is too coarse
    for the sequence; inside of `jit`, `grad` and `vmap` it cannot, and `play` gives the estimated error of
    `EPG(n_states=...)` as an output.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> fid = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Delay(10e-3), mr.Sample())
        >>> mr.simulate(fid, mr.Tissue(t1=1.0, t2=jnp.array([0.05, 0.1]))).imag.round(3).tolist()
        [[-0.81...], [-0.90...]]

        ```
    """
    signal, state, plan = _simulated(sequence, tissue, engine, None, batch_size, gradient, keeps_state=False)
    if _checks.is_concrete(signal):
        plan.engine.report(plan.sequence, state)
    return signal


@answers_misspelt_keywords
def play(
    sequence: AbstractContainer,
    tissue: Tissue,
    engine: AbstractEngine | None = None,
    *,
    state: State | None = None,
    batch_size: int | None = None,
    gradient: AbstractGradient | None = None,
) -> tuple[Complex[Array, "*voxels n_samples"], State]:
    """As `simulate`, but from a given state, and with the final state, so that long experiments are played in parts.

    **Arguments:**

    - `sequence`, `tissue`, `engine`, `batch_size`, `gradient`: As for `simulate`.
    - `state`: What an earlier `play` returned, for the same voxels; thermal equilibrium by default.

    **Returns:**

    The signal, `(*voxels, n_samples)`, and the state of the engine after the last event: an `EPGState` or
    `IsochromatState`, voxels on the last axes, relative to `m0`. Differentiable in the given state. With a slice profile, its
    positions are one more axis after those of the voxels.

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
    signal, state, _ = _simulated(sequence, tissue, engine, state, batch_size, gradient, keeps_state=True)
    return signal, state


def _simulated(sequence, tissue, engine, state, batch_size, gradient, keeps_state) -> tuple[Array, State, Plan]:
    """Check, compile and run; returns what the engine has planned as well."""
    engine = EPG() if engine is None else engine
    _require_kind(sequence, AbstractContainer, "sequence")
    _require_kind(tissue, Tissue, "tissue")
    _require_kind(engine, AbstractEngine, "engine")
    gradient = Checkpoints() if gradient is None else gradient
    _require_kind(gradient, AbstractGradient, "gradient")
    if batch_size is not None:
        batch_size = _checks.positive_integer(batch_size, "batch_size")
    sequence = _valid_sequence(sequence)
    tissue = _valid_tissue(tissue)
    require_effects_known(engine, tissue)
    plan = engine.plan(sequence, tissue, state, keeps_state)
    if not keeps_state:
        _require_samples(plan.sequence)
    plan, state = _in_one_dtype((plan, state))
    state, signal = execute(Simulation.of(plan, gradient, batch_size), plan.tissue, state)
    signal = _first(signal, plan.n_samples)
    voxels_of_each = tuple(range(len(tissue.voxel_shape), signal.ndim - 1))
    return (jnp.sum(signal, axis=voxels_of_each) if voxels_of_each else signal), state, plan


def _first(signal: Array, n_samples: int | None) -> Array:
    """The first samples; where they are known by NumPy, which compiles nothing."""
    if n_samples in (None, signal.shape[-1]):
        return signal
    if _checks.is_concrete(signal) and on_one_cpu_device():
        return jax.device_put(np.asarray(signal)[..., :n_samples])
    return signal[..., :n_samples]


@remembered
def _valid_sequence(sequence: AbstractContainer) -> AbstractContainer:
    return without_notes(validated(as_sequence(sequence)))


@remembered
def _valid_tissue(tissue: Tissue) -> Tissue:
    return tissue.checked()


def _require_samples(sequence: AbstractContainer) -> None:
    if not any(located.event.n_samples for located in events_of(sequence.events)):
        raise ValueError(
            "`sequence` has no samples, so there is no signal: put a `Sample()` or `Readout(...)` where the receiver is to "
            "record, or use `mrjax.play` for the magnetisation at the end."
        )


def _require_kind(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        due = {
            AbstractContainer: "a Sequence",
            Tissue: "a Tissue",
            AbstractEngine: "an engine such as EPG()",
            AbstractGradient: "one of mrjax.gradient, such as Checkpoints()",
        }[kind]
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
        due = jnp.result_type(real, 1j) if jnp.issubdtype(x.dtype, jnp.complexfloating) else real
        return x if x.dtype == due and not x.weak_type else x.astype(due)

    return jax.tree.map(cast, trees)
