"""Closed forms of relaxation: against Bloch iterations, limits, derivatives, dtypes, error sentences."""

import doctest
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly
from jax.test_util import check_grads

from mrjax.signals import _arguments, relaxation
from mrjax.units import deg, ms

INF = np.inf


# An independent Bloch simulation: vectors (x, y, z), 3x3 matrices, one isochromat at a time.


def rotation(angle, phase):
    """Right-handed rotation about the axis (cos phase, sin phase, 0), by Rodrigues' formula."""
    x, y = np.cos(phase), np.sin(phase)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def evolve(m, time, t1, t2, off_resonance=0.0):
    e1, e2 = np.exp(-time / t1), np.exp(-time / t2)
    return turn(2 * np.pi * off_resonance * time) @ (np.array([e2, e2, e1]) * m) + np.array([0, 0, 1 - e1])


def spoil(m):
    return np.array([0, 0, m[2]])


def transverse(m):
    return m[0] + 1j * m[1]


def settle(step, n):
    """The magnetisation after playing `step` so often that it no longer changes."""
    m = np.array([0, 0, 1.0])
    for _ in range(n):
        m, sample = step(m)
    return sample


def iterated_bssfp(flip, tr, t1, t2, te, off_resonance, increment, n):
    m = np.array([0, 0, 1.0])
    for k in range(n):
        m = evolve(rotation(flip, k * increment) @ m, te, t1, t2, off_resonance)
        sample = transverse(m) * np.exp(-1j * k * increment)
        m = evolve(m, tr - te, t1, t2, off_resonance)
    return sample


def iterated_spgr(flip, tr, t1, te, t2star, n):
    def step(m):
        m = rotation(flip, 0) @ spoil(m)
        return evolve(m, tr, t1, t2star), 1j * transverse(evolve(m, te, t1, t2star))

    return settle(step, n)


def iterated_inversion(time, t1, tr, inversion, excitation, n):
    def step(m):
        m = rotation(excitation, 0) @ spoil(evolve(rotation(inversion, 0.3) @ spoil(m), time, t1, 0.05))
        return evolve(m, tr - time, t1, 0.05), 1j * transverse(m)

    return settle(step, n)


def iterated_spin_echo(te, t1, t2, tr, excitation, refocusing, n):
    """Isochromats with every crusher phase; what is wound at the echo is averaged away."""
    crushers = [turn(2 * np.pi * k / 8) for k in range(8)]

    def echo(m, crusher):
        m = crusher @ evolve(rotation(excitation, 0) @ m, te / 2, t1, t2)
        return evolve(crusher @ rotation(refocusing, np.pi / 2) @ m, te / 2, t1, t2)

    def step(m):
        echoes = np.mean([echo(spoil(m), crusher) for crusher in crushers], axis=0)
        return evolve(echoes, tr - te, t1, t2), 1j * transverse(echoes)

    return settle(step, n)


def close(actual, expected, tolerance=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_iteration_follows_the_conventions():
    close(transverse(rotation(np.pi / 2, 0) @ [0, 0, 1]), -1j)
    close(transverse(rotation(np.pi / 2, np.pi / 2) @ [0, 0, 1]), 1)
    close(transverse(evolve(np.array([1, 0, 0]), 0.01, INF, INF, 25.0)), 1j)


# Closed forms against the iteration


@pytest.mark.slow
@pytest.mark.parametrize("te", [0.0, 1.3 * ms, 4 * ms])
@pytest.mark.parametrize("increment", [0.0, 0.4, np.pi, 4.0])
@pytest.mark.parametrize("off_resonance", [-180.0, 0.0, 23.0, 111.0])
def test_bssfp_is_the_steady_state(off_resonance, increment, te):
    t1, t2, tr = 0.06, 0.03, 4 * ms
    for flip in (5 * deg, 50 * deg, 140 * deg):
        expected = iterated_bssfp(flip, tr, t1, t2, te, off_resonance, increment, n=500)
        actual = relaxation.bssfp(flip, tr, t1, t2, te=te, off_resonance=off_resonance, phase_increment=increment)
        close(actual, expected[None])


def test_bssfp_samples_midway_by_default():
    arguments = {"flip_angle": 40 * deg, "tr": 6 * ms, "t1": 0.8, "t2": 0.06, "off_resonance": 17.0}
    close(relaxation.bssfp(**arguments), relaxation.bssfp(**arguments, te=3 * ms))


def test_bssfp_on_resonance():
    """The familiar real form, with the phase -i of a 90° pulse about x."""
    flip, tr, t1, t2 = 40 * deg, 5 * ms, 0.9, 0.08
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    expected = np.sin(flip) * (1 - e1) * np.sqrt(e2) / (1 - (e1 - e2) * np.cos(flip) - e1 * e2)
    close(relaxation.bssfp(flip, tr, t1, t2), [-1j * expected])


def test_bssfp_at_the_optimal_angle_gives_half_the_root_of_t2_over_t1():
    t1, t2 = 1.2, 0.3
    flip = np.arccos((t1 / t2 - 1) / (t1 / t2 + 1))
    signal = relaxation.bssfp(flip, 1e-6, t1, t2)
    close(abs(signal), [0.5 * np.sqrt(t2 / t1)], 1e-5)


def test_bssfp_is_periodic_and_shifts_with_the_phase_increment():
    tr = 5 * ms
    signal = lambda df, increment: relaxation.bssfp(
        30 * deg, tr, 1.0, 0.1, te=0.0, off_resonance=df, phase_increment=increment
    )
    off_resonance = jnp.linspace(-100.0, 100.0, 9)
    close(signal(off_resonance, np.pi), signal(off_resonance + 1 / tr, np.pi))
    close(signal(off_resonance, 0.0), signal(off_resonance + 0.5 / tr, np.pi))


@pytest.mark.parametrize("te", [0.0, 3 * ms])
@pytest.mark.parametrize("flip", [3 * deg, 20 * deg, 90 * deg, 130 * deg])
def test_spgr_is_the_steady_state(flip, te):
    expected = iterated_spgr(flip, 10 * ms, 0.25, te, 0.02, n=1000)
    actual = relaxation.spgr(flip, 10 * ms, 0.25, te=te, t2star=0.02)
    close(actual, [expected.real])
    close(expected.imag, 0)


def test_spgr_is_largest_at_the_ernst_angle():
    tr, t1 = np.array([5, 50, 2000]) * ms, np.array([0.3, 1.5])
    angle = relaxation.ernst_angle(tr, t1)
    close(angle, np.arccos(np.exp(-tr / t1[:, None])))
    for k in range(2):
        slope = jax.jvp(lambda flip, k=k: relaxation.spgr(flip, tr, t1[k]), (angle[k],), (jnp.ones(3),))[1]
        close(slope, np.zeros(3))


@pytest.mark.parametrize(("inversion", "excitation"), [(180, 90), (150, 90), (180, 20), (100, 140)])
@pytest.mark.parametrize("time", [0.0, 0.1, 0.7])
def test_inversion_recovery_is_the_steady_state(time, inversion, excitation):
    expected = iterated_inversion(time, 0.9, 1.1, inversion * deg, excitation * deg, n=200)
    actual = relaxation.inversion_recovery(time, 0.9, 1.1, inversion * deg, excitation * deg)
    close(actual, [expected.real])


def test_inversion_recovery_after_full_recovery():
    time, t1 = jnp.linspace(0, 3, 7), 0.8
    close(relaxation.inversion_recovery(time, t1), 1 - 2 * np.exp(-time / t1))
    close(relaxation.inversion_recovery(time, t1, tr=5.0), 1 - 2 * np.exp(-time / t1) + np.exp(-5 / t1))


def test_saturation_recovery_is_inversion_recovery_by_90_degrees():
    time, t1 = jnp.linspace(0, 3, 7), 0.8
    saturated = relaxation.inversion_recovery(time, t1, inversion_angle=np.pi / 2)
    close(relaxation.saturation_recovery(time, t1), saturated)
    close(relaxation.saturation_recovery(time, t1, saturation_angle=0.0), np.ones(7))


@pytest.mark.parametrize("angle", [0, 60, 90, 110])
def test_saturation_recovery_solves_bloch(angle):
    m = evolve(spoil(rotation(angle * deg, 0) @ [0, 0, 1]), 0.4, 1.1, 0.1)
    close(relaxation.saturation_recovery(0.4, 1.1, angle * deg), m[2:])


@pytest.mark.parametrize(("excitation", "refocusing"), [(90, 180), (70, 180), (90, 120), (40, 200)])
@pytest.mark.parametrize("te", [10 * ms, 0.3])
def test_spin_echo_is_the_steady_state(te, excitation, refocusing):
    expected = iterated_spin_echo(te, 0.7, 0.09, 0.5, excitation * deg, refocusing * deg, n=80)
    actual = relaxation.spin_echo(te, 0.7, 0.09, 0.5, 1.0, excitation * deg, refocusing * deg)
    close(actual, [expected.real])
    close(expected.imag, 0)


def test_spin_echo_with_ideal_pulses():
    te, t1, t2, tr = jnp.array([0.01, 0.1]), 0.9, 0.08, 0.5
    recovered = 1 - 2 * np.exp(-(tr - te / 2) / t1) + np.exp(-tr / t1)
    close(relaxation.spin_echo(te, t1, t2, tr), recovered * np.exp(-te / t2))
    close(relaxation.spin_echo(te, t1, t2), relaxation.t2_decay(te, t2))


def test_t2star_decay_turns_with_positive_off_resonance():
    te, m0 = jnp.array([0.0, 3 * ms, 20 * ms]), 1 - 2j
    expected = [transverse(evolve(np.array([1, -2, 0]), t, 1.0, 0.03, 40.0)) for t in te]
    close(relaxation.t2star_decay(te, 0.03, m0, off_resonance=40.0), expected)
    close(relaxation.t2star_decay(te, 0.03, 2.0), 2 * np.exp(-te / 0.03))


def test_t2star_is_the_decay_of_a_lorentzian_voxel():
    t2, t2_prime, te = 0.08, 0.03, 0.02
    # quantiles of the Lorentzian with half width 1 / (2 pi t2_prime)
    off_resonance = np.tan(np.pi * (np.arange(200_000) + 0.5) / 200_000 - np.pi / 2) / (2 * np.pi * t2_prime)
    voxel = np.mean(np.exp(2j * np.pi * off_resonance * te)) * np.exp(-te / t2)
    close(relaxation.t2star_decay(te, relaxation.t2star(t2, t2_prime)), [voxel.real], 1e-4)
    close(relaxation.t2star(t2, INF), t2)


@pytest.mark.exhaustive
def test_multi_exponential_is_the_sum_of_its_components(rng):
    te, m0 = jnp.array([0.0, 0.02, 0.1]), jnp.array([[2.0], [3.0]])
    t2, fractions = jnp.array([0.02, 0.08, INF]), jnp.asarray(rng.uniform(size=(2, 4, 3)))
    expected = sum(
        relaxation.t2_decay(te, t2[c], m0 * fractions[..., c]) for c in range(3)
    )  # broadcasts (2, 1) with (2, 4)
    signal = relaxation.multi_exponential(te, t2, fractions, m0)
    assert signal.shape == (2, 4, 3)
    close(signal, expected)


@pytest.mark.exhaustive
def test_b1_scales_every_angle():
    b1 = jnp.array([0.7, 1.2])
    pairs = [
        (relaxation.spgr(0.3, 0.01, 0.9, b1=b1), lambda b: relaxation.spgr(0.3 * b, 0.01, 0.9)),
        (relaxation.bssfp(0.5, 0.01, 0.9, 0.1, b1=b1), lambda b: relaxation.bssfp(0.5 * b, 0.01, 0.9, 0.1)),
        (
            relaxation.spin_echo(0.02, 0.9, 0.1, 0.4, b1=b1),
            lambda b: relaxation.spin_echo(
                0.02, 0.9, 0.1, 0.4, excitation_angle=np.pi / 2 * b, refocusing_angle=np.pi * b
            ),
        ),
        (
            relaxation.inversion_recovery(0.2, 0.9, 1.0, b1=b1),
            lambda b: relaxation.inversion_recovery(
                0.2, 0.9, 1.0, inversion_angle=np.pi * b, excitation_angle=np.pi / 2 * b
            ),
        ),
        (
            relaxation.saturation_recovery(0.2, 0.9, b1=b1),
            lambda b: relaxation.saturation_recovery(0.2, 0.9, saturation_angle=np.pi / 2 * b),
        ),
    ]
    for scaled, one in pairs:
        close(scaled, jnp.stack([one(b) for b in b1]))


@pytest.mark.slow
def test_spgr_is_what_the_reference_object_holds(reference_data):
    """45 voxels of the QIBA digital reference object: variable flip angles, noise of known deviation."""
    path = reference_data("osipi_vfa_t1/t1_quiba_data.csv")
    for label, *columns in np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str):
        flip, tr, noisy, r1, m0 = (np.array(column.split(), float) for column in columns)
        sigma = float(label.split()[4])
        signal = relaxation.spgr(flip * deg, tr, 1 * ms / r1[0], m0=m0[0])
        assert np.sqrt(np.mean((signal - noisy) ** 2)) < 2 * sigma, label  # signals reach 500 sigma


# Singular points: the values and derivatives of the limit


def everything(tr=0.02, t1=0.9, t2=0.08, flip=0.4, time=0.01):
    """Every function on the same few numbers, as a dictionary of real arrays."""
    free = relaxation.t2star_decay(time, relaxation.t2star(t2, t2), off_resonance=9.0)
    balanced = relaxation.bssfp(flip, 0.02, t1, t2, off_resonance=7.0)
    return {
        "t2_decay": relaxation.t2_decay(time, t2),
        "t2star_decay": jnp.stack([free.real, free.imag]),
        "multi_exponential": relaxation.multi_exponential(time, jnp.stack([t2, 0.01]), [0.3, 0.7]),
        "spin_echo": relaxation.spin_echo(time, t1, t2, tr, 1.0, flip, 2 * flip),
        "inversion_recovery": relaxation.inversion_recovery(time, t1, tr, 2 * flip, flip),
        "saturation_recovery": relaxation.saturation_recovery(time, t1, flip),
        "spgr": relaxation.spgr(flip, tr, t1, time, t2),
        "ernst_angle": relaxation.ernst_angle(tr, t1),
        "bssfp": jnp.stack([balanced.real, balanced.imag]),
    }


REGULAR = {"tr": 0.02, "t1": 0.9, "t2": 0.08, "flip": 0.4, "time": 0.01}
SINGULAR = [("tr",), ("t1",), ("t2",), ("tr", "t1"), ("tr", "t2")]

# One compilation for all points. Values known to be 1e30 s would also raise the warning of milliseconds.
COMPUTE = {
    "value": jax.jit(lambda leaves: everything(**leaves)),
    "forward": compiled_quickly(jax.jacfwd(lambda leaves: everything(**leaves))),
    "reverse": compiled_quickly(jax.jacrev(lambda leaves: everything(**leaves))),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", COMPUTE)
@pytest.mark.parametrize("infinite", SINGULAR, ids="+".join)
def test_infinite_times_are_limits(infinite, mode):
    """Value and derivatives at infinity are those at times so long that the rest is below rounding."""
    at_infinity = COMPUTE[mode](REGULAR | dict.fromkeys(infinite, INF))
    # an infinite tr means full recovery, however long t1
    long = {"tr": 1e60, "t1": 1e30, "t2": 1e30}
    limit = COMPUTE[mode](REGULAR | {name: long[name] for name in infinite})
    compare = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    jax.tree.map(compare, at_infinity, limit)


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("flip", [0.0, np.pi / 2, np.pi, 2 * np.pi])
@pytest.mark.parametrize("t1", [0.9, INF])
def test_derivatives_are_finite_at_special_angles(t1, flip, mode):
    derivatives = COMPUTE[mode](REGULAR | {"flip": flip, "t1": t1})
    for path, derivative in jax.tree_util.tree_leaves_with_path(derivatives):
        assert np.isfinite(derivative).all(), path


@pytest.mark.slow
@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_derivatives_are_finite_where_everything_has_decayed(jacobian):
    """1 / T^2 overflows there, and the exponential is zero."""
    f = lambda t1, t2: relaxation.spin_echo(0.01, t1, t2, 1.0)
    for derivative in jacobian(f, argnums=(0, 1))(1e-200, 1e-200):
        assert np.isfinite(derivative).all()


@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_t2star_without_any_dephasing_has_finite_derivatives(jacobian):
    assert relaxation.t2star(INF, INF) == INF
    close(jacobian(relaxation.t2star, argnums=(0, 1))(INF, INF), (0, 0))
    close(jacobian(relaxation.t2star, argnums=(0, 1))(0.1, INF), (1, 0))


# Derivatives against finite differences


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(everything()))
def test_derivatives_match_finite_differences(name):
    # arguments of order one: finite differences in seconds would lose digits for those of some milliseconds
    f = jax.jit(lambda x: everything(**{key: REGULAR[key] * x[key] for key in x})[name])
    check_grads(f, (dict.fromkeys(REGULAR, jnp.array(1.0)),), order=1, modes=("fwd", "rev"), rtol=1e-6, eps=1e-4)


@pytest.mark.exhaustive
def test_second_derivatives_match_finite_differences():
    def f(flip, t1, t2, df):
        return jnp.abs(relaxation.bssfp(flip, 0.02, t1, 0.1 * t2, off_resonance=10 * df))

    check_grads(jax.jit(f), (0.5, 1.1, 0.9, 0.7), order=2, modes=("rev",), rtol=1e-5, eps=1e-4)


@pytest.mark.exhaustive
def test_complex_m0_and_b1_have_derivatives():
    f = lambda re, im, b1, df: relaxation.bssfp(0.5, 0.02, 0.9, 0.1, off_resonance=10 * df, m0=re + 1j * im, b1=b1)
    check_grads(lambda *x: jnp.stack([f(*x).real, f(*x).imag]), (0.8, -0.3, 0.9, 0.7), 1, ("fwd", "rev"), rtol=1e-6)


# Shapes


def test_samples_come_last():
    te, t1, t2, m0 = np.full(5, 0.01), np.ones((3, 1)), np.full(4, 0.1), np.ones(())
    shape = lambda f, *args, **kwargs: jax.eval_shape(lambda: f(*args, **kwargs)).shape
    assert shape(relaxation.spin_echo, te, t1, t2, 1.0, m0) == (3, 4, 5)
    assert shape(relaxation.spin_echo, 0.01, t1, t2, 1.0, m0) == (3, 4, 1)
    assert shape(relaxation.spin_echo, 0.01, 1.0, 0.1) == (1,)
    assert shape(relaxation.bssfp, np.ones(5), te, t1, t2) == (3, 4, 5)
    assert shape(relaxation.bssfp, 0.5, 0.01, 1.0, 0.1, phase_increment=np.arange(4.0)) == (4,)
    assert shape(relaxation.spgr, 0.5, 0.1, t1, te, t2) == (3, 4, 5)
    assert shape(relaxation.inversion_recovery, te, t1, 1.0, m0=t2) == (3, 4, 5)
    assert shape(relaxation.saturation_recovery, 0.1, t1, te) == (3, 1, 5)
    assert shape(relaxation.ernst_angle, te, t1) == (3, 1, 5)
    assert shape(relaxation.t2star_decay, te, t1, off_resonance=t2) == (3, 4, 5)
    assert shape(relaxation.t2_decay, np.ones(0), t2) == (4, 0)
    assert shape(relaxation.t2star, t1, t2) == (3, 4)
    assert shape(relaxation.t2star, 0.1, 0.1) == ()
    assert shape(relaxation.multi_exponential, te, np.ones(2), np.ones((3, 1, 2)), t2) == (3, 4, 5)
    assert shape(relaxation.multi_exponential, 0.1, np.ones((4, 2)), np.ones(2)) == (4, 1)


def test_sample_arguments_go_together_entry_by_entry():
    flip, tr, t1 = jnp.array([0.1, 0.4, 0.9]), jnp.array([0.005, 0.01, 0.02]), jnp.array([0.5, 1.5])
    together = relaxation.spgr(flip, tr, t1)
    apart = jnp.concatenate([relaxation.spgr(flip[k], tr[k], t1) for k in range(3)], axis=-1)
    close(together, apart)


# Precision


def all_results(cast):
    """Every function on arrays made by `cast`, with Python numbers for what is left to its default."""
    t1, t2, angle = cast([0.8, 1.6]), cast([0.05, 0.1]), cast([0.1, 0.5])
    short, wait = cast([2 * ms, 4 * ms]), cast([0.1, 1.0])
    return {
        "t2_decay": relaxation.t2_decay(short, t2),
        "t2star": relaxation.t2star(t2, 0.03),
        "t2star_decay": relaxation.t2star_decay(short, t2),
        "t2star_decay with off-resonance": relaxation.t2star_decay(short, t2, off_resonance=20.0),
        "multi_exponential": relaxation.multi_exponential(short, t2, cast([0.3, 0.7])),
        "spin_echo": relaxation.spin_echo(short, t1, t2, 0.3),
        "inversion_recovery": relaxation.inversion_recovery(wait, t1, 2.0, 3.0),
        "saturation_recovery": relaxation.saturation_recovery(wait, t1, 1.4),
        "spgr": relaxation.spgr(angle, 5 * ms, t1, short, 0.03),
        "ernst_angle": relaxation.ernst_angle(short, t1),
        "bssfp": relaxation.bssfp(angle, 5 * ms, t1, t2, off_resonance=20.0),
    }


COMPLEX = {"t2star_decay with off-resonance", "bssfp"}


def dtypes(results):
    return {name: result.dtype for name, result in results.items()}


def expected_dtypes(results, real, complex_):
    return {name: np.dtype(complex_ if name in COMPLEX else real) for name in results}


def test_precision_is_that_of_the_arrays():
    double = jax.eval_shape(lambda: all_results(lambda x: np.asarray(x, np.float64)))
    assert dtypes(double) == expected_dtypes(double, np.float64, np.complex128)
    single = jax.eval_shape(lambda: all_results(lambda x: np.asarray(x, np.float32)))  # x64 is on
    assert dtypes(single) == expected_dtypes(single, np.float32, np.complex64)
    with jax.enable_x64(False):
        single = jax.eval_shape(lambda: all_results(np.asarray))
        assert dtypes(single) == expected_dtypes(single, np.float32, np.complex64)


@pytest.mark.exhaustive
def test_single_precision_agrees_with_double():
    double = jax.jit(lambda: all_results(lambda x: np.asarray(x, np.float64)))()
    with jax.enable_x64(False):
        single = jax.jit(lambda: all_results(lambda x: np.asarray(x, np.float32)))()
    for name in double:
        np.testing.assert_allclose(single[name], double[name], rtol=1e-6, err_msg=name)


def test_python_numbers_alone_have_the_default_precision():
    assert relaxation.spgr(0.1, 0.005, 1).dtype == np.float64
    with jax.enable_x64(False):
        assert relaxation.spgr(0.1, 0.005, 1).dtype == np.float32


@pytest.mark.exhaustive
def test_integers_and_lists_are_numbers():
    close(relaxation.t2_decay([0, 1], 2, [1, 3]), [[1, np.exp(-0.5)], [3, 3 * np.exp(-0.5)]])
    assert relaxation.t2_decay(jnp.array([0, 1]), jnp.float32(2)).dtype == np.float32


def test_only_m0_becomes_complex():
    """Times and angles stay real beside a complex m0, and so do their exponentials and sines."""
    te, t1, m0 = _arguments.align({"te": 0.1}, {"t1": 1.0, "m0": 1j})
    assert (te.dtype, t1.dtype, m0.dtype) == (np.float64, np.float64, np.complex128)


def test_complex_m0_makes_the_signal_complex_in_the_same_precision():
    signal = relaxation.spgr(jnp.float32(0.1), 0.005, 1.0, m0=1j)
    assert signal.dtype == np.complex64
    np.testing.assert_allclose(signal, 1j * relaxation.spgr(0.1, 0.005, 1.0), rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("tr", [1 * ms, 0.02 * ms])
def test_single_precision_holds_for_short_tr_and_small_angles(tr):
    """Where 1 - E1 and 1 - E1 cos(flip), taken literally, would lose three to six of the seven digits."""
    t1, t2, off_resonance = np.array([0.3, 4.0]), np.array([0.1, 2.0]), 0.0
    flip = np.array([0.1, 1.0, 10.0]) * deg

    def compute(dtype):
        values = [jnp.asarray(x, dtype) for x in (flip, tr, t1, t2, off_resonance)]
        flips, period, *tissue = values
        return (
            relaxation.spgr(flips, period, tissue[0]),
            relaxation.ernst_angle(period, tissue[0]),
            relaxation.bssfp(flips, period, *tissue[:2], off_resonance=tissue[2]).imag,
        )

    for single, double in zip(compute(jnp.float32), compute(jnp.float64), strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=2e-6)


# Composition


@pytest.mark.exhaustive
def test_jit_vmap_and_one_trace():
    traces = []

    @jax.jit
    def f(flip, t1, t2):
        traces.append(None)
        return relaxation.bssfp(flip, 0.01, t1, t2)

    flip, t1, t2 = jnp.array([0.2, 0.9]), jnp.array([0.8, 1.2, 2.0]), jnp.array([0.05, 0.1, 0.2])
    direct = relaxation.bssfp(flip, 0.01, t1, t2)
    close(f(flip, t1, t2), direct)
    f(2 * flip, 2 * t1, t2)
    assert len(traces) == 1
    close(jax.vmap(f, in_axes=(None, 0, 0))(flip, t1, t2), direct)
    close(jax.jit(everything)()["spgr"], everything()["spgr"])


@pytest.mark.exhaustive
def test_gradient_of_vmap_and_jvp_agree():
    t1 = jnp.array([0.8, 1.2, 2.0])
    f = lambda t1: relaxation.spgr(jnp.array([0.1, 0.3]), 0.01, t1)
    forward = jax.jvp(f, (t1,), (jnp.ones(3),))[1]  # voxels do not mix: one tangent gives all
    reverse = jax.vmap(jax.jacrev(f))(t1)
    close(forward, reverse)


# Examples


@pytest.mark.parametrize("precision", [32, 64])
@pytest.mark.parametrize("module", ["decay", "recovery", "steady_state"])
def test_examples_run(module, precision):
    with jax.enable_x64(precision == 64):
        results = doctest.testmod(importlib.import_module(f"mrjax.signals.relaxation.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


# Error sentences

WRONG = [
    (lambda: relaxation.t2_decay(-0.01, 0.1), r"`te` must not be negative \(s\), but got -0.01\."),
    (lambda: relaxation.t2_decay(INF, 0.1), r"`te` must be finite, but got inf\."),
    (lambda: relaxation.t2_decay(0.01, 0.0), r"`t2` must be positive \(s\), but got 0\."),
    (lambda: relaxation.t2_decay(0.01, [0.1, np.nan]), r"`t2` must be positive \(s\), but got nan \(1 of 2"),
    (lambda: relaxation.t2_decay(0.01, 0.1j), r"`t2` must be real, but got complex"),
    (lambda: relaxation.t2_decay("ten", 0.1), r"`te` must be a number or an array of numbers, but got 'ten'"),
    (
        lambda: relaxation.t2_decay(np.ones((2, 3)) * 0.01, 0.1),
        r"`te` must be a number or have one axis, that of the samples, but got shape \(2, 3\)\.",
    ),
    (
        lambda: relaxation.spgr(np.ones(3), np.full(4, 0.01), 1.0),
        r"sample axis must have one length \(or be numbers\), but got flip_angle 3, tr 4\.",
    ),
    (
        lambda: relaxation.spin_echo(0.01, np.ones(3), np.ones(4)),
        r"must broadcast to one voxel shape, but got t1 \(3,\), t2 \(4,\)\.",
    ),
    (lambda: relaxation.t2star(np.ones(3), np.ones(4)), r"but got t2 \(3,\), t2_prime \(4,\)\."),
    (lambda: relaxation.spin_echo(0.1, 1.0, 0.1, tr=0.05), r"`te` must not exceed `tr` \(s\), but got 0.1\."),
    (
        lambda: relaxation.spgr(0.1, 0.01, 1.0, te=[0.005, 0.02]),
        r"`te` must not exceed `tr` \(s\), but got 0.02",
    ),
    (lambda: relaxation.bssfp(0.1, 0.01, 1.0, 0.1, te=0.02), r"`te` must not exceed `tr`"),
    (lambda: relaxation.inversion_recovery(2.0, 1.0, tr=1.0), r"`inversion_time` must not exceed `tr`"),
    (lambda: relaxation.spgr(0.1, 0.0, 1.0), r"`tr` must be positive \(s\), but got 0\."),
    (lambda: relaxation.spgr(np.nan, 0.01, 1.0), r"`flip_angle` must be finite, but got nan\."),
    (lambda: relaxation.spgr(0.1, 0.01, 1.0, b1=-1), r"`b1` must not be negative \(relative to nominal\)"),
    (lambda: relaxation.spgr(0.1, 0.01, 1.0, m0=np.inf), r"`m0` must be finite"),
    (lambda: relaxation.bssfp(0.1, INF, 1.0, 0.1), r"`tr` must be finite, but got inf\."),
    (lambda: relaxation.bssfp(0.1, 0.01, INF, INF), r"`t1` and `t2` must let a steady state form"),
    (
        lambda: relaxation.multi_exponential(0.01, 0.1, [1.0]),
        r"`t2` must have shape \(\*voxels, n_components\)",
    ),
    (
        lambda: relaxation.multi_exponential(0.01, [0.1, 0.2], [0.2, 0.3, 0.5]),
        r"same number of components on their last axis, but got 2 and 3\.",
    ),
]


@pytest.mark.parametrize(("call", "sentence"), WRONG)
def test_errors_name_the_argument(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_values_are_checked_inside_jit():
    f = jax.jit(lambda te, t2: relaxation.t2_decay(te, t2))
    close(f(0.01, 0.1), [np.exp(-0.1)])
    with pytest.raises(Exception, match="`t2` must be positive"):
        f(0.01, -0.1).block_until_ready()
    with pytest.raises(Exception, match="`te` must not exceed `tr`"):
        jax.jit(lambda te: relaxation.spgr(0.1, 0.01, 1.0, te))(0.02).block_until_ready()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: relaxation.t2_decay([10.0, 20.0], 0.1), "te"),
        (lambda: relaxation.t2_decay(0.01, 80.0), "t2"),
        (lambda: relaxation.spgr(0.1, 500.0, 1.0), "tr"),
        (lambda: relaxation.inversion_recovery(400.0, 1.0), "inversion_time"),
    ],
)
def test_milliseconds_are_noticed(call, name):
    with pytest.warns(UserWarning, match=f"`{name}` is in s and reaches"):
        call()
