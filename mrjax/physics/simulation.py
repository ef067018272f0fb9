"""The public entry: a sequence, a tissue and an engine give signals."""

from typing import Any

from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax._memory import remembered, remembered_together
from mrjax._names import answers_misspelt_keywords
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.epg.engine import EPG
from mrjax.physics.execution.distinct import checked_mask
from mrjax.physics.execution.prepared import Options, PreparedCall
from mrjax.physics.gradient import AbstractGradient, Checkpoints
from mrjax.sequence import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.labels import without_notes
from mrjax.sequence.walk import validated
from mrjax.tissue import Tissue


@answers_misspelt_keywords
def simulate(
    sequence: AbstractContainer,
    tissue: Tissue,
    engine: AbstractEngine | None = None,
    *,
    batch_size: int | None = None,
    gradient: AbstractGradient | None = None,
    mask: Any = None,
) -> Complex[Array, "*voxels n_samples"]:
    r"""The signal of every voxel at every `Sample` of a sequence, from thermal equilibrium.

    **Arguments:**

    - `sequence`: A `Sequence` (or `Repeat`); any float leaf can be differentiated.
    - `tissue`: Tissue parameters of shape `(*voxels)`; any leaf can be differentiated.
    - `engine`: How spins answer: `EPG(...)` (the default, exact), `Isochromats(...)`, or
      `BlochMcConnell(...)` where the tissue has pools or RF lasts.
    - `batch_size`: Voxels computed at once. By default as many as stay in the cache of a CPU, or all on other devices. With
      it sizes are exact: nothing is rounded up, and every new size compiles.
    - `gradient`: How derivatives are computed, if any are: `mrjax.gradient.Checkpoints()` (the default),
      `mrjax.gradient.ForwardJacobian()` for losses over few tissue parameters, `mrjax.gradient.Direct()`.

    - `mask`: Where to simulate: booleans of the voxel shape, or broadcasting to it, known before compiling. Outside the signal
      is zero, and values of the tissue are neither checked nor used. By default everywhere, but where `m0` is known to be
      zero.

    **Returns:**

    Complex signal of shape `(*voxels, n_samples)`, in units of `m0`. Computed in the widest of the dtypes of `sequence`
    and `tissue`: float32 gives complex64.

    Works under `jit`, `vmap`, `grad` and `jvp`; reverse mode stores about the square root of the number of states. New
    values do not recompile, and new numbers of voxels and repetitions near those before do not outside `jit`, where they are
    rounded up to few; effects that were absent before do. Voxels that differ in `m0` alone are simulated once. For few
    parameters per voxel `mrjax.inverse.per_voxel_jacobian` costs less than reverse mode.

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
        >>> brain = jnp.array([True, False])
        >>> mr.simulate(fid, mr.Tissue(t1=1.0, t2=jnp.array([0.05, 0.1])), mask=brain).imag.round(3).tolist()
        [[-0.81...], [0.0]]

        ```
    """
    prepared = _prepared(sequence, tissue, engine, None, batch_size, gradient, mask, keeps_state=False)
    signal, state = prepared.run()
    if _checks.is_concrete(signal):
        prepared.plan.engine.report(prepared.plan.sequence, state)
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
    mask: Any = None,
) -> tuple[Complex[Array, "*voxels n_samples"], State]:
    """As `simulate`, but from a given state, and with the final state, so that long experiments are played in parts.

    **Arguments:**

    - `sequence`, `tissue`, `engine`, `batch_size`, `gradient`, `mask`: As for `simulate`; where `m0` is zero voxels are played
      all the same, for a state is relative to it. Outside of `mask` the state is zero.
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
    prepared = _prepared(sequence, tissue, engine, state, batch_size, gradient, mask, keeps_state=True)
    signal, state = prepared.run()
    return signal, prepared.whole_state(state)


def _prepared(sequence, tissue, engine, state, batch_size, gradient, mask, keeps_state) -> PreparedCall:
    """Checked and planned; what was found is remembered for the same sequence and tissue."""
    require_kind(sequence, AbstractContainer, "sequence")
    require_kind(tissue, Tissue, "tissue")
    engine, gradient = EPG() if engine is None else engine, Checkpoints() if gradient is None else gradient
    require_kind(engine, AbstractEngine, "engine")
    require_kind(gradient, AbstractGradient, "gradient")
    if batch_size is not None:
        batch_size = _checks.positive_integer(batch_size, "batch_size")
    if mask is not None:
        mask = checked_mask(mask, tissue.voxel_shape)
    options = Options(engine, gradient, batch_size, mask, keeps_state)
    if state is None and options.are_known:
        return _prepared_once(sequence, tissue, options)
    return PreparedCall.of(valid_sequence(sequence), tissue, options, state)


@remembered_together
def _prepared_once(sequence: AbstractContainer, tissue: Tissue, options: Options) -> PreparedCall:
    return PreparedCall.of(valid_sequence(sequence), tissue, options, None)


@remembered
def valid_sequence(sequence: AbstractContainer) -> AbstractContainer:
    """A sequence whose events are checked, without labels and annotations."""
    return without_notes(validated(as_sequence(sequence)))


def require_kind(value: Any, kind: type, name: str) -> None:
    """Refuse an argument of another kind than is due."""
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
