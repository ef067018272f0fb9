"""Configuration states with slice profiles, RF that lasts, gradients and readouts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.inverse import per_voxel_jacobian

GAMMA = 2 * np.pi * mr.units.GAMMA_BAR["1H"]
VOXEL = 1e-3  # m
CYCLE = 2 * np.pi / GAMMA / VOXEL  # T s/m
TISSUE = mr.Tissue(
    jnp.array([0.5, 1.0]), jnp.array([0.05, 0.1]), off_resonance=jnp.array([3.0, -20.0]), b1=jnp.array([0.9, 1.1])
)
ENVELOPE = 5e-6 * np.exp(-(np.linspace(-2, 2, 40) ** 2)) * (1 + 0.3j)
ANGLES = jnp.array([3.0, 2.6, 2.6])


def wind(cycles: float, axis="x", flat=1.8e-3) -> mr.Gradient:
    return mr.Gradient.trapezoid(area=cycles * CYCLE, rise=1e-4, flat=flat, axis=axis)


@pytest.fixture(scope="module")
def profile() -> mr.SliceProfile:
    """Of a slice 5 mm thick, at a dozen positions; asymmetric, so that its phase matters."""
    envelope = jnp.asarray(np.hanning(20) * np.exp(0.4j * np.linspace(0, 1, 20) ** 2))
    pulse = mr.ShapedPulse(7e-6 * envelope, dt=0.1e-3)
    return mr.slice_profile(pulse, np.linspace(-4e-3, 4.2e-3, 12), gradient=6e-3, thickness=5e-3)


def train(phase: jax.Array | float = 0.0) -> mr.Sequence:
    """Spin echoes, with what is added to all phases."""
    return mr.Sequence(
        mr.Pulse(np.pi / 2, phase),
        mr.Repeat(
            mr.Delay(5e-3),
            mr.Dephase(1),
            mr.Pulse(ANGLES, np.pi / 2 + phase),
            mr.Dephase(1),
            mr.Delay(5e-3),
            mr.Sample(),
        ),
    )


@pytest.mark.exhaustive
def test_a_slice_profile_is_the_sum_over_its_positions(profile):
    tissue = dataclasses.replace(TISSUE, m0=jnp.array([2.0, 0.5 + 1.0j]))
    signal = mr.simulate(train(), tissue, mr.EPG(slice_profile=profile))
    relative = profile.flip_angle / profile.nominal_flip_angle

    def at(relative, phase):
        return mr.simulate(train(phase), dataclasses.replace(tissue, b1=tissue.b1 * relative))

    expected = sum(
        weight * np.asarray(each)
        for weight, each in zip(profile.weights, jax.vmap(at)(relative, profile.phase), strict=True)
    )
    assert np.ptp(relative) > 0.9
    assert np.ptp(profile.phase) > 0.1
    np.testing.assert_allclose(signal, expected, atol=1e-12)


@pytest.mark.exhaustive
def test_a_perfect_slice_changes_nothing():
    n, angle = 5, 1.1
    ones = jnp.ones(n)
    perfect = mr.SliceProfile(
        position=jnp.linspace(-2e-3, 2e-3, n),
        alpha=jnp.cos(angle / 2) * ones + 0j,
        beta=-1j * jnp.sin(angle / 2) * ones,
        wound=jnp.zeros((2, n)),
        nominal_flip_angle=jnp.asarray(angle),
        weights=ones / n,
    )
    signal = mr.simulate(train(), TISSUE, mr.EPG(slice_profile=perfect))
    np.testing.assert_allclose(signal, mr.simulate(train(), TISSUE), atol=1e-14)


@pytest.mark.exhaustive
def test_a_state_with_a_slice_profile_is_played_on(profile):
    engine = mr.EPG(slice_profile=profile)
    whole = mr.simulate(mr.Sequence(train(), train()), TISSUE, engine)
    first, state = mr.play(train(), TISSUE, engine)
    second, _ = mr.play(train(), TISSUE, engine, state=state)
    assert state.z.shape[1:] == (2, 12)
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), whole, atol=1e-14)


@pytest.mark.exhaustive
def test_derivatives_pass_through_the_slice(profile):
    """Those of every voxel by themselves, and by the Jacobian."""
    engine = mr.EPG(slice_profile=profile)
    model = lambda p, **options: mr.simulate(train(), mr.Tissue(0.8, p["t2"], b1=p["b1"]), engine, **options)
    params = {"t2": jnp.array([0.05, 0.1, 0.2]), "b1": jnp.array([0.9, 1.0, 1.1])}
    jacobian = per_voxel_jacobian(model, params)
    step = 1e-5
    for name, value in params.items():
        difference = model(params | {name: value + step}) - model(params | {name: value - step})
        np.testing.assert_allclose(jacobian[name], difference / (2 * step), atol=1e-8)
    loss = lambda p: jnp.sum(jnp.abs(model(p, gradient=mr.gradient.ForwardJacobian())) ** 2)
    gradient, signal = jax.grad(loss)(params), model(params)
    for name, column in jacobian.items():
        np.testing.assert_allclose(gradient[name], 2 * jnp.sum((signal.conj() * column).real, axis=-1), rtol=1e-10)


@pytest.mark.exhaustive
def test_the_pulse_behind_a_profile_is_differentiated():
    def signal(amplitude):
        pulse = mr.ShapedPulse(amplitude * 1e-6 * jnp.hanning(8), dt=0.2e-3)
        profile = mr.slice_profile(pulse, jnp.linspace(-4e-3, 4e-3, 3), gradient=6e-3)
        echo = mr.Sequence(mr.Pulse(1.5), mr.Dephase(1), mr.Pulse(2.5), mr.Dephase(1), mr.Sample())
        return mr.simulate(echo, mr.Tissue(1.0, 0.1), mr.EPG(slice_profile=profile))[0].imag

    value = compiled_quickly(signal)
    difference = (value(20.0 + 1e-3) - value(20.0 - 1e-3)) / 2e-3
    np.testing.assert_allclose(compiled_quickly(jax.grad(signal))(20.0), difference, rtol=1e-6)


def shaped() -> mr.Sequence:
    """RF that lasts, on and off resonance, in a loop with numbers that change."""
    pulse = mr.ShapedPulse(jnp.stack([ENVELOPE, 2 * ENVELOPE]), 50e-6, offset=40.0, phase=jnp.array([0.4, 1.0]))
    block = mr.ContinuousWave(jnp.array([3e-6, 9e-6]), 2e-3, offset=-30.0)
    return mr.Sequence(
        mr.Repeat(pulse, mr.Delay(1e-3), mr.Dephase(1), block, mr.Dephase(1), mr.Sample()), mr.Sample(0.3)
    )


@pytest.mark.exhaustive
def test_shaped_pulses_are_exact_without_relaxation():
    lossless = dataclasses.replace(TISSUE, t1=jnp.inf, t2=jnp.inf)
    expected = mr.simulate(shaped(), lossless, mr.Isochromats())
    assert np.all(np.abs(expected) > 1e-3)
    np.testing.assert_allclose(mr.simulate(shaped(), lossless), expected, atol=1e-12)


@pytest.mark.exhaustive
def test_relaxation_during_a_pulse_converges_with_the_square_of_its_parts():
    def error(n_parts):
        # as many parts in every case, of which some take no time, are compiled once
        duration = jnp.where(jnp.arange(16) < n_parts, 4e-3 / n_parts, 0.0)
        parts = mr.Sequence(mr.Repeat(mr.ContinuousWave(3e-6, duration)), mr.Sample())
        return abs((mr.simulate(parts, tissue) - exact)[0])

    tissue = mr.Tissue(60e-3, 15e-3, off_resonance=70.0)
    exact = mr.simulate(mr.Sequence(mr.ContinuousWave(3e-6, 4e-3), mr.Sample()), tissue, mr.Isochromats())
    errors = [error(n) for n in (4, 8, 16)]
    assert errors[-1] < 1e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.1)


@pytest.mark.exhaustive
def test_a_slice_is_selected_by_positions():
    lossless = mr.Tissue(
        jnp.inf, jnp.inf, off_resonance=TISSUE.off_resonance[:, None], z=jnp.linspace(-3e-3, 3e-3, 7)[None]
    )
    selection = mr.Together(
        mr.Sequence(mr.Delay(1e-4), mr.ShapedPulse(ENVELOPE, 50e-6)),
        mr.Gradient.trapezoid(10e-3, rise=1e-4, flat=2e-3, axis="z"),
    )
    back = mr.Gradient.trapezoid(-10e-3, rise=1e-4, flat=0.95e-3, axis="z")
    sequence = mr.Sequence(selection, mr.Together(back, mr.Readout(4, 0.25e-3)))
    signal = mr.simulate(sequence, lossless)
    assert signal.shape == (2, 7, 4)
    np.testing.assert_allclose(signal, mr.simulate(sequence, lossless, mr.Isochromats()), atol=1e-12)


def gradient_echo() -> mr.Sequence:
    """Half a cycle before a readout over one; then a spoiler along the same axis, and a sample of what it leaves."""
    readout = mr.Together(wind(1.0), mr.Sequence(mr.Delay(2e-4), mr.Readout(8, 2e-4, phase=0.3, offset=20.0)))
    repetition = (mr.Pulse(jnp.array([1.0, 0.6]), 0.4), wind(-0.5), mr.Delay(1e-3), readout, wind(1.5), mr.Sample())
    return mr.Sequence(mr.Repeat(*repetition), mr.Readout(4, 1e-4))


@pytest.mark.slow
def test_a_readout_under_a_gradient_agrees_with_many_spins():
    signal = mr.simulate(gradient_echo(), TISSUE, mr.EPG(voxel_size=VOXEL))
    # of a midpoint rule over 2000 spins
    expected = mr.simulate(gradient_echo(), TISSUE, mr.Isochromats(2000, voxel_size=VOXEL))
    assert signal.shape == (2, 22)
    np.testing.assert_allclose(signal, expected, atol=1e-6)


@pytest.mark.exhaustive
def test_readouts_and_pulses_of_one_together_take_turns():
    both = mr.Together(
        mr.Sequence(mr.ContinuousWave(5e-6, 1e-3), mr.Delay(1e-3), mr.Readout(2, 1e-3), mr.ContinuousWave(3e-6, 2e-3)),
        mr.Sequence(mr.Delay(1e-3), wind(1.0, flat=0.4e-3)),
    )
    apart = mr.Sequence(
        mr.ContinuousWave(5e-6, 1e-3),
        mr.Together(wind(1.0, flat=0.4e-3), mr.Delay(1e-3)),
        mr.Readout(2, 1e-3),
        mr.ContinuousWave(3e-6, 2e-3),
    )
    engine = mr.EPG(voxel_size=VOXEL)
    end = (mr.Dephase(-1), mr.Sample())
    expected = mr.simulate(mr.Sequence(apart, *end), TISSUE, engine)
    np.testing.assert_allclose(mr.simulate(mr.Sequence(both, *end), TISSUE, engine), expected, atol=1e-12)


@pytest.mark.slow
def test_a_gradient_during_a_pulse_winds_before_and_after_its_middle():
    pulse = mr.ContinuousWave(2e-3 / GAMMA * 1e6, 1e-3)  # 2 rad
    together = mr.Together(pulse, mr.Gradient([2 * CYCLE / 1e-3] * 2, [0.0, 1e-3], "x"))
    hard = mr.Sequence(mr.Dephase(1), mr.Pulse(2.0), mr.Dephase(1))
    lossless = mr.Tissue(jnp.inf, jnp.inf)
    sequence = lambda part: mr.Sequence(mr.Pulse(1.3, 0.5), part, mr.Sample())
    signal = mr.simulate(sequence(together), lossless, mr.EPG(voxel_size=VOXEL))
    np.testing.assert_allclose(signal, mr.simulate(sequence(hard), lossless), atol=1e-12)


@pytest.mark.exhaustive
def test_diffusion_takes_the_true_shape_of_a_gradient():
    """A Stejskal-Tanner echo of trapezoids, by the formula with ramps; then a decay under a constant gradient."""
    d, ramp, flat, gap = 2e-9, 1e-3, 4e-3, 15e-3
    small = 2e-5  # m: a voxel so small that one cycle is much diffusion
    slope = 2 * np.pi / GAMMA / small / (flat + ramp)
    lobe = mr.Gradient.trapezoid(slope, rise=ramp, flat=flat, axis="y")
    echo = mr.Sequence(mr.Pulse(np.pi / 2), lobe, mr.Delay(gap), mr.Pulse(np.pi, np.pi / 2), lobe, mr.Sample())
    tissue = mr.Tissue(jnp.inf, jnp.inf, diffusion=jnp.array([0.0, d]))
    signal = mr.simulate(echo, tissue, mr.EPG(voxel_size=small))
    delta, between = flat + ramp, gap + flat + 2 * ramp
    b = (GAMMA * slope) ** 2 * (delta**2 * (between - delta / 3) + ramp**3 / 30 - delta * ramp**2 / 6)
    np.testing.assert_allclose(np.abs(signal[1] / signal[0]), np.exp(-b * d), rtol=1e-12)
    assert b * d > 0.5
    constant = mr.Gradient([slope, slope], [0.0, delta], "y")
    decay = mr.Sequence(mr.Pulse(np.pi / 2), mr.Together(constant, mr.Readout(5, delta / 5)))
    samples = mr.simulate(decay, tissue, mr.EPG(voxel_size=small))[1]
    t = (np.arange(5) + 0.5) * delta / 5
    expected = -1j * np.sinc(t / delta) * np.exp(-((GAMMA * slope) ** 2) * d * t**3 / 3)
    np.testing.assert_allclose(samples, expected, rtol=1e-12)


def test_a_readout_without_gradients_is_a_row_of_samples():
    n, dwell = 4, 2e-3
    rows = mr.Sequence(mr.Repeat(mr.Pulse(0.7), mr.Readout(n, dwell, phase=0.2), mr.Dephase(1), n_repetitions=3))
    one_by_one = mr.Repeat(
        mr.Pulse(0.7),
        mr.Delay(dwell / 2),
        mr.Sample(0.2),
        mr.Repeat(mr.Delay(dwell), mr.Sample(0.2), n_repetitions=n - 1),
        mr.Delay(dwell / 2),
        mr.Dephase(1),
        n_repetitions=3,
    )
    np.testing.assert_allclose(mr.simulate(rows, TISSUE), mr.simulate(one_by_one, TISSUE), atol=1e-14)


@pytest.mark.exhaustive
def test_derivatives_of_what_lasts():
    cycle, half = wind(1.0), wind(0.5)  # traced, if they were made below

    def signal(amplitude, t2, z, dwell):
        pulse = mr.ShapedPulse(amplitude * jnp.asarray(ENVELOPE[::5]), 0.4e-3, offset=15.0)
        selection = mr.Together(pulse, mr.Gradient([0.0, 5e-3, 5e-3], [0.0, 1e-3, 3.2e-3], "z"))
        tissue = mr.Tissue(0.7, t2, z=z)
        readout = mr.Together(cycle, mr.Readout(3, dwell * 1e-4))
        scan = mr.Repeat(selection, half, readout, n_repetitions=2)
        return mr.simulate(scan, tissue, mr.EPG(voxel_size=VOXEL))

    point = (jnp.asarray(1.0), jnp.array([0.03, 0.08]), jnp.array([-1e-3, 2e-3]), jnp.asarray(2.0))
    direction = (jnp.asarray(1.0), jnp.array([0.01, -0.02]), jnp.array([1e-4, 2e-4]), jnp.asarray(0.5))
    along = compiled_quickly(lambda step: signal(*(p + step * d for p, d in zip(point, direction, strict=True))))
    difference = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(along))(0.0), difference, rtol=1e-6, atol=1e-8)
    weight = jnp.exp(1j * jnp.arange(12.0)).reshape(2, 6)
    gradient = compiled_quickly(jax.grad(lambda point: jnp.sum(weight * signal(*point)).real))(point)
    pulled = sum(jnp.vdot(g, d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(pulled, jnp.sum(weight * difference).real, rtol=1e-6)


@pytest.mark.exhaustive
def test_numbers_keep_their_dtype():
    narrow = lambda leaf: leaf.astype(jnp.complex64 if jnp.iscomplexobj(leaf) else jnp.float32)
    sequence, tissue = jax.tree.map(narrow, (mr.Sequence(gradient_echo(), shaped()), TISSUE))
    signal = mr.simulate(sequence, tissue, mr.EPG(voxel_size=jnp.float32(VOXEL)))
    assert signal.dtype == jnp.complex64
    expected = mr.simulate(gradient_echo(), TISSUE, mr.EPG(voxel_size=VOXEL))
    np.testing.assert_allclose(signal[:, : expected.shape[1]], expected, atol=2e-5)


def in_a_voxel(*events, tissue: mr.Tissue | None = None, **options):
    tissue = mr.Tissue(1.0, 0.1) if tissue is None else tissue
    return mr.simulate(mr.Sequence(*events), tissue, mr.EPG(**({"voxel_size": VOXEL} | options)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: in_a_voxel(mr.Delay(1.0), mr.Sequence(wind(0.373))),
            "event 1.0 (Gradient): EPG needs gradients that wind a multiple of a cycle or a simple fraction of one over "
            "`voxel_size`, but this winds 0.373; change its area or `voxel_size`, play `Dephase`, use `engine=Isochromats(...)`, "
            "or give `EPG(orders_per_cycle=)` of which it is a multiple.",
        ),
        (
            lambda: in_a_voxel(wind(0.373), orders_per_cycle=5),
            "wind a multiple of 1/5 cycle over `voxel_size`, but this winds",
        ),
        (
            lambda: in_a_voxel(wind(1.0), voxel_size=None),
            "Gradients along x wind across the voxel: pass `voxel_size` (m)",
        ),
        (
            lambda: in_a_voxel(wind(1.0), wind(1.0, "y")),
            "EPG winds along one axis, but the sequence has gradients along x and y; give the tissue positions (x, y, in m)",
        ),
        (
            lambda: in_a_voxel(wind(1.0), wind(1.0, "y"), axis="x"),
            "EPG winds along x alone, but the sequence has gradients along y; give the tissue positions there (m)",
        ),
        (
            lambda: in_a_voxel(mr.Repeat(mr.Gradient(CYCLE * np.array([[1.0, 1.0], [2.0, 2.0]]), [0.0, 1.0], "x"))),
            "event 0.0 (Gradient): EPG needs gradients that wind as much in every repetition, but this winds 1 to 2 cycles",
        ),
        (
            lambda: jax.jit(lambda area: in_a_voxel(wind(area)))(1.0),
            "event 0 (Gradient): EPG must know how far gradients wind before it computes, but gradients, times or `voxel_size` "
            "are traced",
        ),
        (
            lambda: in_a_voxel(wind(1.0), wind(1.0, "z"), tissue=mr.Tissue(1.0, 0.1, z=0.1, diffusion=1e-9)),
            "With `diffusion`, EPG needs all gradients along the axis that winds, but the sequence has gradients along z.",
        ),
        (lambda: mr.EPG(orders_per_cycle=0), "`orders_per_cycle` must be an integer of at least 1, but got 0."),
    ],
)
def test_what_cannot_be_played_is_named(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert message in str(error.value)


@pytest.mark.exhaustive
def test_a_profile_is_refused_where_pulses_last(profile):
    with pytest.raises(ValueError, match="`slice_profile` is that of `Pulse`s, which take no time"):
        in_a_voxel(mr.ContinuousWave(1e-6, 1e-3), slice_profile=profile)


def test_finer_orders_play_gradients_of_any_area():
    sequence = mr.Sequence(mr.Pulse(1.0), wind(0.37), mr.Sample())
    signal = mr.simulate(sequence, mr.Tissue(jnp.inf, jnp.inf), mr.EPG(voxel_size=VOXEL, orders_per_cycle=100))
    np.testing.assert_allclose(signal, -1j * np.sin(1.0) * np.sinc(0.37), rtol=1e-12)
