"""Spins in a sampled field: shaped pulses, gradients and off-resonance at once."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import _checks, units
from mrjax.jax_rules import as_one_kernel, unless_linearized
from mrjax.physics.execution import chunks, cores
from mrjax.physics.isochromats.kernel import Components, relaxed, step
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.transmit_field import TransmitField, transmit_field
from mrjax.tissue import Tissue

WORTH_A_THREAD = 2**21
"""Spins times steps that take some ten milliseconds: less is not split over cores."""


class Magnetisation(eqx.Module):
    """Magnetisation of each spin relative to M0."""

    transverse: Complex[Array, "*voxels"]
    """$M_x + i M_y$."""
    longitudinal: Float[Array, "*voxels"]


def bloch(
    b1: Any,
    duration: Any,
    tissue: Tissue,
    *,
    field_gradient: Any = 0.0,
    position: Any = 0.0,
    gyromagnetic_ratio: float = 2 * math.pi * units.GAMMA_BAR["1H"],
    start: Magnetisation | None = None,
) -> Magnetisation:
    r"""The magnetisation after a waveform, by the Bloch equations in a field that is constant over each step.

    $$\dot M = \omega \times M - \left(\frac{M_x}{T_2}, \frac{M_y}{T_2}, \frac{M_z - 1}{T_1}\right), \qquad
    \omega = (\gamma\,\mathrm{Re}\,B_1, \gamma\,\mathrm{Im}\,B_1, 2\pi\Delta f + \gamma G r)$$

    **Arguments:**

    - `b1`: Transmit field of each step in T, real or complex (the phase is that of the axis), of shape `(n_steps,)`.
    - `duration`: Of one step, in s; one positive number.
    - `tissue`: `t1`, `t2`, `off_resonance` and `b1` (relative to nominal) of each spin, of shapes that broadcast with
      `position` to `(*voxels)`.
    - `field_gradient`: In T/m; one number, or `(n_steps,)`.
    - `position`: Of each spin along the gradient, in m; its shape broadcasts with those of the tissue.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.
    - `start`: Magnetisation to begin with, `(*voxels)`; equilibrium by default.

    **Returns:** the `Magnetisation` of every spin at the end, `(*voxels)`.

    Each step is the exact rotation between two halves of exact relaxation: exact where the field is piecewise constant and
    relaxation during one step is negligible or isotropic; otherwise the error is of third order in the step per step.
    Differentiable in every array; reverse mode stores about the square root of the number of steps.

    **Raises:** `ValueError` where shapes do not fit, durations are not positive, or a tissue has `t2_prime` or `diffusion`.

    **Source:** Rodrigues' formula and Strang's splitting.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> tipped = mr.bloch(jnp.full(100, 5.87e-6), 10e-6, mr.Tissue(jnp.inf, jnp.inf))
        >>> print(f"{tipped.transverse.imag:.3f}")  # 90 degrees about x take z to -y
        -1.000

        ```
    """
    waveform = _waveform(b1, duration, field_gradient, gyromagnetic_ratio)
    spins, shape = _spins(tissue.checked(), position, start)
    n, n_parts = math.prod(shape), 1
    if all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((waveform, spins))):
        n_parts = max(1, min(cores.available_cores(), n * len(waveform.about_x) // WORTH_A_THREAD))
    play = lambda spins: _play(waveform, spins)
    x, y, z = play(spins) if n_parts == 1 else cores.on_cores(play, spins, _voxels_last, n, cores.part_size(n, n_parts))
    return Magnetisation((jnp.asarray(x) + 1j * jnp.asarray(y)).reshape(shape), jnp.asarray(z).reshape(shape))


class StepAngles(eqx.Module):
    """Angles by which each step turns: about x and y in the nominal transmit field, and about z per metre."""

    about_x: Float[Array, " step"]
    about_y: Float[Array, " step"]
    per_metre: Float[Array, " step"]
    duration: Float[Array, ""]


class Spins(eqx.Module):
    """What differs from spin to spin."""

    start: tuple[Float[Array, " spin"], Float[Array, " spin"], Float[Array, " spin"]]
    transmit: TransmitField
    position: Float[Array, " spin"]
    frequency: Float[Array, " spin"]
    t1: Float[Array, " spin"]
    t2: Float[Array, " spin"]


def _waveform(b1: Any, duration: Any, field_gradient: Any, gyromagnetic_ratio: float) -> StepAngles:
    b1 = _checks.finite(_checks.number_array(b1, "b1"), "b1")
    if b1.ndim != 1 or not b1.size:
        raise ValueError(f"`b1` must have one axis, with at least one step, but got shape {b1.shape}.")
    duration = _checks.positive(_checks.real_array(duration, "duration"), "duration", "s")
    if duration.ndim:
        raise ValueError(f"`duration` must be one number, that of every step (s), but got shape {duration.shape}.")
    slope = _checks.finite(_checks.real_array(field_gradient, "field_gradient"), "field_gradient")
    if slope.shape not in ((), b1.shape):
        raise ValueError(
            f"`field_gradient` must be one number or one for each of the {b1.size} steps (T/m), but got shape {slope.shape}."
        )
    angle = gyromagnetic_ratio * duration
    return StepAngles(b1.real * angle, b1.imag * angle, jnp.broadcast_to(slope * angle, b1.shape), duration)


def _spins(tissue: Tissue, position: Any, start: Magnetisation | None) -> tuple[Spins, tuple[int, ...]]:
    """Every spin's numbers on one axis, and the shape they had."""
    for effect in ("t2_prime", "diffusion"):
        if tissue.has(effect):
            raise ValueError(f"`bloch` knows no `{effect}`; leave it out of the tissue.")
    if tissue.moves:
        raise ValueError("`bloch` knows no velocity; use `simulate` with `Isochromats`, or leave it out.")
    if tissue.pools:
        raise ValueError("`bloch` knows no `pools`; use `simulate` with `BlochMcConnell`, or leave them out.")
    position = _checks.finite(_checks.real_array(position, "position"), "position")
    numbers = {"t1": tissue.t1, "t2": tissue.t2, "position": position}
    numbers |= {name: getattr(tissue, name) for name in ("off_resonance", "b1") if tissue.has(name)}
    numbers |= {} if start is None else {"start": start.longitudinal}
    shape = _checks.broadcast_shape(numbers)
    dtype = jnp.result_type(tissue.t1, tissue.t2, position)
    flat = lambda value: jnp.broadcast_to(jnp.asarray(value, dtype), shape).reshape(-1)
    begin = (0.0, 0.0, 1.0) if start is None else (start.transverse.real, start.transverse.imag, start.longitudinal)
    frequency = tissue.off_resonance if tissue.has("off_resonance") else 0.0
    transmit = jax.tree.map(flat, transmit_field(tissue))
    x, y, z = map(flat, begin)
    return Spins((x, y, z), transmit, *map(flat, (position, frequency, tissue.t1, tissue.t2))), shape


@eqx.filter_jit
def _play(waveform: StepAngles, spins: Spins) -> Components:
    dtype = jnp.result_type(jnp.float32, *jax.tree.leaves((waveform, spins)))
    waveform, spins = jax.tree.map(lambda leaf: leaf.astype(dtype), (waveform, spins))
    n = spins.t1.size

    def played(one_kernel: bool) -> Callable:
        size = chunks.chunk_size(3.0 * dtype.itemsize, n, one_kernel)
        return lambda waveform, spins: chunks.in_chunks(
            lambda spins: _played(waveform, spins, one_kernel), spins, _voxels_last, n, size
        )

    return unless_linearized(played(one_kernel=True), played(one_kernel=False))(waveform, spins)


def _voxels_last(outputs: tuple) -> tuple[int, ...]:
    return tuple(leaf.ndim - 1 for leaf in outputs)


def _played(waveform: StepAngles, spins: Spins, one_kernel: bool) -> Components:
    """One chunk of spins: half a step of relaxation, then rotations with whole steps between, and half a step at the end."""
    decays = lambda time: (precession.decay(time, spins.t1), precession.decay(time, spins.t2))
    per_second = 2 * jnp.pi * waveform.duration * spins.frequency
    angles = (waveform.about_x, waveform.about_y, (waveform.per_metre,), ())
    half, whole = decays(waveform.duration / 2), decays(waveform.duration)
    arguments = (spins.transmit, (spins.position,), per_second, whole)

    def steps(magnetisation: Components, angles: Any, arguments: Any) -> Components:
        play = lambda magnetisation, now: (step(magnetisation, now, *arguments), None)
        if one_kernel:
            return jax.lax.scan(play, magnetisation, angles, unroll=2)[0]
        return checkpointed_scan(jax.checkpoint(play, prevent_cse=False), magnetisation, angles, len(angles[0]))[0]

    magnetisation = relaxed(spins.start, *half)
    if len(waveform.about_x) > 1:
        before_last = jax.tree.map(lambda angle: angle[:-1], angles)
        steps = as_one_kernel(steps) if one_kernel else steps
        magnetisation = steps(magnetisation, before_last, arguments)
    last = jax.tree.map(lambda angle: angle[-1], angles)
    return step(magnetisation, last, spins.transmit, (spins.position,), per_second, half)
