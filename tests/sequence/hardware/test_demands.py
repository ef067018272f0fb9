"""What a sequence demands of hardware and person: closed forms, pypulseq, and derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import deg, ms, mT, uT

SAFE = mr.hardware.SafeStimulation(
    [30.0, 15.0, 25.0],
    [[0.2e-3, 0.03e-3, 3e-3], [1.5e-3, 2.5e-3, 0.15e-3], [2e-3, 0.12e-3, 1e-3]],
    [[0.4, 0.1, 0.5], [0.55, 0.15, 0.3], [0.42, 0.4, 0.18]],
    [0.35, 0.31, 0.25],
)
CHRONAXIE = mr.hardware.ChronaxieStimulation(rheobase=20.0, effective_length=0.333, chronaxie=360e-6)


def triangle(amplitude=10 * mT, axis="x"):
    return mr.Sequence(mr.Gradient(amplitude * jnp.array([0.0, 1.0, 0.0]), jnp.array([0.0, 0.5, 1.0]) * ms, axis))


def test_the_safe_model_is_three_exponentials():
    """A ramp, then its reverse: each filter in closed form, in the middle and at the end."""
    seen = np.asarray(mr.Scanner(stimulation=SAFE).utilisation(triangle())["stimulation"])
    slew, half = 10e-3 / 0.5e-3, 0.5e-3
    a, tau = np.asarray(SAFE.weights[0]), np.asarray(SAFE.time_constants[0])
    up = slew * (1 - np.exp(-half / tau))
    down = -slew + (up + slew) * np.exp(-half / tau)
    both = slew * (1 - np.exp(-2 * half / tau))
    middle = np.sum(a * up)
    end = a[0] * abs(down[0]) + a[1] * both[1] + a[2] * abs(down[2])
    for index, expected in ((100, middle), (200, end)):
        np.testing.assert_allclose(seen[index], 0.35 / 30 * expected, rtol=1e-9)


def test_a_constant_slew_rate_reaches_the_threshold_of_strength_and_duration():
    threshold = 20.0 / 0.333 * (1 + 360e-6 / 500e-6)
    seen = mr.Scanner(stimulation=CHRONAXIE).utilisation(triangle(threshold * 0.5e-3, "z"))["stimulation"]
    np.testing.assert_allclose([np.max(seen), seen[100]], 1.0, rtol=1e-9)


def test_axes_add_as_the_root_of_their_squares():
    slew = jnp.zeros((40, 3)).at[:20].set(jnp.array([30.0, -40.0, 0.0]))
    each = [CHRONAXIE(slew * jnp.eye(3)[i : i + 1], 10e-6) for i in range(3)]
    np.testing.assert_allclose(CHRONAXIE(slew, 10e-6), np.sqrt(sum(one**2 for one in each)), rtol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["gre_epi", "spiral"])
def test_the_safe_model_is_that_of_pypulseq(name, tmp_path):
    pulseq = pytest.importorskip("pypulseq")
    from pypulseq.utils.safe_pns_prediction import safe_example_hw

    sequence = {
        "gre_epi": lambda: mr.protocols.imaging.gre_epi(0.2, 32, 90 * deg, te=20 * ms),
        "spiral": lambda: mr.protocols.imaging.spiral(0.2, 32, 2, 20 * deg, te=3 * ms),
    }[name]()
    mr.pulseq.write(sequence, tmp_path / "sequence.seq")
    theirs = pulseq.Sequence()
    theirs.read(str(tmp_path / "sequence.seq"))
    example = safe_example_hw()
    axes = [getattr(example, axis) for axis in "xyz"]
    row = lambda stem, factor: [[factor * getattr(one, f"{stem}{i}") for i in (1, 2, 3)] for one in axes]
    limits, scales = ([getattr(one, field) for one in axes] for field in ("stim_limit", "g_scale"))
    nerves = mr.hardware.SafeStimulation(limits, row("tau", 1e-3), row("a", 1.0), scales, is_sampled=True)
    seen = mr.Scanner(stimulation=nerves).utilisation(sequence)["stimulation"]
    _, expected, _, _ = theirs.calculate_pns(example, do_plots=False)
    n = min(len(seen), len(expected))
    np.testing.assert_allclose(seen[:n], expected[:n], rtol=0, atol=2e-4 * expected.max())


def test_an_oscillation_has_its_amplitude_in_the_spectrum():
    times = 10e-6 * np.arange(12000)
    wave = np.stack([3 * mT * np.cos(2 * np.pi * 740 * times), 4 * mT * np.sin(2 * np.pi * 740 * times), 0 * times], 1)
    frequencies, amplitude = mr.hardware.gradient_spectrum(wave, 10e-6)
    assert amplitude.shape == (4, 7501, 3)
    at = np.argmin(abs(frequencies - 740))
    np.testing.assert_allclose(amplitude[1, at], [3 * mT, 4 * mT, 0.0], rtol=1e-6, atol=1e-9)
    far = abs(frequencies - 740) > 200
    assert np.max(amplitude[1, far]) < 1e-3 * 4 * mT
    _, some = mr.hardware.gradient_spectrum(wave, 10e-6, frequencies=frequencies[at : at + 2])
    np.testing.assert_allclose(some, amplitude[:, at : at + 2], rtol=0, atol=1e-12)


def test_a_band_of_resonance_sees_all_axes():
    times = 10e-6 * np.arange(10000)
    gradients = [
        mr.Gradient(amplitude * np.cos(2 * np.pi * 600 * times + phase), times, axis)
        for amplitude, phase, axis in ((3 * mT, 0.0, "x"), (4 * mT, 1.0, "y"))
    ]
    sequence = mr.Sequence(mr.Together(*gradients))
    bands = (mr.hardware.Resonance(590.0, 100.0, 2.5 * mT), mr.hardware.Resonance(1200.0, 0.0, 1 * mT))
    shares = mr.Scanner(resonances=bands).utilisation(sequence, ("resonance",))["resonance"]
    np.testing.assert_allclose(np.max(shares), 2.0, rtol=1e-6)
    (found,) = mr.Scanner(resonances=bands, max_slew=np.inf).breaches(mr.Sequence(mr.Together(*gradients)))[-1:]
    assert found.startswith(
        "the sequence: gradients in bands of resonance of 2 times what they allow exceeds max_resonance"
    )


def pulses():
    """Two pulses and rests, after which the next comes."""
    hard = lambda b1, duration: mr.ContinuousWave(b1, duration)
    return mr.Sequence(hard(8 * uT, 2 * ms), mr.Delay(4 * ms), hard(4 * uT, 4 * ms), mr.Delay(10 * ms))


@pytest.mark.parametrize(("window", "square"), [(6 * ms, 128 / 6), (8 * ms, (128 + 32) / 8), (1.0, 192 / 20)])
def test_the_largest_field_is_that_of_the_worst_window(window, square):
    """In uT² ms: 128 of the first pulse, 64 of the second; a longer window is that of a sequence played again and again."""
    rms = mr.hardware.b1_plus_rms(pulses(), window)
    np.testing.assert_allclose(np.max(rms), np.sqrt(square) * uT, rtol=1e-9)
    any_start = np.linspace(0, max(20 * ms - window, 0), 41)
    timeline = pulses().timeline()
    middles = (np.arange(4000) + 0.5) / 4000 * min(window, 20 * ms)
    seen = [np.sqrt(np.mean(np.abs(timeline.at(start + middles)[0]) ** 2)) for start in any_start]
    assert max(seen) <= np.max(rms) * (1 + 1e-3)


def test_power_follows_from_the_field():
    scanner = mr.Scanner(max_sar=2.0, sar_per_squared_b1=0.1 / uT**2, sar_window=8 * ms, max_b1_rms=1 * uT)
    shares = scanner.utilisation(pulses())
    np.testing.assert_allclose(np.max(shares["sar"]), 0.1 * 20 / 2, rtol=1e-9)
    assert set(scanner.limited) == {"gradient", "slew", "b1", "b1_rms", "sar"}
    assert "the sequence: B1+rms of 3.09839 uT exceeds max_b1_rms 1 uT" in scanner.breaches(pulses())


def test_shares_are_what_breaches_judge_by():
    """In events, between them, and of all axes together."""
    jumps = mr.Sequence(
        mr.Together(
            mr.Gradient([0.0, 30 * mT], [0.0, 0.4 * ms], "x"), mr.Gradient([0.0, 40 * mT], [0.0, 0.4 * ms], "y")
        ),
        mr.Gradient([26 * mT, 0.0], [0.0, 0.4 * ms], "x"),
    )
    scanner = mr.Scanner(max_gradient_magnitude=40 * mT, max_slew_magnitude=200.0, max_duration=0.5 * ms)
    shares = scanner.utilisation(jumps)
    assert np.max(shares["gradient"]) == pytest.approx(1.0)
    assert np.max(shares["gradient_magnitude"]) == pytest.approx(1.25)
    assert np.max(shares["slew"]) == pytest.approx(40e-3 / 10e-6 / 150)
    found = scanner.breaches(jumps)
    assert "a jump along x from 30 to 26 mT/m" in found[0]
    assert "a gradient of all axes of 50 mT/m at 0.4 ms exceeds max_gradient_magnitude 40 mT/m" in found[-3]
    assert "a duration of 0.8 s" not in found[-1]
    assert found[-1] == "the sequence: a duration of 0.0008 s exceeds max_duration 0.0005 s"


def everything(amplitude, b1):
    """All demands of a sequence as one number."""
    lobe = mr.Gradient(amplitude * np.array([0.0, 1.0, 0.6, 0.0]), np.array([0.0, 0.3, 0.7, 1.0]) * ms, "x")
    other = mr.Gradient(amplitude * np.array([0.2, -1.0, 0.3]), np.array([0.0, 0.3, 1.0]) * ms, "y")
    sequence = mr.Sequence(mr.Together(mr.ContinuousWave(b1, 1 * ms), lobe, other), mr.Delay(1 * ms))
    scanner = mr.Scanner(
        stimulation=SAFE,
        resonances=(mr.hardware.Resonance(800.0, 300.0, 1 * mT),),
        max_gradient_magnitude=0.04,
        max_slew_magnitude=100.0,
        max_b1_rms=1e-6,
        sar_per_squared_b1=1e12,
        max_sar=1.0,
    )
    shares = scanner.utilisation(sequence, duration=2 * ms)
    return sum(jnp.sum(jnp.asarray(share) ** 2) for share in shares.values())


@pytest.mark.exhaustive
def test_derivatives_are_those_of_finite_differences():
    at = (jnp.asarray(12e-3), jnp.asarray(5e-6))
    value = jax.jit(everything)
    reverse = compiled_quickly(jax.grad(everything, (0, 1)))(*at)
    forward = compiled_quickly(jax.jacfwd(everything, (0, 1)))(*at)
    step = [1e-5 * one for one in at]
    numeric = [
        (value(at[0] + step[0], at[1]) - value(at[0] - step[0], at[1])) / (2 * step[0]),
        (value(at[0], at[1] + step[1]) - value(at[0], at[1] - step[1])) / (2 * step[1]),
    ]
    np.testing.assert_allclose(reverse, numeric, rtol=1e-6)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)
    nothing = compiled_quickly(jax.grad(everything, (0, 1)))(jnp.asarray(0.0), jnp.asarray(0.0))
    assert np.all(np.isfinite(nothing))


def test_what_cannot_be_says_so():
    traced = lambda scale: mr.Scanner(stimulation=SAFE).utilisation(
        mr.Sequence(mr.Gradient(jnp.zeros(2), jnp.array([0.0, 1.0]) * scale, "x"))
    )
    with pytest.raises(ValueError, match="`duration` must be given where times of the sequence are traced"):
        jax.eval_shape(traced, jnp.asarray(1e-3))
    with pytest.raises(
        ValueError, match=r"`kinds` names 'slow', which this scanner does not limit.*Did you mean `slew`"
    ):
        mr.Scanner().utilisation(triangle(), ("slow",))
    with pytest.raises(ValueError, match="`stimulation` must be a model such as"):
        mr.Scanner(stimulation=1.0)
    with pytest.raises(ValueError, match=r"`resonances` must hold mr.hardware.Resonance"):
        mr.Scanner(resonances=[590.0])
    with pytest.raises(ValueError, match="`bandwidth` of a Resonance must be a number, zero or more"):
        mr.hardware.Resonance(590.0, -1.0, 1e-3)
    with pytest.raises(ValueError, match="`time_constants` must be of shape"):
        mr.hardware.SafeStimulation(30.0, [1e-3, 2e-3], [0.5, 0.5])
    with pytest.raises(ValueError, match="`window` must be at least two rasters"):
        mr.hardware.gradient_spectrum(np.zeros((10, 3)), 1e-5, window=1e-5)
