"""The public entry: a sequence, an object and coils give k-space."""

from typing import Any

from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax._memory import remembered_together
from mrjax._names import answers_misspelt_keywords
from mrjax.phantoms.phantom import Phantom
from mrjax.physics.acquisition.instant_sum import InstantSum
from mrjax.physics.acquisition.spins import checked_coils, require_positions, spins_of
from mrjax.physics.acquisition.voxel_sum import VoxelSum
from mrjax.physics.engine import AbstractEngine, require_effects_known
from mrjax.physics.execution.prepared import Options, require_samples
from mrjax.physics.gradient import AbstractGradient, Checkpoints, ForwardJacobian
from mrjax.physics.imaging.planned import AbstractPlannedSum
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.images.neighbours import warn_if_neighbours_alias
from mrjax.physics.isochromats.images.spin_sum import SpinSum
from mrjax.physics.pdg.engine import PDG
from mrjax.physics.pdg.images.graph_sum import GraphSum
from mrjax.physics.simulation import require_kind, valid_sequence
from mrjax.sequence import AbstractContainer
from mrjax.tissue import Tissue


@answers_misspelt_keywords
def acquire(
    sequence: AbstractContainer,
    tissue: Tissue | Phantom,
    *,
    coils: Any = None,
    engine: AbstractEngine | None = None,
    tolerance: float | int = 1e-5,
    batch_size: int | None = None,
    gradient: AbstractGradient | None = None,
) -> Complex[Array, "*coils n_samples"]:
    r"""What a scanner receives from a whole object: the sum over voxels of what `simulate` gives, in each coil.

    $$s_c(t) = \sum_r C_c(r)\, m(r, t)$$

    No signal of a single voxel is ever kept for all samples. Gradients turn each voxel by its position, so that the samples
    are k-space, in the order in which they are taken: `sequence.timeline().trajectory()` says where.

    **Arguments:**

    - `sequence`: A `Sequence` (or `Repeat`); any float leaf can be differentiated.
    - `tissue`: A `Tissue` of shape `(*voxels)` with positions `x`, `y`, `z` in m, or a `Phantom`, whose positions follow from its
      affine (`phantom.spins(...)` gives maps of the field, or several spins to a voxel). Voxels on a grid are much faster:
      positions of shapes such as `(nx, 1)` and `(ny,)`, or in any order where their numbers are known.
    - `coils`: Complex sensitivities `(n_coils, *voxels)`, or broadcasting to that; by default one coil that sees all alike, and
      no coil axis in what is returned.
    - `engine`: How spins answer; `Isochromats()` by default. `EPG(...)` and `BlochMcConnell(...)` as well.
    - `tolerance`: The largest error of a sample relative to the largest sample, besides rounding. Zero computes every spin at
      every sample, which is slower by one to three orders of magnitude. Samples of a readout are encoded together otherwise:
      decay and off-resonance during a readout are interpolated in time, and sums over a grid are products of matrices.
    - `batch_size`: Voxels computed at once. By default as many as stay in the cache of a CPU, or as fit the memory of other
      devices.
    - `gradient`: How derivatives are computed, if any are: `mrjax.gradient.Checkpoints()` (the default) or
      `mrjax.gradient.Direct()`, which stores all that is computed.

    **Returns:**

    Complex signal, `(n_coils, n_samples)` or `(n_samples,)`, in units of `m0`.

    Differentiable, forward and reverse, in tissue, coils and sequence; memory stays that of a batch. Where the sequence is traced
    (inside `jit`, or differentiated) samples are computed as with `tolerance=0`. Where the tissue is traced, off-resonance up to
    500 Hz and T2 down to 5 ms are taken to be all there is, and an error says where that does not hold. Outside `jit` a call
    runs on all cores of a CPU.

    **Raises:** `ValueError` as `simulate`, where the tissue has no positions though gradients are played, or where `coils` do not
    fit. Warns where magnetisation is wound by whole turns from one spin of a grid to the next when samples are taken, which
    looks unwound then, and says how many spins would do.

    **Source:** the Bloch equations, summed; `physics/imaging/expansion.py` bounds what interpolation in time leaves out.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms, us
        >>> line = mr.Gradient.trapezoid(10e-3, rise=0.1 * ms, flat=1.28 * ms, axis="x")
        >>> readout = mr.Together(line, mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(64, 20 * us)))
        >>> sequence = mr.Sequence(mr.Pulse(90 * deg), readout)
        >>> tissue = mr.Tissue(t1=1.0, t2=0.1, x=[-0.5e-3, 0.0, 0.5e-3])
        >>> mr.acquire(sequence, tissue).shape
        (64,)
        >>> mr.acquire(sequence, tissue, coils=[[1.0, 1.0, 1.0], [0.5, 1.0, 2j]]).shape
        (2, 64)

        ```
    """
    engine = Isochromats() if engine is None else engine
    gradient = Checkpoints() if gradient is None else gradient
    _check_options(sequence, tissue, engine, gradient, tolerance)
    if batch_size is not None:
        batch_size = _checks.positive_integer(batch_size, "batch_size")
    spins = spins_of(tissue)
    sensitivities = None if coils is None else checked_coils(coils, spins.voxel_shape)
    options = Options(engine, gradient, batch_size, None, keeps_state=False)
    if options.are_known:
        plan = _planned_once(sequence, spins, options, float(tolerance))
    else:
        plan = _planned(sequence, spins, options, float(tolerance))
    signal = plan(spins, sensitivities)
    return signal[0] if coils is None else signal


def _planned(sequence: AbstractContainer, spins: Tissue, options: Options, tolerance: float) -> AbstractPlannedSum:
    """How the sum is computed."""
    engine, sequence = options.engine, valid_sequence(sequence)
    spins = spins.checked()
    require_effects_known(engine, spins)
    require_samples(sequence)
    require_positions(sequence, spins)
    if isinstance(engine, Isochromats):
        sized, _, rows = engine.in_rows(sequence, spins, None, always=True)
        if rows is not None:
            warn_if_neighbours_alias(rows, spins, engine)
            return SpinSum.of(sized, rows, spins, tolerance, options)
        return VoxelSum.of(engine, sequence, options)
    kind = GraphSum if isinstance(engine, PDG) else InstantSum
    found = kind.of(engine, sequence, spins, tolerance, options)  # pyright: ignore[reportArgumentType]
    if found is not None:
        return found
    return VoxelSum.of(engine, sequence, options)


_planned_once = remembered_together(_planned)


def _check_options(sequence: Any, tissue: Any, engine: Any, gradient: Any, tolerance: Any) -> None:
    require_kind(sequence, AbstractContainer, "sequence")
    if not isinstance(tissue, Phantom):
        require_kind(tissue, Tissue, "tissue")
    require_kind(engine, AbstractEngine, "engine")
    require_kind(gradient, AbstractGradient, "gradient")
    if isinstance(gradient, ForwardJacobian):
        raise ValueError(
            "`gradient` must be Checkpoints() or Direct(): a Jacobian for each voxel is no smaller for a sum over voxels."
        )
    known = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not known or not 0 <= tolerance < 1:
        raise ValueError(
            f"`tolerance` must be a number from 0 to below 1, of the largest sample, but got {tolerance!r}."
        )
