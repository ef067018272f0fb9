"""Coupled spins against closed forms, product operators and averages over phases."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.signals import spectroscopy
from mrjax.signals.spectroscopy import SpinSystem
from mrjax.units import GAMMA_BAR

B0, DWELL, N = 3.0, 5e-4, 64
TIMES = DWELL * np.arange(N)
PER_PPM = GAMMA_BAR["1H"] * 1e-6 * B0


def pair(difference, coupling):
    """Two spins, so many Hz apart about the reference."""
    shifts = 4.65 + difference / 2 / PER_PPM * jnp.array([1.0, -1.0])
    return SpinSystem(shifts, jnp.array([[0.0, 1.0], [0.0, 0.0]]) * coupling)


ODD = SpinSystem([4.9, 4.3, 4.1], [[0, 7.0, -12.0], [0, 0, 3.0], [0, 0, 0]])
"""Coupled strongly, and no two spins alike."""


def operator(n, spin, axis):
    one = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]]}
    factors = [np.array(one[axis]) / 2 if i == spin else np.eye(2) for i in range(n)]
    return functools.reduce(np.kron, factors)


def total(n, axis):
    return sum(operator(n, spin, axis) for spin in range(n))


def energies(system):
    return spectroscopy.hamiltonian(system, jnp.array(B0), jnp.array(4.65))


def test_the_hamiltonian_is_that_of_product_operators():
    expected = sum(PER_PPM * (shift - 4.65) * operator(3, i, "z") for i, shift in enumerate(np.asarray(ODD.shifts_ppm)))
    for i, j in itertools.combinations(range(3), 2):
        product = sum(operator(3, i, axis) @ operator(3, j, axis) for axis in "xyz")
        expected = expected + float(ODD.couplings[i, j]) * product
    np.testing.assert_allclose(energies(ODD), expected.real, rtol=1e-12, atol=1e-12)


def test_a_weakly_coupled_pair_is_two_doublets():
    """AX: lines at each shift plus and minus J / 2, of equal height, to the second order of J over the difference."""
    difference, coupling = 40_000.0, 8.0
    fid = spectroscopy.pulse_acquire(pair(difference, coupling), DWELL, N)
    lines = [sign * difference / 2 + half for sign in (1, -1) for half in (coupling / 2, -coupling / 2)]
    expected = sum(0.5 * np.exp(2j * np.pi * line * TIMES) for line in lines)
    np.testing.assert_allclose(fid, expected, atol=1e-3)


def test_a_strongly_coupled_pair_is_the_quartet_of_the_closed_form():
    """AB: lines at (+-D +- J) / 2 with heights 1 -+ J / D, where D^2 is the sum of the squares of difference and J."""
    difference, coupling = 15.0, 9.0
    root = math.hypot(difference, coupling)
    expected = 0
    for side, half in itertools.product((1, -1), repeat=2):
        line = (side * root + half * coupling) / 2
        height = (1 - side * half * coupling / root) / 2
        expected = expected + height * np.exp(2j * np.pi * line * TIMES)
    fid = spectroscopy.pulse_acquire(pair(difference, coupling), DWELL, N)
    np.testing.assert_allclose(fid, expected, atol=1e-10)


@pytest.mark.parametrize("te", [0.02, 0.07, 0.144])
def test_an_echo_refocuses_shifts_and_not_couplings(te):
    difference, coupling = 40_000.0, 6.9
    first = spectroscopy.spin_echo(pair(difference, coupling), te, DWELL, N)[0]
    np.testing.assert_allclose(first, 2 * np.cos(np.pi * coupling * te), atol=2e-3)
    alone = spectroscopy.press(pair(difference, 0.0), te / 4, te * 3 / 4, DWELL, N)
    np.testing.assert_allclose(alone, spectroscopy.pulse_acquire(pair(difference, 0.0), DWELL, N), atol=1e-9)


@pytest.mark.exhaustive
def test_equivalent_spins_do_not_show_their_coupling():
    """Nor are derivatives lost where levels are equal."""
    both = lambda coupling: spectroscopy.press(pair(0.0, coupling), 0.01, 0.02, DWELL, N)
    value, derivative = jax.jvp(both, (jnp.array(9.0),), (jnp.array(1.0),))
    np.testing.assert_allclose(value, 2.0, atol=1e-10)
    np.testing.assert_allclose(derivative, 0.0, atol=1e-10)


@pytest.mark.slow
def test_the_doublet_of_lactate_turns_over_and_comes_back(reference_data):
    (lactate,) = mr.io.read_spin_systems(reference_data("mrs/fida_spin_systems.json"))["Lac"]
    echoes = [spectroscopy.press(lactate, te / 2, te / 2, DWELL, 2048) for te in (0.144, 0.288)]
    shifts = spectroscopy.chemical_shifts(2048, DWELL)
    broad = np.exp(-np.pi * 4 * DWELL * np.arange(2048))
    near = (shifts > 1.2) & (shifts < 1.45)
    inverted, refocused = (np.asarray(spectroscopy.spectrum(each * broad, DWELL)).real[near] for each in echoes)
    area = [2 * float(each.sum() / (2048 * DWELL)) for each in (inverted, refocused)]
    np.testing.assert_allclose(area, [-3.0, 3.0], rtol=0.1)  # but for what the lines have beyond
    highest = shifts[near][np.argsort(refocused)[-1]]
    assert abs(abs(highest - 1.3142) * PER_PPM - 6.933 / 2) < 1 / (2048 * DWELL)


def test_other_nuclei_split_lines_and_are_silent():
    system = SpinSystem([4.65, 4.65], [[0, 10.0], [0, 0]], is_observed=(True, False))
    fid = spectroscopy.pulse_acquire(system, DWELL, N)
    np.testing.assert_allclose(fid, np.cos(np.pi * 10 * TIMES), atol=1e-12)
    far = SpinSystem([4.65, 900.0], [[0, 10.0], [0, 0]], is_observed=(True, False))
    np.testing.assert_allclose(spectroscopy.spin_echo(far, 0.03, DWELL, N)[0], 1.0, atol=1e-12)  # refocused


def test_evolution_and_pulses_keep_what_they_must():
    density = spectroscopy.rotated(spectroscopy.equilibrium(ODD), ODD, jnp.array([0.7, 1.9, 2.8]), 0.4)
    later = spectroscopy.evolved(density, energies(ODD), jnp.array(0.083))
    for matrix in (density, later):
        np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-12)
        np.testing.assert_allclose(jnp.trace(matrix), 0.0, atol=1e-12)
        np.testing.assert_allclose(jnp.trace(matrix @ matrix), 3 * 2**3 / 4, rtol=1e-10)
    z = total(3, "z")
    np.testing.assert_allclose(jnp.trace(later @ z), jnp.trace(density @ z), atol=1e-10)


def test_pulses_turn_as_everywhere_in_the_package():
    one = SpinSystem([4.65])
    density = spectroscopy.rotated(spectroscopy.equilibrium(one), one, jnp.array([math.pi / 2]))
    at_once = spectroscopy.free_induction_decay(density, one, energies(one), jnp.array(DWELL), 1)
    np.testing.assert_allclose(at_once, -1j, atol=1e-12)  # 90 degrees about +x take +z to -y
    above = spectroscopy.pulse_acquire(SpinSystem([4.65 + 100 / PER_PPM]), DWELL, N)
    np.testing.assert_allclose(above, np.exp(2j * np.pi * 100 * TIMES), atol=1e-10)


def test_orders_are_selected_as_by_an_average_over_phases():
    """The stimulated echo, where windings of 8 gradients in each of three gaps are summed by hand."""
    turn = lambda density, angle: density * np.exp(-1j * angle * np.subtract.outer(Z, Z))
    Z = np.diag(total(3, "z"))
    levels, te, tm = energies(ODD), 0.03, 0.017
    pulse = lambda density, angle: spectroscopy.rotated(density, ODD, jnp.full(3, angle), math.pi / 2)
    start = pulse(spectroscopy.equilibrium(ODD), math.pi / 2)
    before = spectroscopy.evolved(start, levels, jnp.array(te / 2))
    angles, summed = 2 * np.pi * np.arange(8) / 8, 0
    for about in angles:  # the same gradient in both halves of TE
        within = pulse(turn(before, about), -math.pi / 2)
        within = sum(turn(within, spoil) for spoil in angles) / 8
        within = spectroscopy.evolved(within, levels, jnp.array(tm))
        summed = summed + turn(pulse(within, math.pi / 2), about) / 8
    after = spectroscopy.evolved(summed, levels, jnp.array(te / 2))
    by_hand = spectroscopy.free_induction_decay(after, ODD, levels, jnp.array(DWELL), 9)
    np.testing.assert_allclose(spectroscopy.steam(ODD, te, tm, DWELL, 9), by_hand, atol=1e-12)


def test_editing_leaves_what_is_coupled_to_the_edited(reference_data):
    three = SpinSystem([3.0, 1.9, 2.3], [[0, 7.3, 0], [0, 0, 0], [0, 0, 0]])
    strong = functools.partial(spectroscopy.mega_press, three, 0.014, 0.054, b0=30.0, dwell_time=DWELL, n_points=1)
    edited, other = (strong(editing_ppm=ppm, editing_width_ppm=0.2)[0] for ppm in (1.9, 7.5))
    # the edited proton is wound away, its neighbour is refocused; elsewhere both are modulated
    np.testing.assert_allclose(edited, 2.0, atol=0.02)
    np.testing.assert_allclose(other, 1 + 2 * np.cos(np.pi * 7.3 * 0.068), atol=0.02)


@pytest.mark.exhaustive
def test_derivatives_are_those_of_differences():
    weights = jnp.exp(1j * jnp.arange(16.0))

    def measured(shifts, coupling, te, dwell):
        system = SpinSystem(shifts, ODD.couplings * coupling)
        return jnp.real(jnp.sum(weights * spectroscopy.spin_echo(system, 3 * te, dwell, 16)))

    at = (ODD.shifts_ppm, jnp.array(1.1), jnp.array(0.01), jnp.array(1e-3))
    loss = jax.jit(measured)
    along = (jnp.array([1e-3, -2e-3, 3e-3]), jnp.array(0.02), jnp.array(1e-5), jnp.array(1e-6))
    _, forward = jax.jvp(loss, at, along)
    reverse = sum(jnp.vdot(g, d) for g, d in zip(jax.grad(loss, (0, 1, 2, 3))(*at), along, strict=True))
    moved = lambda sign: loss(*(a + sign * 1e-4 * d for a, d in zip(at, along, strict=True)))
    difference = (moved(1) - moved(-1)) / 2e-4
    np.testing.assert_allclose(forward, difference, rtol=1e-6)
    np.testing.assert_allclose(reverse, difference, rtol=1e-6)


@pytest.mark.exhaustive
def test_many_couplings_at_once_and_in_single_precision():
    couplings = jnp.array([2.0, 5.0, 8.0])
    many = jax.vmap(lambda coupling: spectroscopy.pulse_acquire(pair(15.0, coupling), DWELL, N))(couplings)
    np.testing.assert_allclose(many[1], spectroscopy.pulse_acquire(pair(15.0, 5.0), DWELL, N), atol=1e-10)
    with jax.enable_x64(False):
        low = SpinSystem(np.float32([4.9, 4.3, 4.1]), np.asarray(ODD.couplings, np.float32))
        single = spectroscopy.spin_echo(low, 0.035, DWELL, N)
    assert single.dtype == jnp.complex64
    np.testing.assert_allclose(single, spectroscopy.spin_echo(ODD, 0.035, DWELL, N), atol=3e-5)


def test_all_metabolites_of_the_file_have_their_protons(reference_data):
    systems = mr.io.read_spin_systems(reference_data("mrs/fida_spin_systems.json"))
    assert len(systems) == 34
    one = {"Gly": systems["Gly"], "PCh": (systems["PCh"][1],)}
    rows = spectroscopy.basis(one, functools.partial(spectroscopy.pulse_acquire, dwell_time=DWELL, n_points=4))
    np.testing.assert_allclose(rows[:, 0], [2.0, 9.0], rtol=1e-12)
    assert systems["Ch"][0].is_observed == (True, True, True, False)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(
        ValueError, match=r"`couplings` must have shape \(2, 2\), as there are 2 shifts, but got \(3, 3\)"
    ):
        SpinSystem([1.0, 2.0], np.zeros((3, 3)))
    with pytest.raises(ValueError, match="`couplings` must be zero below the diagonal, or as above it"):
        SpinSystem([1.0, 2.0], [[0, 7.0], [6.0, 0]])
    with pytest.raises(ValueError, match="`couplings` must be zero on the diagonal"):
        SpinSystem([1.0, 2.0], [[1.0, 7.0], [7.0, 0]])
    with pytest.raises(ValueError, match="`te2` must not be shorter than `te1`"):
        spectroscopy.mega_press(ODD, 0.05, 0.02, 1.9, 1.0, DWELL, 4)
    with pytest.raises(ValueError, match="`te` must not be negative"):
        spectroscopy.spin_echo(ODD, -0.05, DWELL, 4)
    path = tmp_path / "systems.json"
    path.write_text('{"Lac": [{"shifts_ppm": [1.3, 4.1]}]}')
    with pytest.raises(mr.io.FileError, match=r"Lac\[0\]: must be an object with `shifts_ppm` and `J_Hz`; add them"):
        mr.io.read_spin_systems(path)
    path.write_text('{"Lac": [{"shifts_ppm": [1.3, 4.1], "J_Hz": [[0, 7]]}]}')
    with pytest.raises(mr.io.FileError, match=r"Lac\[0\]: `couplings` must have shape \(2, 2\)"):
        mr.io.read_spin_systems(path)
    with pytest.raises(mr.io.FileError, match=r"does not exist or is no file"):
        mr.io.read_spin_systems(tmp_path / "absent.json")
