"""Closed forms of relaxation against Bloch iterations in NumPy, their limits, derivatives, dtypes and error sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from mrjax.signals import relaxation
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
    """Isochromats with every crusher phase; what the crushers have wound is averaged away before the next excitation."""
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


@pytest.mark.parametrize("te", [0.0, 1.3 * ms, 4 * ms])
@pytest.mark.parametrize("increment", [0.0, 0.4, np.pi, 4.0])
@pytest.mark.parametrize("off_resonance", [-180.0, 0.0, 23.0, 111.0])
def test_bssfp_is_the_steady_state(off_resonance, increment, te):
    t1, t2, tr = 0.12, 0.04, 4 * ms
    for flip in (5 * deg, 50 * deg, 140 * deg):
        expected = iterated_bssfp(flip, tr, t1, t2, te, off_resonance, increment, n=1200)
        actual = relaxation.bssfp(
            flip, tr, t1, t2, te=te, off_resonance=off_resonance, phase_increment=increment
        )
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
    signal = lambda df, increment: relaxation.bssfp(  # noqa: E731
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
    tr, t1 = jnp.array([5, 50, 2000]) * ms, jnp.array([0.3, 1.5])[:, None]
    angle = relaxation.ernst_angle(tr, t1[:, 0])
    close(angle, np.arccos(np.exp(-tr / t1)))
    for k in range(3):
        slope = jax.vmap(jax.grad(lambda flip, t1, k=k: relaxation.spgr(flip, tr[k], t1)[0]))
        close(slope(angle[:, k], t1[:, 0]), np.zeros(2))


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


def test_inversion_recovery_with_180_degree_excitation_and_saturation_recovery_share_their_limits():
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
    assert relaxation.t2star(INF, INF) == INF


def test_multi_exponential_is_the_sum_of_its_components(rng):
    te, m0 = jnp.array([0.0, 0.02, 0.1]), jnp.array([[2.0], [3.0]])
    t2, fractions = jnp.array([0.02, 0.08, INF]), jnp.asarray(rng.uniform(size=(2, 4, 3)))
    expected = sum(
        relaxation.t2_decay(te, t2[c], m0 * fractions[..., c]) for c in range(3)
    )  # broadcasts (2, 1) with (2, 4)
    signal = relaxation.multi_exponential(te, t2, fractions, m0)
    assert signal.shape == (2, 4, 3)
    close(signal, expected)


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


def test_vfa_maps_of_in_vivo_voxels(reference_data):
    """R1 of in-vivo voxels at 3 T, by the linear fit of S / sin against S / tan; OSIPI's tolerance is 0.05 /s + 5 %."""
    path = reference_data("osipi_vfa_t1/t1_brain_data.csv")
    rows = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
    numbers = lambda column: np.array([[float(v) for v in row[column].split()] for row in rows])  # noqa: E731
    flip, signal, r1, tr = numbers(2) * deg, numbers(3), numbers(4)[:, 0], numbers(5)[0, 0]
    assert rows.shape[0] == 76
    model = relaxation.spgr(flip[0], tr, 1 / r1)
    scale = np.sum(model * signal, axis=1) / np.sum(model**2, axis=1)
    residual = np.abs(scale[:, None] * model - signal) / signal
    assert np.median(residual) < 0.02


# Infinite times: values of the limit, finite derivatives


def everything(tr=0.02, t1=0.9, t2=0.08, flip=0.4, time=0.01):
    """Every function on the same few leaves, as a dictionary of real arrays."""
    bssfp_tr = 0.02 if np.isinf(tr) else tr
    bssfp = relaxation.bssfp(flip, bssfp_tr, t1, t2, off_resonance=7.0)
    free = relaxation.t2star_decay(time, relaxation.t2star(t2, t2), off_resonance=9.0)
    return {
        "t2_decay": relaxation.t2_decay(time, t2),
        "t2star_decay": jnp.stack([free.real, free.imag]),
        "multi_exponential": relaxation.multi_exponential(time, jnp.stack([jnp.asarray(t2), 0.01]), [0.3, 0.7]),
        "spin_echo": relaxation.spin_echo(time, t1, t2, tr, 1.0, flip, 2 * flip),
        "inversion_recovery": relaxation.inversion_recovery(time, t1, tr, 2 * flip, flip),
        "saturation_recovery": relaxation.saturation_recovery(time, t1, flip),
        "spgr": relaxation.spgr(flip, tr, t1, time, t2),
        "ernst_angle": relaxation.ernst_angle(tr, t1),
        "bssfp": jnp.stack([bssfp.real, bssfp.imag]),
    }


HUGE = 1e13  # so long that its exponentials equal those of infinity to 1e-12


@pytest.mark.parametrize(
    "leaves",
    [{"tr": INF}, {"t1": INF}, {"t2": INF}, {"tr": INF, "t1": INF}, {"tr": INF, "t2": INF}, {"flip": 0.0}],
    ids=lambda leaves: "+".join(leaves),
)
@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_singular_points_have_finite_derivatives(leaves, jacobian):
    names = ["tr", "t1", "t2", "flip", "time"]
    values = {"tr": 0.02, "t1": 0.9, "t2": 0.08, "flip": 0.4, "time": 0.01} | leaves
    free = [name for name in names if name != "tr" or not np.isinf(values["tr"])]
    free += [] if "tr" in free else ["tr_infinite"]

    def f(args):
        args = dict(args)
        if "tr_infinite" in args:
            args["tr"] = args.pop("tr_infinite")
        return everything(**args)

    args = {name: values[name.removesuffix("_infinite")] for name in free}
    # `everything` looks at tr with NumPy, so keep it out of the traced arguments where it is infinite
    fixed = {"tr": args.pop("tr_infinite")} if "tr_infinite" in args else {}
    derivatives = jacobian(lambda traced: f(traced | fixed))(args)
    for name, by_argument in derivatives.items():
        for argument, derivative in by_argument.items():
            assert np.all(np.isfinite(derivative)), (name, argument)
