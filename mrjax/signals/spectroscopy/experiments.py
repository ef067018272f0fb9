"""What spectroscopists play on coupled spins, with ideal pulses."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.signals.spectroscopy.density_matrix import (
    Matrix,
    equilibrium,
    evolved,
    free_induction_decay,
    hamiltonian,
    of_order,
    rotated,
)
from mrjax.signals.spectroscopy.spin_system import SpinSystem

WATER_PPM = 4.65
"""Chemical shift of water in the body, to which scanners tune."""

X, Y = 0.0, math.pi / 2
"""Phases of pulses about +x and +y; one of 90 degrees about +y takes the magnetisation from +z to +x."""


def pulse_acquire(
    system: SpinSystem,
    dwell_time: Any,
    n_points: int,
    b0: Any = 3.0,
    *,
    flip_angle: Any = math.pi / 2,
    reference_ppm: Any = WATER_PPM,
) -> Complex[Array, " n"]:
    r"""One pulse about +y, then the signal.

    **Arguments:**

    - `system`: A `SpinSystem`, in equilibrium.
    - `dwell_time`: Between two points in s. Positive.
    - `n_points`: Of the signal.
    - `b0`: Field in T. Positive.
    - `flip_angle`: In rad.
    - `reference_ppm`: Chemical shift that gives the frequency zero.

    **Returns:** $M_x + i M_y$ without relaxation, shape `(n_points,)`; each proton gives 1 after a pulse of 90 degrees.

    **Error:** of rounding alone. Works inside `jit` and `vmap`; differentiable everywhere, in shifts, couplings and times.

    **Raises:** `ValueError` where times or the field are not positive.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem, pulse_acquire
        >>> doublet = SpinSystem([4.65, 9.0], [[0, 10.0], [0, 0]], is_observed=(True, False))
        >>> print(abs(pulse_acquire(doublet, dwell_time=0.025, n_points=5)).round(3))
        [1.    0.707 0.    0.707 1.   ]

        ```
    """
    played = _Played.at_equilibrium(system, b0, reference_ppm)
    angle = _checks.finite(_checks.real_array(flip_angle, "flip_angle"), "flip_angle")
    return played.pulse(angle).signal(dwell_time, n_points)


def spin_echo(
    system: SpinSystem,
    te: Any,
    dwell_time: Any,
    n_points: int,
    b0: Any = 3.0,
    *,
    refocusing_angle: Any = math.pi,
    reference_ppm: Any = WATER_PPM,
) -> Complex[Array, " n"]:
    r"""90 degrees, TE/2, a refocusing pulse between crushers, TE/2, then the signal from the echo on.

    **Arguments:**

    - `te`: Echo time in s. Not negative.
    - `refocusing_angle`: In rad; the pulse is about +x, along the magnetisation. The crushers select
        the coherences that it turns over.
    - others: As those of `pulse_acquire`.

    **Returns:** As `pulse_acquire`; the first point is the echo.

    **Error:** as `pulse_acquire`.

    **Raises:** `ValueError` where times are negative, or the dwell time or the field are not positive.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem, spin_echo
        >>> lactate = SpinSystem([1.3142] * 3 + [4.0974], [[0, 0, 0, 6.933]] * 3 + [[0, 0, 0, 0]])
        >>> print(f"{spin_echo(lactate, te=0.144, dwell_time=5e-4, n_points=1)[0].real:.2f}")  # turned over, of four protons
        -3.99

        ```
    """
    (te,) = _times({"te": te})
    played = _Played.at_equilibrium(system, b0, reference_ppm).pulse(math.pi / 2).order(1).delay(te / 2)
    return played.pulse(_angle(refocusing_angle), X).order(-1).delay(te / 2).signal(dwell_time, n_points)


def press(
    system: SpinSystem,
    te1: Any,
    te2: Any,
    dwell_time: Any,
    n_points: int,
    b0: Any = 3.0,
    *,
    refocusing_angle: Any = math.pi,
    reference_ppm: Any = WATER_PPM,
) -> Complex[Array, " n"]:
    r"""PRESS: 90 degrees, te1/2, refocusing, te1/2 + te2/2, refocusing, te2/2, then the signal from the second echo on.

    **Arguments:**

    - `te1`, `te2`: Echo times in s, whose sum is TE. Not negative.
    - `refocusing_angle`: In rad; the pulses are about +x, along the magnetisation. Crushers select
        the coherences that both turn over.
    - others: As those of `pulse_acquire`.

    **Returns:** As `spin_echo`. Slices are not simulated, so all spins feel all pulses.

    **Error:** as `pulse_acquire`.

    **Raises:** as `spin_echo`.

    **Source:** P. A. Bottomley, Ann N Y Acad Sci 508 (1987) 333-348.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem, press
        >>> fid = press(SpinSystem([2.008], scale=3.0), te1=0.011, te2=0.019, dwell_time=5e-4, n_points=1024)
        >>> print(f"{fid[0].real:.3f}")
        3.000

        ```
    """
    te1, te2 = _times({"te1": te1, "te2": te2})
    angle = _angle(refocusing_angle)
    played = _Played.at_equilibrium(system, b0, reference_ppm).pulse(math.pi / 2).order(-1).delay(te1 / 2)
    played = played.pulse(angle, X).order(1).delay((te1 + te2) / 2)
    return played.pulse(angle, X).order(-1).delay(te2 / 2).signal(dwell_time, n_points)


def steam(
    system: SpinSystem,
    te: Any,
    tm: Any,
    dwell_time: Any,
    n_points: int,
    b0: Any = 3.0,
    *,
    reference_ppm: Any = WATER_PPM,
) -> Complex[Array, " n"]:
    r"""STEAM: three pulses of 90 degrees, TE/2, TM and TE/2 apart, and the signal from the stimulated echo on.

    Gradients select order 1 before TM, 0 within and -1 after it: half the signal is lost, and zero-quantum coherence, which
    no gradient winds, evolves during TM.

    **Arguments:**

    - `te`: Echo time in s. Not negative.
    - `tm`: Mixing time in s. Not negative.
    - others: As those of `pulse_acquire`.

    **Returns:** As `spin_echo`; a proton gives 1/2.

    **Error:** as `pulse_acquire`.

    **Raises:** as `spin_echo`.

    **Source:** J. Frahm et al., J Magn Reson 72 (1987) 502-508.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem, steam
        >>> fid = steam(SpinSystem([2.008], scale=3.0), te=0.02, tm=0.01, dwell_time=5e-4, n_points=1024)
        >>> print(f"{abs(fid[0]):.3f}")
        1.500

        ```
    """
    te, tm = _times({"te": te, "tm": tm})
    right = math.pi / 2
    played = _Played.at_equilibrium(system, b0, reference_ppm).pulse(right).order(1).delay(te / 2)
    # about -y, so that the stimulated echo is positive
    played = played.pulse(-right).order(0).delay(tm).pulse(right).order(-1)
    return played.delay(te / 2).signal(dwell_time, n_points)


def mega_press(
    system: SpinSystem,
    te1: Any,
    te2: Any,
    editing_ppm: Any,
    editing_width_ppm: Any,
    dwell_time: Any,
    n_points: int,
    b0: Any = 3.0,
    *,
    reference_ppm: Any = WATER_PPM,
) -> Complex[Array, " n"]:
    r"""MEGA-PRESS: PRESS with two editing pulses of 180 degrees for some chemical shifts, TE/4 after the refocusing ones.

    Spins coupled to an edited one come back to phase, those coupled to no edited one do not: the difference of two such
    spectra, edited here and elsewhere, holds the former alone. Editing pulses are perfect for shifts within their width and
    absent for others; gradients about each of them wind what it turns over, water under it say, and leave the rest.

    **Arguments:**

    - `te1`, `te2`: Echo times of PRESS in s, te1 at most te2. Not negative.
    - `editing_ppm`: Where the editing pulses act; 1.9 for GABA.
    - `editing_width_ppm`: Full width of where they act, positive.
    - others: As those of `pulse_acquire`.

    **Returns:** As `spin_echo`. Edited spins themselves give no signal.

    **Error:** as `pulse_acquire`. The derivative in `editing_ppm` and its width is zero.

    **Raises:** as `spin_echo`, and where `te1` exceeds `te2`.

    **Source:** M. Mescher et al., NMR Biomed 11 (1998) 266-272.

    !!! example

        ```python
        >>> from mrjax.signals.spectroscopy import SpinSystem, mega_press
        >>> pair = SpinSystem([3.0, 1.9], [[0, 7.3], [0, 0]])
        >>> at = lambda ppm: mega_press(pair, 0.014, 0.054, ppm, 1.0, dwell_time=5e-4, n_points=1)[0].real
        >>> print(f"{at(1.9):.1f} {at(7.5):.1f}")
        1.0 -0.1

        ```
    """
    te1, te2 = _times({"te1": te1, "te2": te2})
    te2 = _checks.require(te2, te2 >= te1, "`te2` must not be shorter than `te1` (s)")
    quarter = (te1 + te2) / 4
    centre = _checks.finite(_checks.real_array(editing_ppm, "editing_ppm"), "editing_ppm")
    width = _checks.positive(_checks.real_array(editing_width_ppm, "editing_width_ppm"), "editing_width_ppm", "ppm")
    is_edited = jnp.abs(system.shifts_ppm - centre) < width / 2
    editing = jnp.where(is_edited, math.pi, 0.0).astype(system.shifts_ppm.dtype)
    played = _Played.at_equilibrium(system, b0, reference_ppm).pulse(math.pi / 2).order(-1).delay(te1 / 2)
    played = played.pulse(math.pi, X).order(1).delay(quarter).pulse(editing, X).order(1).delay(quarter)
    played = played.pulse(math.pi, X).order(-1).delay(quarter).pulse(editing, X).order(-1).delay(te2 / 2 - quarter)
    return played.signal(dwell_time, n_points)


@dataclasses.dataclass(frozen=True)
class _Played:
    """Spins, and what an experiment has made of them so far."""

    system: SpinSystem
    energies: Float[Array, "state state"]
    density: Matrix

    @classmethod
    def at_equilibrium(cls, system: SpinSystem, b0: Any, reference_ppm: Any) -> "_Played":
        field = _checks.finite(_checks.positive(_checks.real_array(b0, "b0"), "b0", "T"), "b0")
        reference = _checks.finite(_checks.real_array(reference_ppm, "reference_ppm"), "reference_ppm")
        return cls(system, hamiltonian(system, field, reference), equilibrium(system))

    def pulse(self, angles: Array | float, phase: float = Y) -> "_Played":
        each = jnp.broadcast_to(jnp.asarray(angles, self.system.shifts_ppm.dtype), (self.system.n_spins,))
        return dataclasses.replace(self, density=rotated(self.density, self.system, each, phase))

    def order(self, order: int) -> "_Played":
        return dataclasses.replace(self, density=of_order(self.density, self.system, order))

    def delay(self, time: Float[Array, ""]) -> "_Played":
        return dataclasses.replace(self, density=evolved(self.density, self.energies, time))

    def signal(self, dwell_time: Any, n_points: int) -> Complex[Array, " n"]:
        dwell = _checks.positive(_checks.real_array(dwell_time, "dwell_time"), "dwell_time", "s")
        n_points = _checks.positive_integer(n_points, "n_points")
        return free_induction_decay(self.density, self.system, self.energies, dwell, n_points)


def _times(named: dict[str, Any]) -> list[Float[Array, ""]]:
    """Times in s, checked to be finite and not negative."""
    checked = lambda name, value: _checks.non_negative(_checks.finite(value, name), name, "s")
    return [checked(name, _checks.real_array(value, name)) for name, value in named.items()]


def _angle(value: Any) -> Float[Array, ""]:
    return _checks.finite(_checks.real_array(value, "refocusing_angle"), "refocusing_angle")
