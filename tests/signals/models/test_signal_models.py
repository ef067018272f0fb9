"""What holds for every signal model: limits, starts, maps, derivatives, and what it says of itself."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.inverse import FitStatus, first_guess, least_squares, per_voxel_jacobian
from mrjax.signals import models
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS
from mrjax.signals.models import Parameter, SignalModel
from mrjax.signals.perfusion import ArterialInput, parker_input

DIRECTIONS = np.random.default_rng(3).normal(size=(50, 3))
DIRECTIONS = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
TENSOR = dict(zip(TENSOR_ELEMENTS, 1e-9 * np.array([1.4, 0.2, -0.1, 0.7, 0.15, 0.5]), strict=True))
OFF_THE_AXES = np.array([0.9, 0.02, -0.03, 0.3, 0.04, 0.25, -0.02, 0.03, 0.01, 0.02, 0.8, -0.04, 0.3, 0.02, 0.7])
KURTOSIS = dict(zip(KURTOSIS_ELEMENTS, OFF_THE_AXES, strict=True))
B_VALUES = 1e6 * np.array([0.0, 10, 20, 40, 60, 100, 150, 200, 400, 600, 800, 1000])
KNOTS = np.r_[np.arange(0.0, 60.0, 2.0), np.arange(60.0, 301.0, 10.0)]
PLASMA = ArterialInput(KNOTS, np.asarray(parker_input(KNOTS)) / 0.58)
TIMES = np.r_[np.arange(1.0, 60.0, 3.0), np.arange(60.0, 300.0, 20.0)]
TI = np.array([0.05, 0.2, 0.5, 1.0, 2.0, 4.0])
LINES = 127.73 * (np.array([[2.01, 2.49], [3.03, 3.91], [1.28, 1.34]]) - 4.65)
DECAYS = np.exp(2j * np.pi * LINES[:, :, None] * 1e-3 * np.arange(256)).sum(axis=1)
MP2RAGE = ([0.7, 2.5], np.radians([4.0, 5.0]), (40, 80), 7e-3, 5.0)

ALWAYS_TRIED = ("t2", "vfa", "ir", "tensor", "t2star with field")
"""Whose fits and derivatives every run tries."""

COMPILES_FOR_LONG = ("spectrum", "damped exponentials", "pulsed magnetization transfer", "dispersed neurites")
"""Whose fits and derivatives are tried where every test is."""

EXAMPLES = {
    "t2": (models.Decay(np.linspace(0.01, 0.2, 12)), {"t2": 0.07, "m0": 3.0}),
    "t2star with offset": (
        models.Decay(np.linspace(0.002, 0.06, 12), "t2star", with_offset=True),
        {"t2star": 0.02, "m0": 3.0, "offset": 0.5},
    ),
    "vfa": (models.VariableFlipAngle(np.radians([2.0, 5.0, 12.0, 20.0]), 5e-3), {"t1": 1.1, "m0": 50.0}),
    "adc": (models.ApparentDiffusion(B_VALUES), {"diffusion": 0.8e-9, "s0": 90.0}),
    "ivim": (
        models.IntravoxelIncoherentMotion(B_VALUES),
        {"diffusion": 1.1e-9, "perfusion_fraction": 0.14, "pseudo_diffusion": 2.2e-8, "s0": 90.0},
    ),
    "tensor": (models.DiffusionTensor(1e9 * np.minimum(np.arange(20), 1), DIRECTIONS[:20]), {"s0": 90.0, **TENSOR}),
    "kurtosis": (
        models.DiffusionKurtosis(1e9 * np.repeat([0.0, 1, 2], [2, 24, 24]), DIRECTIONS),
        {"s0": 90.0, **TENSOR, **KURTOSIS},
    ),
    "dispersed neurites": (
        models.DispersedNeurites(1e9 * np.repeat([0.0, 0.7, 2.0], [2, 24, 24]), DIRECTIONS),
        {"s0": 90.0, "neurite_density": 0.6, "dispersion": 0.15, "free_water": 0.1, "polar": 1.1, "azimuth": 0.7},
    ),
    "tofts": (models.Tofts(TIMES, PLASMA), {"ktrans": 4e-3, "ve": 0.3}),
    "extended tofts": (models.ExtendedTofts(TIMES, PLASMA), {"ktrans": 4e-3, "ve": 0.3, "vp": 0.04}),
    "exchange": (
        models.TwoCompartmentExchange(TIMES, PLASMA),
        {"plasma_flow": 8e-3, "permeability_surface": 2e-3, "ve": 0.2, "vp": 0.06},
    ),
    "pcasl": (
        models.ArterialSpinLabelling(1.8 + np.linspace(0.2, 2.5, 9), 1.8, m0=100.0),
        {"cbf": 0.01, "arrival_time": 1.0},
    ),
    "pasl": (
        models.ArterialSpinLabelling(np.linspace(0.3, 3.0, 11), 0.8, "pasl", m0=100.0),
        {"cbf": 0.01, "arrival_time": 0.72},
    ),
    "ir": (models.InversionRecovery(TI, 6.0), {"t1": 0.9, "inversion_efficiency": 0.9, "m0": 2.0}),
    "look-locker": (models.LookLocker(np.sort(np.r_[TI, TI + 0.08])), {"t1": 1.2, "t1star": 0.8, "steady_state": 2.0}),
    "mp2rage of signals": (models.MP2RAGE(*MP2RAGE, data="signed", b1=0.95), {"t1": 1.3, "m0": 20.0}),
    "mp2rage of complex signals": (
        models.MP2RAGE(*MP2RAGE, data="complex"),
        {"t1": 1.3, "m0_real": 20.0, "m0_imaginary": -7.0},
    ),
    "uniform image of mp2rage": (models.MP2RAGE(*MP2RAGE), {"t1": 1.3}),
    "t2star with field": (
        models.T2StarWithField(np.linspace(0.002, 0.03, 8)),
        {"t2star": 0.02, "off_resonance": -83.0, "m0_real": 3.0, "m0_imaginary": -1.0},
    ),
    "two decays": (
        models.BiExponential(np.arange(1, 33) * 0.01),
        {"t2_short": 0.02, "t2_long": 0.09, "short_fraction": 0.2, "m0": 3.0},
    ),
    "three decays": (
        models.MultiExponential(np.arange(1, 65) * 0.008, [(0.005, 0.04), (0.04, 0.2), (0.2, 2.0)]),
        {"t2_1": 0.015, "t2_2": 0.08, "t2_3": 0.6, "m0_1": 0.5, "m0_2": 2.0, "m0_3": 0.8},
    ),
    "myelin water": (
        models.ThreePoolMyelinWater(0.0015 + 0.001 * np.arange(48)),
        {
            "myelin_fraction": 0.15,
            "axonal_share": 0.65,
            "myelin_t2star": 0.009,
            "axonal_t2star": 0.065,
            "extracellular_t2star": 0.034,
            "myelin_frequency": 11.0,
            "axonal_frequency": -5.0,
            "off_resonance": 6.0,
            "m0_real": 1.0,
            "m0_imaginary": 0.5,
        },
    ),
    "stimulated echoes": (models.StimulatedEchoes(12, 0.012), {"t2": 0.08, "b1": 0.8, "m0": 3.0}),
    "stimulated echoes of known b1": (
        models.StimulatedEchoes(12, 0.012, 2.6, b1=0.9, fits_b1=False),
        {"t2": 0.08, "m0": 3.0},
    ),
    "magnetization transfer": (
        models.MagnetizationTransfer(np.tile([1e3, 2e3, 5e3, 1e4, 2e4, 5e4], 2), np.repeat([2e-6, 7e-6], 6), 1.1),
        {"pool_fraction": 0.12, "exchange_rate": 30.0, "pool_t2": 11e-6, "t2": 0.04, "m0": 2.0},
    ),
    "pulsed magnetization transfer": (
        models.PulsedMagnetizationTransfer(
            np.tile([500.0, 1e3, 3e3, 1e4, 2e4, 5e4], 2),
            np.radians(np.repeat([142.0, 600.0], 6)),
            np.exp(-0.5 * np.linspace(-3, 3, 24) ** 2),
            0.01,
            0.03,
            np.radians(7.0),
            1.1,
        ),
        {"pool_fraction": 0.12, "exchange_rate": 30.0, "pool_t2": 11e-6, "t2": 0.02, "m0": 200.0},
    ),
    "spectrum": (
        models.Spectrum(DECAYS, ["NAA", "Cr", "Lac"], 1e-3, window_ppm=(0.9, 4.1), n_baseline=5),
        {
            "lorentz_width": 4.0,
            "gauss_width": 3.0,
            "frequency_shift": 2.0,
            "phase": 0.4,
            "delay": 1e-4,
            "NAA": 9.0,
            "Cr": 6.0,
            "Lac": 2.0,
            **{f"baseline_real_{i + 1}": value for i, value in enumerate([0.1, 0.3, 0.2, 0.3, 0.1])},
            **{f"baseline_imaginary_{i + 1}": value for i, value in enumerate([0.2, -0.1, 0.1, 0.1, -0.1])},
        },
    ),
    "damped exponentials": (
        models.DampedExponentials(1e-3 * np.arange(96), [(-60.0, -35.0), (10.0, 30.0)]),
        {
            "frequency_1": -47.0,
            "t2star_1": 0.05,
            "frequency_2": 19.0,
            "t2star_2": 0.08,
            "m0_real_1": 3.0,
            "m0_imaginary_1": -1.0,
            "m0_real_2": 1.5,
            "m0_imaginary_2": 0.5,
        },
    ),
    "t1rho": (models.SpinLock([0.001, 0.02, 0.04, 0.08]), {"t1rho": 0.07, "m0": 2.0}),
}
"""A model of each kind, and parameters within its limits."""


def _how_often(name):
    if name in ALWAYS_TRIED:
        return ()
    return pytest.mark.exhaustive if name in COMPILES_FOR_LONG else pytest.mark.slow


OF_EACH = [pytest.param(name, marks=_how_often(name)) for name in EXAMPLES]


def of_voxels(parameters, n=5):
    """Parameters about those given, one for each voxel."""
    spread = np.linspace(0.85, 1.15, n)
    return {name: jnp.asarray(value * np.roll(spread, i)) for i, (name, value) in enumerate(parameters.items())}


def test_every_model_is_tried_here():
    every = {kind for _, kind in inspect.getmembers(models, inspect.isclass) if issubclass(kind, SignalModel)}
    assert every - {SignalModel} == {type(model) for model, _ in EXAMPLES.values()}


@pytest.mark.parametrize("name", OF_EACH)
def test_it_is_recovered_from_its_signals(name):
    model, parameters = EXAMPLES[name]
    truth = of_voxels(parameters)
    fit = least_squares(model, model(truth))
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    for parameter in model.names:
        np.testing.assert_allclose(fit.parameters[parameter], truth[parameter], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", OF_EACH)
def test_derivatives_are_those_of_differences(name):
    model, parameters = EXAMPLES[name]
    truth = of_voxels(parameters)
    weights = jnp.linspace(1.0, 2.0, model.n_samples)
    forward = compiled_quickly(lambda p: per_voxel_jacobian(model, p))(truth)
    reverse = compiled_quickly(jax.grad(lambda p: jnp.sum(model(p) * weights[None]).real))(truth)
    step = {parameter: 1e-6 * np.abs(value) for parameter, value in truth.items()}
    moved = lambda parameter, sign: truth | {parameter: truth[parameter] + sign * step[parameter]}
    pairs = [moved(parameter, sign) for parameter in truth for sign in (1, -1)]
    signals = jax.jit(lambda p: model(p))(jax.tree.map(lambda *values: jnp.stack(values), *pairs))
    for parameter, above, below in zip(truth, signals[::2], signals[1::2], strict=True):
        difference = (above - below) / (2 * step[parameter][:, None])
        scale = np.abs(difference).max()
        np.testing.assert_allclose(forward[parameter], difference, rtol=1e-6, atol=1e-7 * scale)
        np.testing.assert_allclose(
            reverse[parameter], (difference * weights[None]).sum(-1).real, rtol=1e-6, atol=1e-6 * scale
        )


@pytest.mark.parametrize("name", OF_EACH)
def test_float32_gives_the_same_signals(name):
    model, parameters = EXAMPLES[name]
    truth = of_voxels(parameters)
    single = lambda leaf: jnp.asarray(leaf, jnp.complex64 if jnp.iscomplexobj(leaf) else jnp.float32)
    low = jax.tree.map(single, (model, truth))
    of = jax.jit(lambda model, parameters: model(parameters))
    signal, due = of(*low), of(model, truth)
    assert signal.real.dtype == jnp.float32
    np.testing.assert_allclose(signal, due, rtol=1e-4, atol=1e-5 * np.abs(due).max())


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_says_what_it_needs_and_gives(name):
    model, _ = EXAMPLES[name]
    text = str(model)
    for part in (type(model).__name__, model.equation, model.source):
        assert part in text
    for parameter in model.parameters:
        assert parameter.meaning in text
        assert parameter.lower < parameter.upper


@pytest.mark.parametrize("name", OF_EACH)
def test_one_voxel_and_many_axes(name):
    model, parameters = EXAMPLES[name]
    one = {parameter: jnp.asarray(value) for parameter, value in parameters.items()}
    assert model(one).shape == (model.n_samples,)
    many = {parameter: jnp.full((2, 3), value) for parameter, value in parameters.items()}
    np.testing.assert_allclose(model(many), np.broadcast_to(model(one), (2, 3, model.n_samples)), rtol=1e-12)


SIGNAL_TO_NOISE = dict.fromkeys(
    (
        "ivim",
        "two decays",
        "three decays",
        "stimulated echoes",
        "magnetization transfer",
        "pulsed magnetization transfer",
        "spectrum",
    ),
    1000,
) | {"myelin water": 10_000}
"""Of models that are far from linear over noise of a fiftieth of the signal, where no estimator reaches the bound."""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.exhaustive if name == "myelin water" else ()) for name in EXAMPLES]
)
def test_estimates_are_as_precise_as_they_can_be_and_say_so(name, rng):
    """The spread is that of the Cramér-Rao bound, and 95 % intervals hold the truth."""
    model, parameters = EXAMPLES[name]
    truth = {parameter: jnp.asarray(value) for parameter, value in parameters.items()}
    signal = model(truth)
    noise_std = float(jnp.abs(signal).max()) / SIGNAL_TO_NOISE.get(name, 50)
    draw = lambda: noise_std * rng.standard_normal((10_000, model.n_samples))
    data = signal[None] + draw() + (1j * draw() if jnp.iscomplexobj(signal) else 0)
    fit, bound = least_squares(model, data, noise_std=noise_std), mr.inverse.crlb(model, truth, noise_std)
    assert np.mean(fit.status == FitStatus.CONVERGED) > 0.99
    for parameter, value in parameters.items():
        error = np.asarray(fit.parameters[parameter]) - value
        spread = np.asarray(fit.standard_deviation[parameter])
        assert abs(np.std(error) / bound.standard_deviation[parameter] - 1) < 0.1, parameter
        assert 0.94 < np.mean(np.abs(error) < 1.96 * spread) < 0.96, parameter


def test_a_first_guess_is_the_nearest_trial():
    model = models.Decay(np.linspace(0.01, 0.2, 12))
    trials = np.array(model.parameters[0].trials)
    truth = {"t2": jnp.asarray(trials[[10, 40]]), "m0": jnp.asarray([2.0, 7.0])}
    guess = first_guess(model, model(truth))
    np.testing.assert_allclose(guess["t2"], truth["t2"], rtol=1e-12)
    np.testing.assert_allclose(guess["m0"], truth["m0"], rtol=1e-9)


def test_maps_follow_the_voxels():
    b1 = jnp.asarray([0.8, 1.0, 1.2])
    model = models.VariableFlipAngle(np.radians([3.0, 15.0]), 5e-3, b1)
    parameters = {"t1": jnp.full(3, 0.9), "m0": jnp.ones(3)}
    some = jax.tree.map(lambda leaf: leaf[1:], parameters)
    np.testing.assert_allclose(model.at(slice(1, None))(some), model(parameters)[1:], rtol=1e-12)
    assert model.without_maps().b1 == 1.0
    fit = mr.inverse.least_squares(model, model(parameters))
    np.testing.assert_allclose(fit.parameters["t1"], 0.9, rtol=1e-6)


def test_limits_may_be_narrowed():
    narrow = Parameter("t1", "s", "T1", 0.1, 10.0, (0.2, 1.0, 5.0)).within(upper=2.0)
    assert (narrow.lower, narrow.upper, narrow.trials) == (0.1, 2.0, (0.2, 1.0))


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="`parameter` must be 't2' or 't2star', but got 't1'"):
        models.Decay([0.01], "t1")
    with pytest.raises(
        ValueError, match=r"`te` must have one value for each sample, shape \(n_samples,\), but got \(\)"
    ):
        models.Decay(0.01)
    with pytest.raises(ValueError, match=r"`inversion_time` must not exceed `tr` \(1 s\)"):
        models.InversionRecovery([0.1, 2.0], 1.0)
    with pytest.raises(ValueError, match=r"`data` must have shape \(\*voxels, 2\) for this model, but got \(3, 4\)"):
        first_guess(models.Decay([0.01, 0.02]), jnp.ones((3, 4)))
    with pytest.raises(ValueError, match="`init` must be given for a model that is a function"):
        least_squares(lambda p: p["a"][..., None] * jnp.ones(2), jnp.ones((3, 2)))
